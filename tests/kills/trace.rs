//! A line of strace's.

/// A call, as `strace -y -xx` shows it: paths of open files beside their numbers, every byte in hex.
pub struct Traced {
    pub name: String,
    pub args: Vec<String>,
    /// `None` for an error.
    pub answer: Option<i64>,
    pub answer_text: String,
    pub line: String,
}

impl Traced {
    pub fn parse(line: &str) -> Option<Self> {
        let (name, rest) = line.split_once('(')?;
        let (args, answer) = rest.rsplit_once(" = ")?;
        let args = args.trim_end().strip_suffix(')')?;
        let number: String = answer
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '-')
            .collect();
        let answer_number = match number.strip_prefix("0x") {
            Some(hex) => i64::from_str_radix(hex, 16).ok(),
            None => number.parse().ok(),
        };
        Some(Self {
            name: name.to_owned(),
            args: split_args(args),
            answer: answer_number.filter(|n| *n >= 0),
            answer_text: answer.to_owned(),
            line: line.chars().take(300).collect(),
        })
    }

    pub fn words(&self, arg: usize) -> String {
        self.args[arg].clone()
    }

    pub fn fd(&self, arg: usize) -> i64 {
        let (fd, _) = self.args[arg]
            .split_once('<')
            .unwrap_or((&self.args[arg], ""));
        fd.parse().unwrap_or(-1)
    }

    pub fn fd_path(&self, arg: usize) -> String {
        path_of(&self.args[arg])
    }

    pub fn bytes(&self, arg: usize) -> Vec<u8> {
        let quoted = self.args[arg].trim_matches('"');
        assert!(!self.args[arg].ends_with("..."), "strace shows all of it");
        unescaped(quoted)
    }

    pub fn text(&self, arg: usize) -> String {
        String::from_utf8(self.bytes(arg)).unwrap()
    }

    /// A path by itself, which is absolute.
    pub fn path(&self, arg: usize) -> String {
        self.text(arg)
    }

    /// A path that begins at a directory.
    pub fn path_at(&self, arg: usize) -> String {
        let (dir, path) = (self.fd_path(arg), self.text(arg + 1));
        match path.as_str() {
            "" => dir,
            path if path.starts_with('/') => path.to_owned(),
            path => format!("{dir}/{path}"),
        }
    }
}

/// The path in `5<path>`.
pub fn path_of(shown: &str) -> String {
    let path = shown.split_once('<').map_or("", |(_, path)| path);
    let path = path.split_once('>').map_or(path, |(path, _)| path);
    String::from_utf8(unescaped(path)).unwrap()
}

/// Bytes that stand there as `\x6f`.
fn unescaped(hex: &str) -> Vec<u8> {
    let digits = hex.split("\\x").skip(1);
    digits
        .map(|d| u8::from_str_radix(&d[..2], 16).unwrap())
        .collect()
}

fn split_args(args: &str) -> Vec<String> {
    let (mut all, mut depth, mut from) = (Vec::new(), 0, 0);
    for (at, byte) in args.bytes().enumerate() {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            b',' if depth == 0 => {
                all.push(args[from..at].trim().to_owned());
                from = at + 1;
            }
            _ => {}
        }
    }
    all.push(args[from..].trim().to_owned());
    all
}

//! The command of a timer: words without a shell, written so that systemd takes each as it stands.

use std::fmt;

use serde::Deserialize;

use crate::name::{self, AbsPath, BadName};

/// A program by its absolute path, and its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::block) struct CommandLine(Vec<String>);

impl CommandLine {
    /// Splits a text into words at spaces; quotes and `\` do as in a shell, and nothing else does.
    pub(in crate::block) fn parse(text: &str) -> Result<Self, BadName> {
        if text.chars().any(char::is_control) || text.len() > 32_768 {
            return Err(BadName(
                "a command is one line of at most 32 KiB, without control characters",
            ));
        }
        let words = words(text)?;
        let is_plain = |program: &str| {
            let good = |c: u8| c.is_ascii_alphanumeric() || b"/._+@-".contains(&c);
            program.bytes().all(good) && AbsPath::parse(program).is_ok() && program != "/"
        };
        if !words.first().is_some_and(|program| is_plain(program)) {
            return Err(BadName(
                "a command begins with a program's absolute path, of letters, digits and `/._+@-`",
            ));
        }
        Ok(Self(words))
    }
}

/// As `ExecStart=` takes it: `%` and `$` mean themselves.
impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |c: u8| c.is_ascii_alphanumeric() || b"/._+@:=,-".contains(&c);
        for (i, word) in self.0.iter().enumerate() {
            let space = if i == 0 { "" } else { " " };
            if !word.is_empty() && word.bytes().all(plain) {
                write!(f, "{space}{word}")?;
                continue;
            }
            let word = word.replace('\\', "\\\\").replace('"', "\\\"");
            let word = word.replace('%', "%%").replace('$', "$$");
            write!(f, "{space}\"{word}\"")?;
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for CommandLine {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        name::deserialize(d, Self::parse)
    }
}

fn words(text: &str) -> Result<Vec<String>, BadName> {
    let open = BadName("a quote or `\\` in this command is not closed");
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' => words.extend(word.take()),
            '\'' | '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next().ok_or_else(|| open.clone())? {
                        end if end == c => break,
                        '\\' if c == '"' => word.push(chars.next().ok_or_else(|| open.clone())?),
                        other => word.push(other),
                    }
                }
            }
            '\\' => {
                let next = chars.next().ok_or_else(|| open.clone())?;
                word.get_or_insert_default().push(next);
            }
            '|' | '&' | ';' | '<' | '>' | '(' | ')' | '$' | '`' => {
                return Err(BadName(
                    "no shell runs this command; for pipes and variables write \"/bin/sh -c '...'\"",
                ));
            }
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_reach_systemd_as_they_stand() {
        for (text, line) in [
            ("/opt/app/bin/backup --all", "/opt/app/bin/backup --all"),
            ("/bin/date  +%F", "/bin/date \"+%%F\""),
            (
                "/bin/sh -c 'echo \"$HOME\" | cat'",
                r#"/bin/sh -c "echo \"$$HOME\" | cat""#,
            ),
            (r"/bin/x a\ b '' \;", r#"/bin/x "a b" "" ";""#),
            (r#"/bin/x "a\\b""#, r#"/bin/x "a\\b""#),
        ] {
            assert_eq!(
                CommandLine::parse(text).unwrap().to_string(),
                line,
                "{text}"
            );
        }
    }

    #[test]
    fn what_a_shell_would_do_is_refused() {
        for bad in [
            "",
            " ",
            "ls",
            "./x",
            "-/bin/x",
            "+/bin/x",
            "@/bin/x",
            "/bin/../x",
            "/bin/x | y",
            "/bin/x; id",
            "/bin/x && y",
            "/bin/x > y",
            "/bin/x $HOME",
            "/bin/x `id`",
            "/bin/x $(id)",
            "/bin/x 'a",
            "/bin/x \"a",
            "/bin/x \\",
            "/bin/x\n/bin/y",
            "/bin/x\0",
            "/bin/a%n",
            "'/bin/a b'",
            "/",
        ] {
            assert!(CommandLine::parse(bad).is_err(), "{bad:?}");
        }
    }
}

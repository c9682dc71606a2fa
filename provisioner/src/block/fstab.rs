//! `/etc/fstab`, one line of it at a time: every other line stays as it is, byte for byte.

use crate::block::Decision;
use crate::block::conf::{self, Text};
use crate::host::setting::Setting;
use crate::host::{HostError, Key};
use crate::name::{AbsPath, BadName};
use crate::view::View;

/// Where the table is.
pub(super) fn path() -> AbsPath {
    AbsPath::parse("/etc/fstab").expect("a plain path")
}

/// What a block looks at that is about `what`, its line and what the kernel makes of it.
pub(super) fn reads(what: &AbsPath, live: Setting) -> Vec<Key> {
    vec![
        Key::Path(what.clone()),
        Key::Path(path()),
        Key::Content(path()),
        Key::Setting(live),
    ]
}

/// A line as a block wants it.
pub(super) struct Line {
    /// What is mounted; a field without white space.
    pub(super) device: String,
    /// Where, or `none`; not escaped.
    pub(super) spot: String,
    /// The type of the file system.
    pub(super) fstype: String,
    /// Options with commas between.
    pub(super) opts: String,
}

/// Which lines a block is about.
pub(super) enum Which<'a> {
    /// Those that are mounted at a path.
    Spot(&'a AbsPath),
    /// Those that use a file as swap.
    Swap(&'a AbsPath),
}

impl Which<'_> {
    fn is(&self, line: &str) -> bool {
        if line.trim_start().starts_with('#') {
            return false;
        }
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [device, spot, fstype, ..] = fields[..] else {
            return false;
        };
        match self {
            Self::Spot(path) => plain(spot) == path.to_string(),
            Self::Swap(path) => fstype == "swap" && plain(device) == path.to_string(),
        }
    }
}

/// The table, and which of its lines a block is about.
pub(super) struct Table<'a> {
    /// What it holds; nothing if it is not there.
    pub(super) text: String,
    which: Which<'a>,
}

impl<'a> Table<'a> {
    /// Reads it, or says why that ends the decision.
    pub(super) fn read(
        which: Which<'a>,
        view: &View<'_>,
    ) -> Result<Result<Self, Decision>, HostError> {
        Ok(match conf::read(&path(), view)? {
            Text::Stop(stop) => Err(stop),
            Text::Is(text) => Ok(Self {
                text: text.unwrap_or_default(),
                which,
            }),
        })
    }

    /// The table with `wanted` in the place of the line that there is, or at its end; unchanged if
    /// the line says the same already. What a line says of dump and fsck stays.
    ///
    /// # Errors
    /// If several lines are about the same thing; words for a person.
    pub(super) fn with(&self, wanted: &Line) -> Result<String, String> {
        let mut out = String::new();
        let mut found = 0;
        for old in self.text.split_inclusive('\n') {
            if !self.which.is(old) {
                out.push_str(old);
                continue;
            }
            found += 1;
            let fields: Vec<&str> = old.split_whitespace().collect();
            let opts = fields.get(3).copied().unwrap_or("defaults");
            let same = fields[0] == escaped(&wanted.device)
                && fields[1] == escaped(&wanted.spot)
                && fields[2] == wanted.fstype
                && opts == wanted.opts;
            if same {
                out.push_str(old);
            } else {
                let dump = fields.get(4).copied().unwrap_or("0");
                let pass = fields.get(5).copied().unwrap_or("0");
                out.push_str(&format!("{wanted} {dump} {pass}\n"));
            }
        }
        match found {
            0 => {
                if !out.is_empty() && !out.ends_with('\n') {
                    out.push('\n');
                }
                out.push_str(&format!("{wanted} 0 0\n"));
                Ok(out)
            }
            1 => Ok(out),
            _ => Err(format!(
                "/etc/fstab has {found} lines about {}; leave one of them",
                wanted.spot
            )),
        }
    }

    /// The table without those lines.
    pub(super) fn without(&self) -> String {
        let lines = self.text.split_inclusive('\n');
        lines.filter(|line| !self.which.is(line)).collect()
    }

    /// Whether there is any.
    pub(super) fn has_line(&self) -> bool {
        self.text.lines().any(|line| self.which.is(line))
    }
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (device, spot) = (escaped(&self.device), escaped(&self.spot));
        write!(f, "{device} {spot} {} {}", self.fstype, self.opts)
    }
}

/// A field as the table has it: no white space, no comment sign, no plain backslash.
fn escaped(field: &str) -> String {
    field
        .replace('\\', "\\134")
        .replace(' ', "\\040")
        .replace('#', "\\043")
}

/// A field of the table as it is meant.
fn plain(field: &str) -> String {
    field
        .replace("\\040", " ")
        .replace("\\011", "\t")
        .replace("\\043", "#")
        .replace("\\134", "\\")
}

/// A field that goes into the table as it is.
pub(super) fn field(text: &str) -> Result<String, BadName> {
    let good = |c: char| c.is_ascii_graphic() && !"#\\\"'`$;&|<>(){}*?!".contains(c);
    if !text.is_empty() && text.len() <= 1024 && !text.starts_with('-') && text.chars().all(good) {
        return Ok(text.to_owned());
    }
    Err(BadName(
        "a field of /etc/fstab is 1 to 1,024 characters without white space, quotes or signs of the shell, and does not begin with `-`",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "# static\nUUID=1 / ext4  errors=remount-ro\t0 1\n/dev/sdb1 /srv\\040data xfs defaults 0 2\n/swap none swap sw 0 0";

    fn path(text: &str) -> AbsPath {
        AbsPath::parse(text).unwrap()
    }

    fn line(device: &str, spot: &str) -> Line {
        Line {
            device: device.to_owned(),
            spot: spot.to_owned(),
            fstype: "xfs".to_owned(),
            opts: "noatime".to_owned(),
        }
    }

    fn table<'a>(text: &str, which: Which<'a>) -> Table<'a> {
        let text = text.to_owned();
        Table { text, which }
    }

    #[test]
    fn one_line_changes_and_the_others_stay() {
        let spot = path("/srv data");
        let srv = line("/dev/sdb1", "/srv data");
        let new = table(TABLE, Which::Spot(&spot)).with(&srv).unwrap();
        let wanted = TABLE.replace(
            "/dev/sdb1 /srv\\040data xfs defaults 0 2",
            "/dev/sdb1 /srv\\040data xfs noatime 0 2",
        );
        assert_eq!(new, wanted);
        let again = table(&new, Which::Spot(&spot)).with(&srv);
        assert_eq!(again.unwrap(), new);
        let other = path("/mnt");
        let old = table(TABLE, Which::Spot(&other));
        let added = old.with(&line("LABEL=x", "/mnt")).unwrap();
        assert_eq!(added, format!("{TABLE}\nLABEL=x /mnt xfs noatime 0 0\n"));
        let gone = table(&added, Which::Spot(&other)).without();
        assert_eq!(gone, format!("{TABLE}\n"));
        assert_eq!(old.without(), TABLE);
    }

    #[test]
    fn swap_is_found_by_its_file_and_two_lines_are_told() {
        let swap = path("/swap");
        assert!(table(TABLE, Which::Swap(&swap)).has_line());
        assert!(!table(TABLE, Which::Spot(&swap)).has_line());
        let spot = path("/m");
        let twice = table("a /m ext4 x\nb /m ext4 x\n", Which::Spot(&spot));
        let error = twice.with(&line("a", "/m")).unwrap_err();
        assert!(error.contains("2 lines about /m"), "{error}");
    }
}

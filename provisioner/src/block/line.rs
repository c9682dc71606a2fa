//! `[[line]]`: one line of a text file.

use std::cell::Cell;

use serde::Deserialize;

use crate::block::one_line::{OneLine, shortened};
use crate::block::text_file::{self, Edit, Lines, Missing};
use crate::block::{Decision, Holding, Kind};
use crate::host::{HostError, Key};
use crate::name::{AbsPath, Pattern};
use crate::view::View;

/// One line of a text file that is there, or is not. All else in the file stays as it is.
///
/// ```toml
/// [[line]]
/// path = "/etc/ssh/sshd_config"
/// match = "^#?PermitRootLogin "
/// line = "PermitRootLogin no"
/// ```
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// The file, absolute, such as `"/etc/ssh/sshd_config"`. It is made if it is not there, in a
    /// directory that is, for root and with mode 0644, or 0600 if a secret is in the line; `absent`
    /// never makes it.
    path: AbsPath,
    /// The whole line, such as `"PermitRootLogin no"`: at most 8,192 bytes, without a line break.
    /// Needed unless `absent` is said with `match`.
    #[serde(rename = "line")]
    text: Option<OneLine>,
    /// A regular expression, such as `'^#?PermitRootLogin '`, searched for in each line. The lines
    /// that it finds become one, which reads `line`, in the place of the first; with `absent` they
    /// go. Without it, only a line that reads exactly `line` is looked for. The syntax is that of
    /// the crate `regex-lite`: no look-around, no back-references, and `\w`, `\d` and `\s` are of ASCII.
    #[serde(rename = "match")]
    matching: Option<Pattern>,
    /// A regular expression: a new line goes behind the last line that it finds, and the block is
    /// blocked if there is none. Without it, a new line goes to the end of the file.
    insert_after: Option<Pattern>,
    /// Neither `line` nor a line that `match` finds may be there; false.
    #[serde(default)]
    absent: bool,
    /// Whether nothing of it may be shown: not a field, but what the config found out about it.
    #[serde(skip)]
    private: bool,
}

impl Kind for Line {
    const NAME: &'static str = "line";

    fn primary(&self) -> String {
        let what = match (&self.text, &self.matching) {
            (Some(line), _) => line.as_str(),
            (None, Some(pattern)) => pattern.as_str(),
            (None, None) => "",
        };
        format!("{} {}", self.path, shortened(what))
    }

    fn check(&self, complain: &mut dyn FnMut(&'static str, String)) {
        match (&self.text, &self.matching) {
            (None, _) if !self.absent => complain("", "[[line]] needs `line`".to_owned()),
            (None, None) => complain(
                "absent",
                "an absent line is named by `line` or `match`".to_owned(),
            ),
            _ => {}
        }
        if self.absent && self.insert_after.is_some() {
            complain(
                "insert_after",
                "an absent line is inserted nowhere".to_owned(),
            );
        }
    }

    fn reads(&self) -> Vec<Key> {
        text_file::reads(&self.path)
    }

    fn holdings(&self) -> Vec<Holding> {
        let Some(line) = self.text.as_ref().filter(|_| !self.absent) else {
            return Vec::new();
        };
        let line = line.as_str();
        let holding = Holding::of([Key::Path(self.path.clone())]).part(format!("line {line}"));
        let path = ("path", self.path.to_string().into());
        vec![holding.absent_by("line", [path, ("line", line.into())])]
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, HostError> {
        let (missing, summary) = if self.absent {
            (Missing::InPlace, "takes a line out")
        } else {
            (Missing::Create, "a line")
        };
        let edit = Edit {
            path: &self.path,
            missing,
            summary: summary.to_owned(),
            secret: self.private,
        };
        let adds = Cell::new(false);
        let decision = text_file::edit(edit, view, |old| {
            adds.set(self.is_new_in(old));
            self.edited(old)
        })?;
        Ok(decision.adding(adds.get()))
    }
}

impl Line {
    /// A secret is in it.
    pub(crate) fn keep_private(&mut self) {
        self.private = true;
    }

    /// Whether no line has to make room for it.
    fn is_new_in(&self, old: &str) -> bool {
        let wanted = self.text.as_ref().map(OneLine::as_str);
        let mut lines = old.lines();
        !lines.any(|line| {
            let is_found = self.matching.as_ref().is_some_and(|p| p.finds(line));
            Some(line) == wanted || is_found
        })
    }

    fn edited(&self, old: &str) -> Result<String, String> {
        let mut lines = Lines::of(old);
        let wanted = self.text.as_ref().map(OneLine::as_str);
        let found = |line: &str| self.matching.as_ref().is_some_and(|p| p.finds(line));
        let Some(wanted) = wanted.filter(|_| !self.absent) else {
            lines.retain(|_, line| Some(line) != wanted && !found(line));
            return Ok(lines.join());
        };
        let there = lines.iter().position(|line| line == wanted);
        if let Some(kept) = there.or_else(|| lines.iter().position(found)) {
            lines.set(kept, wanted);
            lines.retain(|at, line| at == kept || !found(line));
            return Ok(lines.join());
        }
        let at = match &self.insert_after {
            None => lines.len(),
            Some(pattern) => match lines.iter().rposition(|line| pattern.finds(line)) {
                Some(before) => before + 1,
                None => return Err("no line matches `insert_after`".to_owned()),
            },
        };
        lines.insert(at, wanted);
        Ok(lines.join())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line {
        toml::from_str(&format!("path = \"/x\"\n{text}")).unwrap()
    }

    fn edited(text: &str, old: &str) -> String {
        let line = line(text);
        let new = line.edited(old).unwrap();
        assert_eq!(line.edited(&new).as_ref(), Ok(&new), "{text} {old:?}");
        new
    }

    #[test]
    fn a_line_is_there_once_and_the_rest_stays() {
        let text = "line = 'Port 22'\n";
        assert_eq!(edited(text, ""), "Port 22\n");
        assert_eq!(edited(text, "a\nPort 22\nb"), "a\nPort 22\nb");
        assert_eq!(edited(text, "a"), "a\nPort 22\n");
        assert_eq!(edited(text, "a\r\nb\r\n"), "a\r\nb\r\nPort 22\r\n");
        assert_eq!(edited(text, "#Port 22\n"), "#Port 22\nPort 22\n");
    }

    #[test]
    fn lines_that_match_become_one() {
        let text = "line = 'Port 22'\nmatch = '^#?Port '\n";
        assert_eq!(edited(text, "a\n#Port 1\nb\nPort 2\n"), "a\nPort 22\nb\n");
        assert_eq!(edited(text, "#Port 1\nPort 22\n"), "Port 22\n");
        assert_eq!(edited(text, "a\nPort 9"), "a\nPort 22");
        assert_eq!(edited(text, "Port 1\r\n"), "Port 22\r\n");
    }

    #[test]
    fn a_new_line_goes_behind_the_place_that_is_named() {
        let text = "line = 'b'\ninsert_after = '^a'\n";
        assert_eq!(edited(text, "a1\na2\nc\n"), "a1\na2\nb\nc\n");
        assert_eq!(edited(text, "a"), "a\nb\n");
        assert!(line(text).edited("c\n").is_err());
    }

    #[test]
    fn what_is_absent_is_taken_out_everywhere() {
        assert_eq!(edited("line = 'a'\nabsent = true", "a\nb\na"), "b\n");
        assert_eq!(edited("match = 'a'\nabsent = true", "xa\nb\n"), "b\n");
    }
}

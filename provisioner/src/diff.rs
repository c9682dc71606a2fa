//! What changes in a text, as lines a person reads.

use std::time::Duration;

use similar::{Algorithm, ChangeTag, TextDiff};

/// One line of a diff.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Whether the line stays, goes or comes.
    pub tag: Tag,
    /// The line, without its line feed.
    pub text: String,
}

/// What happens to a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tag {
    /// Stays, shown for its neighbourhood.
    Same,
    /// Goes.
    Old,
    /// Comes.
    New,
    /// Some lines that stay are left out here.
    Gap,
}

/// Lines around a change that are shown with it.
const CONTEXT: usize = 2;

/// The longest text that is compared line by line; beyond it only sizes are told.
const LONGEST: usize = 256 * 1024;

/// The difference of two texts; `None` if one is not text or is too long to be worth reading.
pub fn lines(old: &[u8], new: &[u8]) -> Option<Vec<Line>> {
    if old.len().max(new.len()) > LONGEST {
        return None;
    }
    let (old, new) = (
        std::str::from_utf8(old).ok()?,
        std::str::from_utf8(new).ok()?,
    );
    if old.contains('\0') || new.contains('\0') {
        return None;
    }
    let diff = TextDiff::configure()
        .algorithm(Algorithm::Myers)
        .timeout(Duration::from_millis(200)) // a worse diff, not a later one
        .diff_lines(old, new);
    let mut lines = Vec::new();
    for (i, group) in diff.grouped_ops(CONTEXT).iter().enumerate() {
        if i > 0 {
            lines.push(Line {
                tag: Tag::Gap,
                text: String::new(),
            });
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let tag = match change.tag() {
                ChangeTag::Equal => Tag::Same,
                ChangeTag::Delete => Tag::Old,
                ChangeTag::Insert => Tag::New,
            };
            let text = change.value().trim_end_matches('\n').to_owned();
            lines.push(Line { tag, text });
        }
    }
    Some(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_shown_with_its_neighbours() {
        let shown = lines(b"a\nb\nc\nd\ne\n", b"a\nb\nx\nd\ne\n").unwrap();
        let text: Vec<_> = shown.iter().map(|l| (l.tag, l.text.as_str())).collect();
        assert_eq!(
            text,
            [
                (Tag::Same, "a"),
                (Tag::Same, "b"),
                (Tag::Old, "c"),
                (Tag::New, "x"),
                (Tag::Same, "d"),
                (Tag::Same, "e")
            ]
        );
        assert!(lines(b"\xff", b"").is_none());
    }
}

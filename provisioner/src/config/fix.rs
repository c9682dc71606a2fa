//! `hpt fix`: a config with today's spelling in the place of every old one, and not a byte else changed.

use toml::de::{DeTable, DeValue};

use crate::config::document;
use crate::config::spelling::{self, Change, bare_octal};
use crate::fault::Fault;

/// Writes each old spelling as it is today: what [`check`](super::check) warns of, and the modes with
/// a leading zero that are no TOML. The text comes back as it is if it has none.
///
/// # Errors
/// Every fault that keeps it from being read after that.
pub fn fix(text: &str) -> Result<String, Vec<Fault>> {
    let text = quoted(text);
    let mut faults = Vec::new();
    let document = document::read(&text, 0, &mut faults);
    if faults.iter().any(Fault::is_error) {
        return Err(faults);
    }
    let mut changes: Vec<Change> = Vec::new();
    for block in document.blocks {
        changes.extend(spelling::changes(block.kind, block.fields));
    }
    for (kind, table) in document.tables {
        let DeValue::Table(named) = table.into_inner() else {
            continue;
        };
        for (_, fields) in named {
            if let DeValue::Table(fields) = fields.into_inner() {
                changes.extend(spelling::changes(kind, fields));
            }
        }
    }
    Ok(changed(&text, changes))
}

/// The modes of a text in quotes, where they have a leading zero.
fn quoted(text: &str) -> String {
    let (_, errors) = DeTable::parse_recoverable(text);
    let spans = errors.iter().filter_map(toml::de::Error::span);
    let octal = spans.filter_map(|span| Some(bare_octal(text, span.start)?.1));
    let changes = octal.map(|span| Change {
        new: format!("\"{}\"", &text[span.clone()]),
        span,
    });
    changed(text, changes.collect())
}

fn changed(text: &str, mut changes: Vec<Change>) -> String {
    changes.sort_by_key(|change| change.span.start);
    changes.dedup_by_key(|change| change.span.start);
    let mut text = text.to_owned();
    for Change { mut span, new } in changes.into_iter().rev() {
        if new.is_empty() {
            span = whole_line(&text, span);
        }
        text.replace_range(span, &new);
    }
    text
}

/// A part of a text with its line, if nothing else stands in it.
fn whole_line(text: &str, span: std::ops::Range<usize>) -> std::ops::Range<usize> {
    let start = text[..span.start].rfind('\n').map_or(0, |at| at + 1);
    let end = text[span.end..]
        .find('\n')
        .map_or(text.len(), |at| span.end + at + 1);
    let around = [&text[start..span.start], &text[span.end..end]];
    if around.iter().all(|part| part.trim().is_empty()) {
        start..end
    } else {
        span
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn every_old_spelling_becomes_that_of_today_and_all_else_stays() {
        let old = "\
# the original's own
[[file]] # one
  path = '/a' #path
perms = 0600 # a leading zero
remove = false

[[user]]
name = 'ana'
sudoers = false
uid = '0100'
[[user]]
name = 'bo'
sudoers  =  true # all

[[exec]]
script = \"\"\"
perms = 0600
dir = '/x'
\"\"\"
dir = '/tmp'
[[clone]]
URL = 'https://example.org/x'
dest = '/x'
[repo.docs]
URL = 'https://example.org/y'
";
        let new = "\
# the original's own
[[file]] # one
  path = '/a' #path
mode = \"0600\" # a leading zero
absent = false

[[user]]
name = 'ana'
uid = 100
[[user]]
name = 'bo'
sudo = \"nopasswd\" # all

[[exec]]
script = \"\"\"
perms = 0600
dir = '/x'
\"\"\"
pwd = '/tmp'
[[clone]]
url = 'https://example.org/x'
dest = '/x'
[repo.docs]
url = 'https://example.org/y'
";
        assert_eq!(fix(old).unwrap(), new);
        assert_eq!(fix(new).unwrap(), new);
    }

    #[test]
    fn what_is_no_config_is_left_alone() {
        for text in ["a = 0600", "[[file]]\nperms = 0600\nx =", "[[nothing]]"] {
            assert!(fix(text).is_err(), "{text}");
        }
    }
}

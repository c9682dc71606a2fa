//! The colours. They repeat what the marks say; without them nothing is lost.

use anstyle::{AnsiColor, Style};

pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const CREATED: Style = AnsiColor::Green.on_default();
pub(crate) const CHANGED: Style = AnsiColor::Yellow.on_default();
pub(crate) const REMOVED: Style = AnsiColor::Red.on_default();
pub(crate) const RUNS: Style = AnsiColor::Cyan.on_default();
pub(crate) const PERHAPS: Style = AnsiColor::Blue.on_default();
pub(crate) const FAILED: Style = AnsiColor::Red.on_default().bold();

/// How many columns a styled text takes, counting a character as one.
pub(crate) fn width(text: &str) -> usize {
    let mut columns = 0;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '\x1b' {
            chars.by_ref().find(char::is_ascii_alphabetic);
        } else {
            columns += 1;
        }
    }
    columns
}

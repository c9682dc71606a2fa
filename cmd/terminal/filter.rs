//! Somebody else's text, so that a terminal only shows it (T-1).

use std::borrow::Cow;
use std::fmt::Write as _;

/// The longest line of a target's output that is shown, in bytes.
const WIDEST: usize = 4096;

/// Whether a character could drive a terminal or turn a line around: C0, DEL, C1, the line and
/// paragraph separators, and the controls of writing direction.
fn drives(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn escape(c: char, into: &mut String) {
    let code = u32::from(c);
    let written = if code < 0x100 {
        write!(into, "\\x{code:02x}")
    } else {
        write!(into, "\\u{{{code:x}}}")
    };
    written.expect("a string takes what is written");
}

/// One line of somebody else's text, so that a terminal only shows it. A tab becomes a space.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(drives) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\t' => shown.push(' '),
            c if drives(c) => escape(c, &mut shown),
            c => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

/// Bytes as text: what is not UTF-8 shows its bytes.
pub(crate) fn text_of(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            write!(text, "\\x{byte:02x}").expect("a string takes what is written");
        }
    }
    text
}

/// A line of a target's output, as it is shown behind a prefix: harmless, and at most 4 KiB long.
pub(crate) fn output_line(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let cut = line.len().min(WIDEST);
    let text = text_of(&line[..cut]);
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => shown.push('\t'),
            c if drives(c) => escape(c, &mut shown),
            c => shown.push(c),
        }
    }
    if shown.len() > WIDEST {
        let mut end = WIDEST;
        while !shown.is_char_boundary(end) {
            end -= 1;
        }
        shown.truncate(end);
        shown.push_str(" ...");
    } else if cut < line.len() {
        write!(shown, " ... {} bytes more", line.len() - cut)
            .expect("a string takes what is written");
    }
    shown
}

/// JSON in which nothing can drive a terminal either: what JSON need not escape is escaped too.
pub(super) fn ascii_controls(json: &str) -> Cow<'_, str> {
    if !json.chars().any(drives) {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if drives(c) {
            write!(out, "\\u{:04x}", u32::from(c)).expect("a string takes what is written");
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_drives_a_terminal_is_left() {
        let hostile = "a\x1b]52;c;AAAA\x07b\u{9b}2Jc\u{202e}d\u{2028}e\rf\ng\x7fh\u{61c}";
        let shown = visible(hostile);
        assert_eq!(
            shown,
            "a\\x1b]52;c;AAAA\\x07b\\x9b2Jc\\u{202e}d\\u{2028}e\\x0df\\x0ag\\x7fh\\u{61c}"
        );
        assert!(!shown.chars().any(drives));
        assert!(matches!(visible("plain ünïcode"), Cow::Borrowed(_)));
    }

    #[test]
    fn an_output_line_is_harmless_and_bounded() {
        assert_eq!(output_line(b"a\tb\r"), "a\tb");
        assert_eq!(output_line(b"50%\r51%"), "50%\\x0d51%");
        assert_eq!(output_line(b"\xff\x9b1m"), "\\xff\\x9b1m");
        let long = output_line(&vec![b'x'; 10_000]);
        assert_eq!(long.len(), 4096 + " ... 5904 bytes more".len());
        let escapes = output_line(&vec![0x1b; 5000]);
        assert!(escapes.len() < 4200, "{}", escapes.len());
    }

    #[test]
    fn json_keeps_the_value_and_loses_the_danger() {
        let text = serde_json::to_string("\u{9b}2J \u{202e} \x1b \x7f").unwrap();
        let safe = ascii_controls(&text);
        assert_eq!(safe, r#""\u009b2J \u202e \u001b \u007f""#);
        let back: String = serde_json::from_str(&safe).unwrap();
        assert_eq!(back, "\u{9b}2J \u{202e} \x1b \x7f");
    }
}

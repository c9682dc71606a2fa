//! What the parsers of TOML and of its values say, in words for whoever wrote the config.

use crate::config::spelling::bare_octal;
use crate::fault::{Fault, Place};

/// Why a text is no TOML. A value is never repeated: it may be a secret.
pub fn not_toml(error: &toml::de::Error, text: &str, file: usize) -> Fault {
    let span = error.span().unwrap_or(0..0);
    let place = Place {
        file,
        span: span.clone(),
    };
    if let Some((key, at)) = bare_octal(text, span.start) {
        let today = if key == "perms" { "mode" } else { key };
        return Fault::error("TOML has no numbers with a leading zero", place)
            .hint(format!("write {today} = \"{}\"", &text[at]));
    }
    let said = error.message();
    let starts = |words: &str| said.starts_with(words);
    let found = text.get(span.clone()).unwrap_or_default();
    if starts("duplicate key") {
        return twice(found, text, &place);
    }
    let line = text.get(..span.start).unwrap_or(text);
    let line = line.rsplit('\n').next().unwrap_or_default();
    let key = line.split_once('=').map_or("KEY", |(key, _)| key.trim());
    let is_value = ["string values must", "invalid float", "invalid boolean"];
    let is_list = ["missing comma between array", "unclosed array,"];
    let (what, hint) = if is_list.into_iter().any(starts) || said.contains(" in array,") {
        (
            "a list is not closed, or misses a comma",
            "write [\"a\", \"b\"]: a comma between two items, and `]` at the end".to_owned(),
        )
    } else if is_value.into_iter().any(starts) && !found.starts_with(|c: char| c.is_ascii_digit()) {
        match found.to_ascii_lowercase().as_str() {
            "" => (
                "there is no value after the `=`",
                format!("write {key} = \"...\""),
            ),
            word @ ("true" | "false") => (
                "true and false are written in lower case",
                format!("write {key} = {word}"),
            ),
            _ => (
                "a text is written in quotes",
                format!("write {key} = \"...\""),
            ),
        }
    } else if starts("key with no value") {
        (
            "there is no `=` after the key",
            "write KEY = VALUE".to_owned(),
        )
    } else if starts("invalid unquoted key") && found.starts_with(':') {
        (
            "TOML has `=` between a key and its value, not `:`",
            "write KEY = VALUE".to_owned(),
        )
    } else if starts("invalid basic string") {
        (
            "the quote is not closed on its line",
            "close it with `\"`; a text of several lines is written \"\"\"...\"\"\"".to_owned(),
        )
    } else if starts("unclosed array table") || starts("unclosed table") {
        (
            "the heading is not closed",
            "write [[BLOCK]] for a block, or [TABLE] for a table".to_owned(),
        )
    } else if starts("missing escaped value") {
        (
            "a backslash in double quotes begins an escape",
            "in single quotes, `'...'`, a backslash is itself".to_owned(),
        )
    } else {
        (
            said,
            "a text is written \"...\", a list [...], a table { key = ... }".to_owned(),
        )
    };
    Fault::error(what, place).hint(hint)
}

/// Whether what the parser says after this error is only about the first.
pub(super) fn confuses(error: &toml::de::Error) -> bool {
    error.message().contains("array")
}

/// A key or a table that is there already, and where, if that is easily found.
fn twice(name: &str, text: &str, place: &Place) -> Fault {
    let what = format!("`{name}` is there twice");
    let start = text[..place.span.start].rfind('\n').map_or(0, |at| at + 1);
    let this = text[start..].lines().next().unwrap_or_default().trim();
    let is_table = this.starts_with('[');
    let is_same = |line: &str| {
        let key = line.split_once('=').map(|(key, _)| key.trim());
        (is_table && line.trim() == this) || (!is_table && key == Some(name))
    };
    let mut offset = 0;
    let lines = text[..start].split_inclusive('\n').map(|line| {
        offset += line.len();
        (offset - line.len(), line)
    });
    let first = lines.filter(|(_, line)| is_same(line)).last();
    let fault = Fault::error(what, place.clone()).hint(if is_table {
        format!("write all of it below one `{this}`")
    } else {
        format!("leave one `{name}` out")
    });
    match first {
        Some((at, line)) => {
            let at = at + line.find(name).unwrap_or(0);
            let first = Place {
                file: place.file,
                span: at..at + name.len(),
            };
            fault.other(first, "the first")
        }
        None => fault,
    }
}

/// What serde says of a value, without the words of a programmer.
pub(super) fn plain(message: &str) -> String {
    let rest = message
        .strip_prefix("invalid type: ")
        .or_else(|| message.strip_prefix("invalid value: "));
    let Some((found, words)) = rest.and_then(|rest| rest.split_once(", expected ")) else {
        return message.to_owned();
    };
    let found = match found.split_once(' ') {
        _ if found == "map" => "a table".to_owned(),
        _ if found == "sequence" => "a list".to_owned(),
        Some(("string", text)) => format!("the text {text}"),
        Some(("integer", number)) => format!("the number {}", number.trim_matches('`')),
        Some(("boolean", word)) => word.trim_matches('`').to_owned(),
        _ => found.to_owned(),
    };
    format!("expected {}, found {found}", wanted(words))
}

/// What serde wants, likewise.
pub(super) fn wanted(words: &str) -> &str {
    match words {
        "a sequence" => "a list",
        "a map" => "a table",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" => "a whole number",
        words if words.starts_with("struct ") => "a table",
        words => words,
    }
}

/// The words of which one is expected, as serde lists them.
pub(super) fn choices(message: &str) -> Vec<&str> {
    message
        .split_once(", expected ")
        .map(|(_, rest)| rest.split('`').skip(1).step_by(2).collect())
        .unwrap_or_default()
}

//! `hpt fmt`: a config in its one form. Comments, order and values stay; white space does not.

use toml_edit::{
    Array, Decor, DocumentMut, InlineTable, Item, KeyMut, RawString, Table, TableLike, Value,
};

use crate::config::document;
use crate::fault::{Fault, Place};

/// What elements of a list are set in by, if each has a line of its own.
const INDENT: usize = 4;

/// A text in its one form: `key = value`, nothing set in, an empty line before each block and at most
/// one elsewhere. A list that stands in several lines has one for each element.
///
/// # Errors
/// What is no TOML.
pub fn format(text: &str) -> Result<String, Vec<Fault>> {
    document::parse(text, 0)?;
    let mut document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| {
        let span = error.span().unwrap_or_default();
        vec![Fault::error(error.message(), Place { file: 0, span })]
    })?;
    table(document.as_table_mut(), 0);
    let trailing = above(
        &format!("{}\n", raw_text(Some(document.trailing()))),
        false,
        false,
    );
    document.set_trailing(trailing.trim_end());
    let formatted = document.to_string();
    let text = formatted.trim_matches('\n');
    Ok(if text.is_empty() {
        String::new()
    } else {
        format!("{text}\n")
    })
}

/// The entries of a table that has lines of its own, `depth` tables below the top.
fn table(table: &mut Table, depth: usize) {
    let mut is_first = true;
    entries(table, depth, &mut is_first);
}

fn entries(table: &mut Table, depth: usize, is_first: &mut bool) {
    for (mut key, item) in table.iter_mut() {
        match item {
            Item::Value(value) => {
                set_line(&mut key, std::mem::take(is_first));
                let suffix = comment(value.decor().suffix());
                self::value(value, 0);
                *value.decor_mut() = Decor::new(" ", suffix);
            }
            Item::Table(inner) if inner.is_dotted() => {
                key.dotted_decor_mut().clear();
                entries(inner, depth, is_first);
            }
            Item::Table(inner) => header(&mut key, inner, depth, depth == 0),
            Item::ArrayOfTables(blocks) => {
                for block in blocks.iter_mut() {
                    header(&mut key, block, depth, true);
                }
            }
            Item::None => {}
        }
    }
}

/// A `[header]` and what is below it. An empty line is put before it where `apart`.
fn header(key: &mut KeyMut<'_>, inner: &mut Table, depth: usize, apart: bool) {
    key.leaf_decor_mut().clear();
    key.dotted_decor_mut().clear();
    let decor = inner.decor();
    let prefix = above(&raw_text(decor.prefix()), apart, false);
    let suffix = comment(decor.suffix());
    *inner.decor_mut() = Decor::new(prefix, suffix);
    table(inner, depth + 1);
}

/// The beginning of a line `key = value`.
fn set_line(key: &mut KeyMut<'_>, is_first: bool) {
    let prefix = above(&raw_text(key.leaf_decor().prefix()), false, is_first);
    *key.leaf_decor_mut() = Decor::new(prefix, " ");
    key.dotted_decor_mut().clear();
}

fn value(value: &mut Value, indent: usize) {
    match value {
        Value::Array(array) if is_long(array) => long(array, indent),
        Value::Array(array) => short(array),
        Value::InlineTable(table) => inline(table),
        _ => {}
    }
}

/// Whether the elements of a list stand in lines of their own, or it has comments.
fn is_long(array: &Array) -> bool {
    let broken = |raw: Option<&RawString>| {
        raw.and_then(RawString::as_str)
            .is_some_and(|raw| raw.contains('\n'))
    };
    let around = |value: &Value| broken(value.decor().prefix()) || broken(value.decor().suffix());
    array.iter().any(around) || broken(Some(array.trailing()))
}

fn short(array: &mut Array) {
    for (at, element) in array.iter_mut().enumerate() {
        value(element, 0);
        *element.decor_mut() = Decor::new(if at == 0 { "" } else { " " }, "");
    }
    array.set_trailing("");
    array.set_trailing_comma(false);
}

fn long(array: &mut Array, indent: usize) {
    let inner = indent + INDENT;
    let mut last = String::new();
    let count = array.len();
    let had_comma = array.trailing_comma();
    for (at, element) in array.iter_mut().enumerate() {
        value(element, inner);
        let prefix = lines(&raw_text(element.decor().prefix()), inner);
        let mut suffix = raw_text(element.decor().suffix());
        if !suffix.contains('#') {
            suffix.clear();
        } else if at + 1 == count && !had_comma {
            last = std::mem::take(&mut suffix); // goes behind the comma that it gets
        }
        *element.decor_mut() = Decor::new(prefix, suffix);
    }
    let trailing = format!("{last}{}", raw_text(Some(array.trailing())));
    array.set_trailing(lines(&trailing, indent));
    array.set_trailing_comma(count > 0);
}

/// What stands before an element or the end of a list: the comment of the line before, comments in
/// lines of their own, and the beginning of its line.
fn lines(raw: &str, indent: usize) -> String {
    let mut shown = String::new();
    for (at, line) in raw.lines().map(str::trim).enumerate() {
        match line {
            "" => {}
            line if at == 0 => shown += &format!(" {line}"),
            line => shown += &format!("\n{:indent$}{line}", ""),
        }
    }
    shown + &format!("\n{:indent$}", "")
}

/// `{ a = 1, b = 2 }`. One that stands in several lines stays as it is.
fn inline(table: &mut InlineTable) {
    if table.to_string().contains('\n') {
        return;
    }
    inline_entries(table, true);
    table.set_trailing("");
    table.set_trailing_comma(false);
}

/// The entries between braces, or those of one `a.b = 1` among them; the last one ends the table.
fn inline_entries(table: &mut InlineTable, ends: bool) {
    let count = table.len();
    for (at, (mut key, element)) in TableLike::iter_mut(table).enumerate() {
        let ends = ends && at + 1 == count;
        match element {
            Item::Value(Value::InlineTable(inner)) if inner.is_dotted() => {
                key.dotted_decor_mut().clear();
                inline_entries(inner, ends);
            }
            Item::Value(element) => {
                *key.leaf_decor_mut() = Decor::new(" ", " ");
                key.dotted_decor_mut().clear();
                value(element, 0);
                *element.decor_mut() = Decor::new(" ", if ends { " " } else { "" });
            }
            _ => {}
        }
    }
}

/// The comments above a line, with at most one empty line between; none above the first of a table.
fn above(raw: &str, apart: bool, is_first: bool) -> String {
    let (mut shown, mut gap) = (String::new(), apart);
    let (lines, _) = raw.rsplit_once('\n').unwrap_or_default();
    let lines = if raw.contains('\n') {
        Some(lines.split('\n'))
    } else {
        None
    };
    for line in lines.into_iter().flatten() {
        match line.trim() {
            "" => gap = true,
            line => {
                if std::mem::take(&mut gap) && !(is_first && shown.is_empty()) {
                    shown.push('\n');
                }
                shown += &format!("{line}\n");
            }
        }
    }
    if gap && !(is_first && shown.is_empty()) {
        shown.push('\n');
    }
    shown
}

/// The comment at the end of a line.
fn comment(suffix: Option<&RawString>) -> String {
    match raw_text(suffix).trim() {
        "" => String::new(),
        comment => format!(" {comment}"),
    }
}

fn raw_text(raw: Option<&RawString>) -> String {
    let raw = raw.and_then(RawString::as_str).unwrap_or_default();
    raw.replace('\r', "")
}

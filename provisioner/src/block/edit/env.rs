//! Lines of `KEY=value`, as a shell and systemd read them.

use super::{KeyPath, Leaf, plain, plain_fault};
use crate::block::text_file::Lines;

pub(super) fn fault(leaf: &Leaf<'_>) -> Option<String> {
    let [key] = leaf.keys[..] else {
        return Some(format!("`{}`: an env file has no tables", leaf.words()));
    };
    let good = |c: u8| c.is_ascii_alphanumeric() || c == b'_';
    if !key.bytes().all(good) || key.is_empty() || key.starts_with(|c: char| c.is_ascii_digit()) {
        let what = "the name of a variable is letters, digits and `_`, and begins with no digit";
        return Some(what.to_owned());
    }
    plain_fault(leaf)
}

pub(super) fn edited(old: &str, set: &[Leaf<'_>], unset: &[KeyPath]) -> String {
    let mut lines = Lines::of(old);
    for leaf in set {
        let (key, value) = (leaf.keys[0], plain(leaf.value));
        let mine = |line: &str| parse(line).is_some_and(|(_, k, _)| k == key);
        let first = lines.iter().position(mine);
        match first {
            None => lines.insert(lines.len(), &format!("{key}={}", quoted(&value))),
            Some(first) => {
                let (before, _, now) = parse(lines.get(first)).expect("found as such");
                if unquoted(now) != value {
                    let line = format!("{before}{key}={}", quoted(&value));
                    lines.set(first, &line);
                }
                lines.retain(|at, line| at == first || !mine(line));
            }
        }
    }
    for path in unset {
        lines.retain(|_, line| parse(line).is_none_or(|(_, key, _)| key != path.0[0]));
    }
    lines.join()
}

/// What stands before the key, such as `export `, the key and the value as it is written.
fn parse(line: &str) -> Option<(&str, &str, &str)> {
    let (left, value) = line.split_once('=')?;
    let start = left.trim_start();
    let start = start.strip_prefix("export ").unwrap_or(start).trim_start();
    let (before, key) = left.split_at(left.len() - start.len());
    let good = |c: u8| c.is_ascii_alphanumeric() || c == b'_';
    (!key.is_empty() && key.bytes().all(good)).then_some((before, key, value.trim()))
}

/// In quotes where a reader would take it apart.
fn quoted(value: &str) -> String {
    let good = |c: u8| c.is_ascii_alphanumeric() || b"_-./:@%+,=".contains(&c);
    if value.bytes().all(good) {
        return value.to_owned();
    }
    let mut text = String::from("\"");
    for c in value.chars() {
        if "\"\\$`".contains(c) {
            text.push('\\');
        }
        text.push(c);
    }
    text.push('"');
    text
}

/// The value that a reader finds.
fn unquoted(text: &str) -> String {
    let within = |quote: char| {
        let inner = text.strip_prefix(quote)?.strip_suffix(quote)?;
        Some(inner)
    };
    if let Some(inner) = within('\'') {
        return inner.to_owned();
    }
    let Some(inner) = within('"') else {
        return text.to_owned();
    };
    let mut value = String::new();
    let mut chars = inner.chars().peekable();
    while let Some(c) = chars.next() {
        match chars.peek() {
            Some(next) if c == '\\' && "\"\\$`".contains(*next) => {
                value.extend(chars.next());
            }
            _ => value.push(c),
        }
    }
    value
}

//! Sections of `key = value`, and keys before the first section.

use super::{KeyPath, Leaf, plain, plain_fault};
use crate::block::text_file::Lines;

pub(super) fn fault(leaf: &Leaf<'_>) -> Option<String> {
    if leaf.keys.len() > 2 {
        let words = leaf.words();
        return Some(format!(
            "`{words}`: an ini file has sections and keys, and no more"
        ));
    }
    let bad = |name: &str| {
        name.is_empty()
            || name.trim() != name
            || name.starts_with(['#', ';', '['])
            || name.contains(['=', ']'])
            || name.chars().any(char::is_control)
    };
    if leaf.keys.iter().any(|name| bad(name)) {
        let what = "the name of a section or key holds no `=`, no `]` and no line break, and begins with no `#`, `;` or `[`";
        return Some(what.to_owned());
    }
    if let toml::Value::String(text) = leaf.value
        && text.trim() != text
    {
        let words = leaf.words();
        return Some(format!(
            "the value of `{words}` begins or ends with a space, which no reader keeps"
        ));
    }
    plain_fault(leaf)
}

pub(super) fn edited(old: &str, set: &[Leaf<'_>], unset: &[KeyPath]) -> String {
    let mut lines = Lines::of(old);
    for leaf in set {
        let (section, key) = match leaf.keys[..] {
            [section, key] => (section, key),
            [key] => ("", key),
            _ => unreachable!("checked: no more than two names"),
        };
        put(&mut lines, section, key, &plain(leaf.value));
    }
    for path in unset {
        match &path.0[..] {
            [section, key] => drop_key(&mut lines, section, key),
            [name] => {
                drop_key(&mut lines, "", name);
                drop_section(&mut lines, name);
            }
            _ => unreachable!("checked: no more than two names"),
        }
    }
    lines.join()
}

/// What a line is.
#[derive(PartialEq, Eq)]
enum Is<'a> {
    Section(&'a str),
    Key(&'a str),
    /// A comment, an empty line, or what is not understood.
    Other,
}

fn is(line: &str) -> Is<'_> {
    let text = line.trim();
    if text.starts_with(['#', ';']) || text.is_empty() {
        return Is::Other;
    }
    if let Some(rest) = text.strip_prefix('[') {
        return rest
            .split_once(']')
            .map_or(Is::Other, |(name, _)| Is::Section(name.trim()));
    }
    match text.split_once('=') {
        Some((key, _)) => Is::Key(key.trim()),
        None => Is::Key(text), // `skip-networking`, as MySQL has it
    }
}

/// The section of each line; the header belongs to its own. "" is what stands before the first.
fn sections(lines: &Lines<'_>) -> Vec<String> {
    let mut now = "";
    let all = lines.iter().map(|line| {
        if let Is::Section(name) = is(line) {
            now = name;
        }
        now.to_owned()
    });
    all.collect()
}

fn put(lines: &mut Lines<'_>, section: &str, key: &str, value: &str) {
    let sections = sections(lines);
    let mine = |at: usize, line: &str| sections[at] == section && is(line) == Is::Key(key);
    let first = lines
        .iter()
        .enumerate()
        .position(|(at, line)| mine(at, line));
    if let Some(first) = first {
        let line = lines.get(first);
        let now = line.split_once('=').map(|(_, now)| now.trim());
        if now != Some(value) {
            let line = match line.split_once('=') {
                Some((left, right)) => {
                    let gap = &right[..right.len() - right.trim_start().len()];
                    format!("{left}={gap}{value}")
                }
                None => format!("{line}{}{value}", equals(lines)),
            };
            lines.set(first, &line);
        }
        lines.retain(|at, line| at == first || !mine(at, line));
        return;
    }
    let line = format!("{key}{}{value}", equals(lines));
    // Behind the last key of the section, or behind its header; before all if there is neither.
    let is_place = |(at, text): (usize, &str)| sections[at] == section && is(text) != Is::Other;
    let last = lines
        .iter()
        .enumerate()
        .rev()
        .find(|place| is_place(*place));
    match last.map(|(at, _)| at) {
        Some(at) => lines.insert(at + 1, &line),
        None if section.is_empty() => {
            let header = |line: &str| matches!(is(line), Is::Section(_));
            let at = lines.iter().position(header);
            lines.insert(at.unwrap_or(lines.len()), &line);
        }
        None => {
            if lines
                .iter()
                .next_back()
                .is_some_and(|line| !line.trim().is_empty())
            {
                lines.insert(lines.len(), "");
            }
            lines.insert(lines.len(), &format!("[{section}]"));
            lines.insert(lines.len(), &line);
        }
    }
}

/// How this file writes the sign between key and value; a key that is commented out shows it too.
fn equals(lines: &Lines<'_>) -> &'static str {
    let first = lines.iter().find_map(|line| {
        let (key, _) = line.trim_start_matches(['#', ';']).split_once('=')?;
        let word = key.trim();
        (!word.is_empty() && !word.contains(char::is_whitespace)).then_some(key)
    });
    match first {
        Some(key) if !key.ends_with([' ', '\t']) => "=",
        _ => " = ",
    }
}

fn drop_key(lines: &mut Lines<'_>, section: &str, key: &str) {
    let sections = sections(lines);
    lines.retain(|at, line| sections[at] != section || is(line) != Is::Key(key));
}

/// Takes a section out, each time that it is there. Comments after its last key stay: they are
/// about what follows.
fn drop_section(lines: &mut Lines<'_>, name: &str) {
    let mut keep = vec![true; lines.len()];
    let mut tail = Vec::new();
    let mut inside = false;
    for (at, line) in lines.iter().enumerate() {
        if let Is::Section(section) = is(line) {
            inside = section == name;
        }
        if !inside {
            tail.clear();
        } else if line.trim().starts_with(['#', ';']) {
            tail.push(at);
        } else {
            keep[at] = false;
            if is(line) != Is::Other {
                tail.drain(..).for_each(|comment| keep[comment] = false);
            }
        }
    }
    lines.retain(|at, _| keep[at]);
}

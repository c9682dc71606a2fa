//! `include`: what a file wants to run before its own blocks, as it is spelled.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::scope::is_template;
use crate::config::{limits, nearest};
use crate::fault::{Fault, Place};

/// The file of a role, in the role's directory.
pub(super) const ROLE_FILE: &str = "role.toml";

/// How the fields of an include are written.
const FORMS: &str = "include = [\"common.toml\", \"conf.d/\", \"role:roles/web\", { role = \"roles/web\", port = 80 }]";

/// What an include names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sort {
    /// `common.toml`: one file.
    File,
    /// `conf.d/`: all `*.toml` in a directory, by name.
    Directory,
    /// `role:roles/web`: the role of a directory, with params or without.
    Role,
}

/// One entry of an `include`.
pub(super) struct Include<'a> {
    pub(super) sort: Sort,
    /// Where it is, as seen from where the including file's own name starts: a file, for a role its
    /// [`ROLE_FILE`], or a directory without a slash at its end.
    pub(super) path: String,
    /// As the file spells it, without `role:`.
    pub(super) spelled: String,
    /// The entry.
    pub(super) place: Place,
    /// The values of a role's params.
    pub(super) params: DeTable<'a>,
}

/// Reads an `include` of the file with this name.
pub(super) fn read<'a>(
    value: Spanned<DeValue<'a>>,
    name: &str,
    file: usize,
    faults: &mut Vec<Fault>,
) -> Vec<Include<'a>> {
    let place = |span| Place { file, span };
    let whole = place(value.span());
    let DeValue::Array(entries) = value.into_inner() else {
        faults.push(Fault::error("`include` is a list", whole).hint(FORMS));
        return Vec::new();
    };
    if entries.len() > limits::FILES {
        let what = format!("a config has at most {} files", limits::FILES);
        faults.push(Fault::error(what, whole));
        return Vec::new();
    }
    let read = |entry: Spanned<DeValue<'a>>| {
        let at = place(entry.span());
        match entry.into_inner() {
            DeValue::String(text) => match text.strip_prefix("role:") {
                Some(role) => named(role, Sort::Role, name, at, DeTable::new()),
                None => named(&text, sort(&text, &at)?, name, at, DeTable::new()),
            },
            DeValue::Table(table) => of_table(table, name, at),
            _ => {
                let fault = Fault::error("an include is a path, or a role with its params", at);
                Err(Box::new(fault.hint(FORMS)))
            }
        }
    };
    let mut includes = Vec::new();
    for entry in entries {
        match read(entry) {
            Ok(include) => includes.push(include),
            Err(fault) => faults.push(*fault),
        }
    }
    includes
}

/// `{ role = "roles/web", port = 8080 }`.
fn of_table<'a>(mut table: DeTable<'a>, name: &str, at: Place) -> Result<Include<'a>, Box<Fault>> {
    let Some(role) = table.remove("role") else {
        let fault = Fault::error("an include with params names its `role`", at);
        let keys = table.keys().map(|key| key.get_ref().as_ref());
        let near = keys
            .filter(|key| nearest(key, ["role"].into_iter()).is_some())
            .min();
        return Err(Box::new(match near {
            Some(key) => fault.label(format!("is `{key}` meant to be `role`?")),
            None => fault.hint(FORMS),
        }));
    };
    let place = Place {
        file: at.file,
        span: role.span(),
    };
    let DeValue::String(path) = role.get_ref() else {
        let fault = Fault::error("`role` is a directory, in quotes", place);
        return Err(Box::new(fault.hint(FORMS)));
    };
    if let Some(path) = path.strip_prefix("role:") {
        let fault = Fault::error("`role` is a directory", place);
        return Err(Box::new(fault.hint(format!("role = \"{path}\""))));
    }
    let include = named(path, Sort::Role, name, place, table)?;
    Ok(Include {
        place: at,
        ..include
    })
}

/// What a spelling without `role:` names.
fn sort(text: &str, at: &Place) -> Result<Sort, Box<Fault>> {
    let refuse = |what: &str, hint: String| {
        let fault = Fault::error(what, at.clone());
        Err(Box::new(fault.hint(hint)))
    };
    let last = text.rsplit('/').next().unwrap_or_default();
    if text.contains(['*', '?']) {
        let hint = "a directory, such as \"conf.d/\", stands for all *.toml in it";
        refuse("an include is no pattern", hint.to_owned())
    } else if text.ends_with('/') {
        Ok(Sort::Directory)
    } else if last == ROLE_FILE {
        let dir = text.strip_suffix(ROLE_FILE).unwrap_or_default();
        let dir = dir.strip_suffix('/').unwrap_or(".");
        refuse(
            "a role is included by its directory",
            format!("\"role:{dir}\""),
        )
    } else if text.is_empty() || is_toml(text) || is_template(text) || text.contains("://") {
        Ok(Sort::File)
    } else {
        refuse(
            "an include is a file that ends in .toml, a directory that ends in `/`, or a role",
            format!("\"{text}.toml\", \"{text}/\" or \"role:{text}\""),
        )
    }
}

fn is_toml(name: &str) -> bool {
    name.strip_suffix(".toml").is_some() // no other spelling of it
}

/// Whether an included directory's file of this name is included: `*.toml` that is not hidden.
pub fn is_taken(name: &str) -> bool {
    is_toml(name) && !name.starts_with('.')
}

fn named<'a>(
    text: &str,
    sort: Sort,
    name: &str,
    place: Place,
    params: DeTable<'a>,
) -> Result<Include<'a>, Box<Fault>> {
    let why = if text.is_empty() {
        "an include names something"
    } else if text.len() > limits::PATH {
        "an include's path is at most 1,024 bytes long"
    } else if text.chars().any(char::is_control) {
        "an include's path has no control characters"
    } else if is_template(text) {
        "an include is read before any value is known, so that it holds no template"
    } else if text.contains("://") {
        "an include is a file of this machine"
    } else if text.starts_with('~') {
        "an include's path is written out, and `~` stands for nothing here"
    } else {
        let mut path = join(directory(name), text);
        if sort == Sort::Role {
            path = join(&path, ROLE_FILE);
        }
        return Ok(Include {
            sort,
            path,
            spelled: text.to_owned(),
            place,
            params,
        });
    };
    let hint = "write a path from this file's directory, such as \"common.toml\" or \"../roles/\"";
    Err(Box::new(Fault::error(why, place).hint(hint)))
}

/// The directory of a file, without a slash at its end; empty for a file where hpt was started.
pub(crate) fn directory(name: &str) -> &str {
    match name.rsplit_once('/') {
        Some(("", _)) => "/",
        Some((dir, _)) => dir,
        None => "",
    }
}

/// A path within a directory, without `.`, `..` and double slashes as far as that can be.
pub(crate) fn join(dir: &str, path: &str) -> String {
    let is_absolute = path.starts_with('/') || dir.starts_with('/');
    let dir = if path.starts_with('/') { "" } else { dir };
    let mut parts: Vec<&str> = Vec::new();
    for part in dir.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            ".." if is_absolute => {}
            part => parts.push(part),
        }
    }
    let path = parts.join("/");
    if is_absolute {
        format!("/{path}")
    } else {
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_joined_and_made_plain() {
        for (dir, path, joined) in [
            ("", "a.toml", "a.toml"),
            ("conf", "a.toml", "conf/a.toml"),
            ("conf", "./x//a.toml", "conf/x/a.toml"),
            ("conf/x", "../a.toml", "conf/a.toml"),
            ("conf", "../../a.toml", "../a.toml"),
            ("..", "../a.toml", "../../a.toml"),
            ("/srv", "../../a", "/a"),
            ("conf", "/srv/a", "/srv/a"),
            ("/", "a/", "/a"),
            ("conf", "./", "conf"),
        ] {
            assert_eq!(join(dir, path), joined, "{dir} {path}");
        }
        for (name, dir) in [
            ("a", ""),
            ("x/a", "x"),
            ("/a", "/"),
            ("/x/a", "/x"),
            ("./a", "."),
        ] {
            assert_eq!(directory(name), dir, "{name}");
        }
    }
}

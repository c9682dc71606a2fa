//! Old spellings, and what they are spelled now. Every config of the original hpt parses and means
//! the same; each old spelling draws a warning that names the new one.

use std::borrow::Cow;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::fault::{Fault, Place};

/// A key that has another name now: kind, old, new.
const KEYS: [(&str, &str, &str); 10] = [
    ("file", "remove", "absent"),
    ("file", "perms", "mode"),
    ("file", "url", "source"),
    ("user", "remove", "absent"),
    ("user", "gid", "group"),
    ("group", "remove", "absent"),
    ("exec", "dir", "pwd"),
    ("clone", "URL", "url"),
    ("clone", "deploy_key", "key"),
    ("repo", "URL", "url"),
];

/// Those of [`KEYS`] that are as good as the other spelling and draw no warning.
const ALIASES: [&str; 3] = ["url", "gid", "deploy_key"];

/// A part of a config's text that is written otherwise today.
pub(super) struct Change {
    /// What is replaced.
    pub(super) span: Range<usize>,
    /// What takes its place; nothing where the line goes.
    pub(super) new: String,
}

/// Rewrites the fields of a block or table to today's spelling, and tells of each old one.
pub(super) fn modernise(
    kind: &str,
    fields: &mut DeTable<'_>,
    file: usize,
    faults: &mut Vec<Fault>,
) {
    Spelling::new(file, faults).fields(kind, fields);
}

/// What of the text of a block or table is to be replaced, so that nothing draws a warning.
pub(super) fn changes(kind: &str, mut fields: DeTable<'_>) -> Vec<Change> {
    let mut faults = Vec::new();
    let mut spelling = Spelling::new(0, &mut faults);
    spelling.fields(kind, &mut fields);
    spelling.changes
}

/// `0600` as a value in the line at `at`, which TOML has no word for: its key, and where it stands.
pub(super) fn bare_octal(text: &str, at: usize) -> Option<(&str, Range<usize>)> {
    let at = (0..=at.min(text.len()))
        .rev()
        .find(|i| text.is_char_boundary(*i))?;
    let start = text[..at].rfind('\n').map_or(0, |i| i + 1);
    let line = text[start..].lines().next().unwrap_or_default();
    let (key, value) = line.split_once('=')?;
    let from = start + key.len() + 1 + (value.len() - value.trim_start().len());
    let digits = value.split('#').next().unwrap_or_default().trim();
    let octal = (4..=5).contains(&digits.len())
        && digits.starts_with('0')
        && digits.bytes().all(|c| (b'0'..=b'7').contains(&c));
    let key = key.trim();
    (octal && ["perms", "mode", "umask"].contains(&key)).then_some((key, from..from + digits.len()))
}

/// Old spellings of one file, as they are met.
struct Spelling<'a> {
    file: usize,
    faults: &'a mut Vec<Fault>,
    changes: Vec<Change>,
}

impl<'a> Spelling<'a> {
    fn new(file: usize, faults: &'a mut Vec<Fault>) -> Self {
        Self {
            file,
            faults,
            changes: Vec::new(),
        }
    }

    fn place(&self, span: Range<usize>) -> Place {
        Place {
            file: self.file,
            span,
        }
    }

    /// Something works, but is written otherwise.
    fn warn(&mut self, what: impl Into<String>, at: Range<usize>) {
        self.faults.push(Fault::warning(what, self.place(at)));
    }

    fn change(&mut self, span: Range<usize>, new: impl Into<String>) {
        let new = new.into();
        self.changes.push(Change { span, new });
    }

    fn fields(&mut self, kind: &str, fields: &mut DeTable<'_>) {
        for (_, old, new) in KEYS.iter().filter(|(k, ..)| *k == kind) {
            let Some((key, value)) = fields.remove_entry(*old) else {
                continue;
            };
            let span = key.span();
            if fields.contains_key(*new) {
                let what = format!("`{old}` and `{new}` are the same field");
                let hint = format!("leave `{old}` out");
                let fault = Fault::error(what, self.place(span));
                self.faults.push(fault.hint(hint));
                continue;
            }
            if !ALIASES.contains(old) {
                self.warn(format!("`{old}` is spelled `{new}` now"), span.clone());
                self.change(span.clone(), *new);
            }
            fields.insert(Spanned::new(span, Cow::Borrowed(new)), value);
        }
        if kind == "user" {
            self.sudoers(fields);
        }
        for key in ["mode", "umask"] {
            if let Some(value) = fields.get_mut(key) {
                self.octal(key, value);
            }
        }
        for key in ["gid", "uid", "depth"] {
            if let Some(value) = fields.get_mut(key) {
                self.number(key, value);
            }
        }
    }

    /// `sudoers = true` of the original is `sudo = "nopasswd"`.
    fn sudoers(&mut self, fields: &mut DeTable<'_>) {
        let Some((key, value)) = fields.remove_entry("sudoers") else {
            return;
        };
        let (at, of) = (key.span(), value.span());
        match value.get_ref().as_bool() {
            Some(true) => {
                let sudo = Spanned::new(of.clone(), DeValue::String("nopasswd".into()));
                fields.insert(Spanned::new(at.clone(), "sudo".into()), sudo);
                let what = "`sudoers = true` is spelled `sudo = \"nopasswd\"` now";
                self.warn(what, at.clone());
                self.change(at.start..of.end, "sudo = \"nopasswd\"");
            }
            Some(false) => {
                self.warn("`sudoers = false` says nothing; leave it out", at.clone());
                self.change(at.start..of.end, "");
            }
            None => {
                let fault = Fault::error("`sudoers` is true or false", self.place(at));
                self.faults.push(fault);
            }
        }
    }

    /// `0o644` is as good as `"0644"`; a bare decimal is never what was meant.
    fn octal(&mut self, key: &str, value: &mut Spanned<DeValue<'_>>) {
        let span = value.span();
        let DeValue::Integer(number) = value.get_ref() else {
            return;
        };
        if number.radix() == 8 {
            let text = format!("{:0>4}", number.as_str());
            *value = Spanned::new(span, DeValue::String(Cow::Owned(text)));
            return;
        }
        let digits = number.as_str().to_owned();
        let looks_octal = digits.len() <= 4 && digits.bytes().all(|c| (b'0'..=b'7').contains(&c));
        let what = format!("`{key} = {digits}` is a decimal number, and a mode is octal");
        let fault = Fault::error(what, self.place(span.clone()));
        self.faults.push(if looks_octal {
            fault.hint(format!("write {key} = \"{digits:0>4}\""))
        } else {
            fault
        });
        *value = Spanned::new(span, DeValue::String("0644".into())); // judged already; let the rest be checked
    }

    /// A number in quotes, as the original wrote a gid.
    fn number(&mut self, key: &str, value: &mut Spanned<DeValue<'_>>) {
        let span = value.span();
        let DeValue::String(Cow::Borrowed(text)) = value.get_ref() else {
            return;
        };
        let digits = text.trim_start_matches('0');
        if text.is_empty() || text.len() > 10 || !text.bytes().all(|c| c.is_ascii_digit()) {
            return; // the block's own type says what is wrong with it
        }
        let digits = if digits.is_empty() { "0" } else { digits };
        let Ok(integer) = DeValue::parse(digits) else {
            return;
        };
        let what = format!("`{key}` is a number: write {key} = {digits}");
        self.warn(what, span.clone());
        self.change(span.clone(), digits);
        *value = Spanned::new(span, integer.into_inner());
    }
}

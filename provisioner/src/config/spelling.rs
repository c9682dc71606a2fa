//! Old spellings, and what they are spelled now. Every config of the original hpt parses and means
//! the same; each old spelling draws a warning that names the new one.

use std::borrow::Cow;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::fault::{Fault, Place};

/// A key that has another name now: kind, old, new.
const KEYS: [(&str, &str, &str); 9] = [
    ("file", "remove", "absent"),
    ("file", "perms", "mode"),
    ("file", "url", "source"),
    ("user", "remove", "absent"),
    ("user", "gid", "group"),
    ("group", "remove", "absent"),
    ("exec", "dir", "pwd"),
    ("clone", "URL", "url"),
    ("clone", "deploy_key", "key"),
];

/// Those of [`KEYS`] that are as good as the other spelling and draw no warning.
const ALIASES: [&str; 3] = ["url", "gid", "deploy_key"];

/// Rewrites a block's fields to today's spelling.
pub(super) fn modernise(
    kind: &str,
    fields: &mut DeTable<'_>,
    file: usize,
    faults: &mut Vec<Fault>,
) {
    for (_, old, new) in KEYS.iter().filter(|(k, ..)| *k == kind) {
        let Some((key, value)) = fields.remove_entry(*old) else {
            continue;
        };
        let place = Place {
            file,
            span: key.span(),
        };
        if fields.contains_key(*new) {
            faults.push(Fault::error(
                format!("`{old}` and `{new}` are the same field"),
                place,
            ));
            continue;
        }
        if !ALIASES.contains(old) {
            faults.push(Fault::warning(
                format!("`{old}` is spelled `{new}` now"),
                place,
            ));
        }
        fields.insert(Spanned::new(key.span(), Cow::Borrowed(new)), value);
    }
    if kind == "user" {
        sudoers(fields, file, faults);
    }
    for key in ["mode", "umask"] {
        if let Some(value) = fields.get_mut(key) {
            octal(key, value, file, faults);
        }
    }
    for key in ["gid", "uid", "depth"] {
        if let Some(value) = fields.get_mut(key) {
            number(key, value, file, faults);
        }
    }
}

/// `sudoers = true` of the original is `sudo = "nopasswd"`.
fn sudoers(fields: &mut DeTable<'_>, file: usize, faults: &mut Vec<Fault>) {
    let Some((key, value)) = fields.remove_entry("sudoers") else {
        return;
    };
    let place = Place {
        file,
        span: key.span(),
    };
    match value.get_ref().as_bool() {
        Some(true) => {
            let sudo = Spanned::new(value.span(), DeValue::String("nopasswd".into()));
            fields.insert(Spanned::new(key.span(), "sudo".into()), sudo);
            faults.push(Fault::warning(
                "`sudoers = true` is spelled `sudo = \"nopasswd\"` now",
                place,
            ));
        }
        Some(false) => faults.push(Fault::warning(
            "`sudoers = false` says nothing; leave it out",
            place,
        )),
        None => faults.push(Fault::error("`sudoers` is true or false", place)),
    }
}

/// `0o644` is as good as `"0644"`; a bare decimal is never what was meant.
fn octal(key: &str, value: &mut Spanned<DeValue<'_>>, file: usize, faults: &mut Vec<Fault>) {
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
    let fault = Fault::error(
        format!("`{key} = {digits}` is a decimal number, and a mode is octal"),
        Place {
            file,
            span: span.clone(),
        },
    );
    faults.push(if looks_octal {
        fault.hint(format!("write {key} = \"{digits:0>4}\""))
    } else {
        fault
    });
    *value = Spanned::new(span, DeValue::String("0644".into())); // judged already; let the rest be checked
}

/// A number in quotes, as the original wrote a gid.
fn number(key: &str, value: &mut Spanned<DeValue<'_>>, file: usize, faults: &mut Vec<Fault>) {
    let span = value.span();
    let DeValue::String(Cow::Borrowed(text)) = value.get_ref() else {
        return;
    };
    let digits = text.trim_start_matches('0');
    if text.is_empty() || text.len() > 10 || !text.bytes().all(|c| c.is_ascii_digit()) {
        return; // the block's own type says what is wrong with it
    }
    let Ok(integer) = DeValue::parse(if digits.is_empty() { "0" } else { digits }) else {
        return;
    };
    let place = Place {
        file,
        span: span.clone(),
    };
    faults.push(Fault::warning(
        format!("`{key}` is a number: write {key} = {digits}"),
        place,
    ));
    *value = Spanned::new(span, integer.into_inner());
}

//! Renders every string of a block's fields in place, before the block's own type reads them.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::limits;
use crate::config::renderer::Renderer;
use crate::config::scope::{Rendered, is_template};
use crate::fault::{Fault, Place};

/// The fields that a secret may go into, since nothing shows them.
const SECRET_FIELDS: &[&str] = &[
    "content",
    "template_vars",
    "env",
    "stdin",
    "script",
    "key",
    "line",
    "password",
    "password_hash",
    "set",
];

/// The fields whose values are secrets, however they were written.
const PRIVATE: [&str; 5] = ["env", "key", "password", "password_hash", "stdin"];

/// Whether the value of a field is a secret, however it was written.
pub(super) fn is_private(kind: &str, field: &str) -> bool {
    PRIVATE.contains(&field) && !is_plain_key(kind, field)
}

/// A clone's `key` is a private key; that of other kinds is a name which everybody may see.
fn is_plain_key(kind: &str, field: &str) -> bool {
    field == "key" && kind != "clone"
}

/// What rendering found about a block.
#[derive(Default)]
pub(super) struct Findings {
    /// A secret went into it.
    pub(super) secret: bool,
    /// Some text names facts or secrets that are not known here.
    pub(super) deferred: bool,
    /// Some text is known on the target alone.
    pub(super) elsewhere: bool,
    /// The fields that are left out since their templates are wrong.
    pub(super) unread: Vec<String>,
    /// The blocks of this run whose results some text names, and where.
    pub(super) awaits: Vec<(String, Place)>,
    /// Where numbers and booleans stand that a lone `{{ x }}` came to.
    scalars: Vec<Range<usize>>,
}

/// TOML literals of the values that templates rendered to, in the order of the walk; they outlive
/// the fields that borrow from them.
pub(super) struct Literals(Vec<Option<String>>);

/// Renders the strings of `fields`, leaving them as they are; a fault for each that cannot be.
pub(super) fn render(
    kind: &str,
    fields: &DeTable<'_>,
    renderer: &Renderer<'_>,
    own: &toml::Table,
    file: usize,
    faults: &mut Vec<Fault>,
) -> (Literals, Findings) {
    let mut walk = Walk {
        kind,
        renderer,
        own,
        file,
        faults,
        literals: Vec::new(),
        findings: Findings::default(),
    };
    for (key, value) in fields {
        walk.value(key.get_ref(), value);
    }
    (Literals(walk.literals), walk.findings)
}

struct Walk<'a> {
    kind: &'a str,
    renderer: &'a Renderer<'a>,
    own: &'a toml::Table,
    file: usize,
    faults: &'a mut Vec<Fault>,
    literals: Vec<Option<String>>,
    findings: Findings,
}

/// What to do about a text that only looks like a template.
pub(super) const RAW: &str =
    "a text that is not for hpt to render goes between {% raw %} and {% endraw %}";

impl Walk<'_> {
    fn value(&mut self, field: &str, value: &Spanned<DeValue<'_>>) {
        match value.get_ref() {
            DeValue::Table(table) => table.values().for_each(|v| self.value(field, v)),
            DeValue::Array(array) => array.iter().for_each(|v| self.value(field, v)),
            DeValue::String(text) if is_template(text) => {
                let literal = self.text(field, text, value.span());
                self.literals.push(literal);
            }
            _ => {}
        }
    }

    fn text(&mut self, field: &str, text: &str, span: Range<usize>) -> Option<String> {
        let place = Place {
            file: self.file,
            span,
        };
        match self.renderer.render(text, self.own) {
            Ok(
                Rendered::Value { secret: true, .. }
                | Rendered::Deferred { secret: true }
                | Rendered::Late { secret: true, .. },
            ) if !SECRET_FIELDS.contains(&field) || is_plain_key(self.kind, field) => {
                let fault = |why: &str| {
                    Fault::error(format!("a secret may not go into `{field}`, {why}"), place)
                };
                self.faults.push(match field {
                    // Everybody on the host can read the arguments of whatever runs.
                    "args" | "cmd" => fault("which all users of the host can see")
                        .hint("a command takes it from `stdin`, `env` or a `script`"),
                    _ => fault("which is shown").hint("put it into a `content`, `env` or `stdin`"),
                });
                None
            }
            Ok(Rendered::Deferred { secret }) => {
                self.findings.deferred = true;
                self.findings.secret |= secret;
                self.findings.elsewhere = true;
                None
            }
            Ok(Rendered::Late { blocks, secret }) => {
                self.findings.deferred = true;
                self.findings.secret |= secret;
                let blocks = blocks.into_iter().map(|id| (id, place.clone()));
                self.findings.awaits.extend(blocks);
                None
            }
            Ok(Rendered::Value { value, .. })
                if value
                    .as_str()
                    .is_some_and(|text| text.len() > limits::STRING) =>
            {
                let what = format!("this becomes longer than {} KiB", limits::STRING / 1024);
                let fault = Fault::error(what, place).hint("use a `template`");
                self.faults.push(fault);
                None
            }
            Ok(Rendered::Value { value, secret }) => {
                self.findings.secret |= secret;
                if value.is_integer() || value.is_float() || value.is_bool() {
                    self.findings.scalars.push(place.span);
                }
                Some(value.to_string())
            }
            Err(error) => {
                let is_hidden = error.quotes && is_private(self.kind, field);
                let what = if is_hidden {
                    format!("the template in `{field}` cannot be rendered")
                } else {
                    error.what
                };
                let fault = Fault::error(what, place);
                let hint = error.hint.filter(|_| !is_hidden);
                let general = match (self.kind, field) {
                    ("assert", "that") => "`hpt explain assert.that` says what it takes",
                    _ => RAW,
                };
                self.faults
                    .push(fault.hint(hint.unwrap_or_else(|| general.to_owned())));
                None
            }
        }
    }
}

impl Findings {
    /// Makes a text of the number or boolean at this place, if a template came to it there: a field
    /// that wants a text takes what `{{ }}` would have put into one.
    pub(super) fn make_text(&self, fields: &mut DeTable<'_>, span: &Range<usize>) -> bool {
        self.scalars.contains(span) && fields.iter_mut().any(|(_, value)| to_text(value, span))
    }
}

fn to_text(value: &mut Spanned<DeValue<'_>>, span: &Range<usize>) -> bool {
    if value.span() == *span {
        let text = match value.get_ref() {
            DeValue::Integer(number) => number.to_string(),
            DeValue::Float(number) => number.to_string(),
            DeValue::Boolean(yes) => yes.to_string(),
            _ => return false,
        };
        *value.get_mut() = DeValue::String(text.into());
        return true;
    }
    match value.get_mut() {
        DeValue::Table(table) => table.iter_mut().any(|(_, value)| to_text(value, span)),
        DeValue::Array(array) => array.iter_mut().any(|value| to_text(value, span)),
        _ => false,
    }
}

/// The fields with what was rendered in the place of the templates.
pub(super) fn put<'a>(mut fields: DeTable<'a>, literals: &'a Literals) -> DeTable<'a> {
    let mut next = literals.0.iter();
    for (_, value) in &mut fields {
        put_value(value, &mut next);
    }
    fields
}

fn put_value<'a>(
    value: &mut Spanned<DeValue<'a>>,
    next: &mut std::slice::Iter<'a, Option<String>>,
) {
    let span = value.span();
    match value.get_mut() {
        DeValue::Table(table) => table.iter_mut().for_each(|(_, v)| put_value(v, next)),
        DeValue::Array(array) => array.iter_mut().for_each(|v| put_value(v, next)),
        DeValue::String(text) if is_template(text) => {
            if let Some(literal) = next.next().expect("both walks meet the same strings") {
                let rendered = DeValue::parse(literal).expect("TOML that was just written");
                *value = Spanned::new(span, rendered.into_inner());
            }
        }
        _ => {}
    }
}

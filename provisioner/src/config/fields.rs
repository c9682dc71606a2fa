//! The fields of a block as its own kind reads them, and words for what is wrong with them.

use toml::Spanned;
use toml::de::DeTable;

use crate::block::Body;
use crate::config::values::{self, Findings};
use crate::config::{limits, nearest, words};
use crate::fault::{Fault, Place};

/// How hints begin that are about a text which is not written as one.
const IN_QUOTES: &str = "write it in quotes";

/// Fields that one may look for and that will not come: kind, name, and why.
const NEVER: [[&str; 3]; 1] = [[
    "sudoers",
    "verify",
    "`visudo -c` always reads the rules before sudo does",
]];

/// Reads the fields that are the kind's own. Those that are unknown or wrong are all named, as serde
/// says it when it reads on without them; without the value if nothing of the block may be shown.
pub(super) fn read(
    kind: &'static str,
    place: &Place,
    mut fields: DeTable<'_>,
    findings: &Findings,
    sensitive: bool,
    faults: &mut Vec<Fault>,
) -> Option<Body> {
    let mut told = 0;
    while told < limits::WRONG_FIELDS {
        let whole = Spanned::new(place.span.clone(), fields.clone());
        let error = match Body::deserialize(kind, whole.into()) {
            Ok(body) => return (told == 0).then_some(body),
            Err(error) => error,
        };
        let message = error.message();
        let at = Place {
            file: place.file,
            span: error.span().unwrap_or(place.span.clone()),
        };
        if message.ends_with(", expected a string") && findings.make_text(&mut fields, &at.span) {
            continue;
        }
        let wrong = if let Some(key) = between(message, "unknown field `", "`") {
            let key = key.to_owned();
            faults.push(unknown_field(kind, &key, message, at));
            Some(key)
        } else {
            let follows =
                (told > 0 || !findings.unread.is_empty()) && message.starts_with("missing field");
            if findings.deferred || follows {
                return None;
            }
            let key = holder(&fields, &at).map(ToOwned::to_owned);
            let hide = sensitive || is_private(kind, &fields, &at);
            faults.push(wrong_value(kind, &fields, message, at, hide));
            key
        };
        fields.remove(wrong?.as_str())?;
        told += 1;
    }
    None
}

/// The field in whose value a place lies.
pub(super) fn holder<'a>(fields: &'a DeTable<'_>, at: &Place) -> Option<&'a str> {
    let mut held = fields.iter().filter(|(_, value)| {
        let span = value.span();
        span.start <= at.span.start && at.span.end <= span.end
    });
    held.next().map(|(key, _)| key.get_ref().as_ref())
}

/// Whether a place lies in a field whose value is a secret.
fn is_private(kind: &str, fields: &DeTable<'_>, at: &Place) -> bool {
    holder(fields, at).is_some_and(|key| values::is_private(kind, key))
}

fn unknown_field(kind: &str, key: &str, message: &str, at: Place) -> Fault {
    if Body::comes_later(kind, key) {
        let what = format!("`{key}` of [[{kind}]] comes with a later version of hpt");
        return Fault::error(what, at).hint(format!("leave `{key}` out until then"));
    }
    if let Some([_, _, why]) = NEVER.iter().find(|never| never[..2] == [kind, key]) {
        let what = format!("[[{kind}]] has no `{key}`: {why}");
        return Fault::error(what, at).hint(format!("leave `{key}` out"));
    }
    let fault = Fault::error(format!("unknown field `{key}` in [[{kind}]]"), at);
    let fields = words::choices(message);
    if fields.is_empty() {
        return fault.hint(format!("[[{kind}]] has no fields of its own"));
    }
    let fault = fault.hint(format!("`hpt explain {kind}` lists its fields"));
    match nearest(key, fields.iter().copied()) {
        Some(near) => fault.label(format!("did you mean `{near}`?")),
        None => fault,
    }
}

/// What is wrong with the value of a field, and how it is written here if that is plain. Where the
/// value is hidden, only what does not repeat it.
pub(super) fn wrong_value(
    kind: &str,
    fields: &DeTable<'_>,
    message: &str,
    at: Place,
    hide: bool,
) -> Fault {
    let spelled = spelling_that_works(fields, message, &at);
    let hint = match spelled {
        Some(hint) if hide && hint.starts_with(IN_QUOTES) => Some(IN_QUOTES.to_owned()),
        other => other.filter(|_| !hide),
    };
    let key = holder(fields, &at).unwrap_or("");
    let fault = advised(kind, key, misread(kind, message, at, hide));
    match hint {
        Some(hint) => fault.hint(hint),
        None => fault,
    }
}

/// What a block says of one of its fields.
pub(super) fn complaint(kind: &str, key: &str, what: String, at: Place) -> Fault {
    advised(kind, key, Fault::error(what, at))
}

/// With what to do: the advice that ends its sentence, or where there is more to read.
fn advised(kind: &str, key: &str, fault: Fault) -> Fault {
    if let Some((what, advice)) = fault.what.split_once("; ") {
        let (what, advice) = (what.to_owned(), advice.to_owned());
        return Fault { what, ..fault }.hint(advice);
    }
    match key {
        "" => fault.hint(format!("`hpt explain {kind}` lists its fields")),
        // The list at the top of a file is a block whose field has no name.
        _ if kind == "packages" => fault.hint("`hpt explain packages` says what it takes"),
        _ => fault.hint(format!("`hpt explain {kind}.{key}` says what it takes")),
    }
}

/// What is wrong in a table that is no block.
pub(super) fn in_table(table: &str, topic: &str, message: &str, at: Place) -> Fault {
    let hint = format!("`hpt explain {topic}` lists its fields");
    let Some(key) = between(message, "unknown field `", "`") else {
        let what = match between(message, "missing field `", "`") {
            Some(key) => format!("[{table}] needs `{key}`"),
            None => format!("{} in [{table}]", words::plain(message)),
        };
        return Fault::error(what, at).hint(hint);
    };
    let fault = Fault::error(format!("unknown field `{key}` in [{table}]"), at).hint(hint);
    match nearest(key, words::choices(message).into_iter()) {
        Some(near) => fault.label(format!("did you mean `{near}`?")),
        None => fault,
    }
}

fn misread(kind: &str, message: &str, at: Place, hide: bool) -> Fault {
    if let Some(key) = between(message, "missing field `", "`") {
        return Fault::error(format!("[[{kind}]] needs `{key}`"), at);
    }
    // serde quotes the value that it found, which must not be where it can be a secret.
    let what = if hide {
        let wanted = message.rsplit_once(", expected ").map(|(_, words)| words);
        let wanted = wanted.map_or_else(String::new, |words| {
            format!(", expected {}", words::wanted(words))
        });
        format!("a value of the wrong form in this [[{kind}]], which may hold a secret{wanted}")
    } else if let Some((found, words)) = message
        .strip_prefix("unknown variant `")
        .and_then(|rest| rest.split_once("`, expected "))
    {
        let fault = Fault::error(format!("`{found}` is not known here, expected {words}"), at);
        return match nearest(found, words::choices(message).into_iter()) {
            Some(near) => fault.label(format!("did you mean `{near}`?")),
            None => fault,
        };
    } else if message == "wanted string or table" {
        "this is none of the words of the field, expected a string".to_owned()
    } else {
        words::plain(message)
    };
    Fault::error(what, at)
}

/// How a value of another type, as other tools would take it, is written here.
fn spelling_that_works(fields: &DeTable<'_>, message: &str, at: &Place) -> Option<String> {
    let (found, wanted) = message
        .strip_prefix("invalid type: ")?
        .split_once(", expected ")?;
    let key = holder(fields, at)?;
    let number = between(found, "integer `", "`");
    let text = between(found, "string \"", "\"");
    match (number, text) {
        (Some(id), _) if wanted == "a string" && ["owner", "user"].contains(&key) => {
            Some(format!("a user goes by name here; `id -nu {id}` prints it"))
        }
        (Some(id), _) if wanted == "a string" && ["group", "groups"].contains(&key) => Some(
            format!("a group goes by name here; `getent group {id}` shows it"),
        ),
        (Some(number), _) if wanted == "a string" => Some(format!("{IN_QUOTES}: \"{number}\"")),
        _ if wanted == "a string" && found.starts_with("floating point") => {
            Some(format!("{IN_QUOTES}, with all its digits"))
        }
        _ if wanted == "a string" && found.starts_with("boolean") => Some(IN_QUOTES.to_owned()),
        (_, Some(_)) if wanted == "a boolean" => {
            Some("write `true` or `false`, without quotes".to_owned())
        }
        (_, Some(text)) if wanted == "a sequence" => {
            let list: Vec<_> = text
                .split(',')
                .map(|part| format!("\"{}\"", part.trim()))
                .collect();
            Some(format!("write a list: [{}]", list.join(", ")))
        }
        (_, Some(digits)) if !digits.is_empty() && digits.bytes().all(|c| c.is_ascii_digit()) => {
            Some(format!("write it without quotes: {digits}"))
        }
        _ => None,
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    text.split_once(before)?
        .1
        .split_once(after)
        .map(|(inner, _)| inner)
}

//! The fields of a block as its own kind reads them, and words for what is wrong with them.

use toml::Spanned;
use toml::de::DeTable;

use crate::block::Body;
use crate::config::values::Findings;
use crate::config::{limits, nearest};
use crate::fault::{Fault, Place};

/// Reads the fields that are the kind's own. Unknown ones are all named; of other errors serde
/// says the first.
pub(super) fn read(
    kind: &'static str,
    place: &Place,
    mut fields: DeTable<'_>,
    findings: &Findings,
    faults: &mut Vec<Fault>,
) -> Option<Body> {
    let mut misspelled = 0;
    while misspelled < limits::UNKNOWN_FIELDS {
        let whole = Spanned::new(place.span.clone(), fields.clone());
        let error = match Body::deserialize(kind, whole.into()) {
            Ok(body) => return (misspelled == 0).then_some(body),
            Err(error) => error,
        };
        let message = error.message();
        let at = Place {
            file: place.file,
            span: error.span().unwrap_or(place.span.clone()),
        };
        let Some(key) = between(message, "unknown field `", "`") else {
            let follows = misspelled > 0 && message.starts_with("missing field");
            if !findings.deferred && !follows {
                faults.push(wrong_value(kind, message, at, findings.secret));
            }
            return None;
        };
        let key = key.to_owned();
        faults.push(unknown_field(kind, &key, message, at));
        misspelled += 1;
        fields.remove(key.as_str())?;
    }
    None
}

fn unknown_field(kind: &str, key: &str, message: &str, at: Place) -> Fault {
    if Body::comes_later(kind, key) {
        let what = format!("`{key}` of [[{kind}]] comes with a later version of hpt");
        return Fault::error(what, at);
    }
    let fault = Fault::error(format!("unknown field `{key}` in [[{kind}]]"), at);
    let fields: Vec<&str> = message
        .split_once(", expected ")
        .map(|(_, rest)| rest.split('`').skip(1).step_by(2).collect())
        .unwrap_or_default();
    match nearest(key, fields.iter().copied()) {
        Some(near) => fault.label(format!("did you mean `{near}`?")),
        None => fault.hint(format!(
            "the fields of [[{kind}]] are {}",
            fields.join(", ")
        )),
    }
}

fn wrong_value(kind: &str, message: &str, at: Place, secret: bool) -> Fault {
    if let Some(key) = between(message, "missing field `", "`") {
        return Fault::error(format!("[[{kind}]] needs `{key}`"), at);
    }
    // serde quotes the value that it found, which must not be when a secret went into the block.
    let what = if secret {
        format!("a field of this [[{kind}]], which uses a secret, has a value of the wrong form")
    } else if let Some((found, words)) = message
        .strip_prefix("unknown variant `")
        .and_then(|rest| rest.split_once("`, expected "))
    {
        format!("`{found}` is not known here, expected {words}")
    } else if message == "wanted string or table" {
        "this is none of the words of the field, expected a string".to_owned()
    } else {
        message.to_owned()
    };
    Fault::error(what, at)
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    text.split_once(before)?
        .1
        .split_once(after)
        .map(|(inner, _)| inner)
}

//! The fields that every block may have, taken off it before its kind reads the rest.

use toml::de::DeTable;

use crate::fault::{Fault, Place};

/// What every block may say of itself.
#[derive(Default)]
pub(super) struct Common {
    /// The id that the block is given, and where.
    pub(super) id: Option<(String, Place)>,
    /// A note of its writer.
    pub(super) desc: Option<String>,
    /// Nothing of it may be shown.
    pub(super) sensitive: bool,
    /// Ids that must stand before it, and where they are named.
    pub(super) after: Vec<(String, Place)>,
}

/// Takes the common fields off a block.
pub(super) fn take(
    kind: &str,
    fields: &mut DeTable<'_>,
    file: usize,
    faults: &mut Vec<Fault>,
) -> Common {
    let mut common = Common::default();
    let mut fault = |what: &str, span| faults.push(Fault::error(what, Place { file, span }));
    let mut take = |key: &str| fields.remove(key);
    if let Some(value) = take("id") {
        let place = Place {
            file,
            span: value.span(),
        };
        match value.get_ref().as_str() {
            Some(id) if !id.is_empty() && !id.chars().any(char::is_control) && id.len() <= 256 => {
                common.id = Some((id.to_owned(), place));
            }
            _ => fault(
                "an id is 1 to 256 characters of text without line breaks",
                value.span(),
            ),
        }
    }
    if let Some(value) = take("desc") {
        match value.get_ref().as_str() {
            Some(text) => common.desc = Some(text.to_owned()),
            None => fault("`desc` is a string", value.span()),
        }
    }
    if let Some(value) = take("sensitive") {
        match value.get_ref().as_bool() {
            Some(yes) => common.sensitive = yes,
            None => fault("`sensitive` is true or false", value.span()),
        }
    }
    if let Some(value) = take("after") {
        match value.get_ref().as_array() {
            Some(array) => {
                for id in array {
                    match id.get_ref().as_str() {
                        Some(text) => {
                            common.after.push((
                                text.to_owned(),
                                Place {
                                    file,
                                    span: id.span(),
                                },
                            ));
                        }
                        None => fault("`after` is a list of ids", id.span()),
                    }
                }
            }
            None => fault("`after` is a list of ids", value.span()),
        }
    }
    for later in [
        "when", "for_each", "tags", "notify", "on_error", "retries", "delay", "confirm",
    ] {
        if let Some(value) = take(later) {
            let what = format!("`{later}` comes with a later version of hpt");
            fault(&what, value.span());
        }
    }
    if kind == "packages" {
        common.id.get_or_insert_with(|| {
            let place = Place { file, span: 0..0 };
            (
                if file == 0 {
                    "packages".to_owned()
                } else {
                    format!("packages-{}", file + 1)
                },
                place,
            )
        });
    }
    common
}

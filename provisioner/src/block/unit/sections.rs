//! The sections of a unit as a config writes them, `[unit.Service]`: keys in their order, and a list
//! for a key that stands more than once.

use std::fmt;

use serde::Deserialize;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use toml::Spanned;

use crate::unit_file;

/// The lines of one section, in the order in which they are written.
pub(in crate::block) struct Section {
    /// Where its first key stands in the config.
    at: usize,
    lines: Vec<(String, String)>,
}

/// The text of all sections that a block may have; see [`text`]. Their fields stand in each block, for
/// what they say of themselves there.
macro_rules! sections_of {
    ($block:expr) => {
        $crate::block::unit::sections::text(&[
            ("Unit", &$block.about),
            ("Service", &$block.service),
            ("Install", &$block.install),
            ("Timer", &$block.timer),
            ("Socket", &$block.socket),
            ("Path", &$block.path),
            ("Mount", &$block.mount),
            ("Automount", &$block.automount),
            ("Swap", &$block.swap),
            ("Slice", &$block.slice),
        ])
    };
}
pub(in crate::block) use sections_of;

/// The text of sections, in the order in which they are written; `None` if there is none.
pub(in crate::block) fn text(sections: &[(&str, &Option<Section>)]) -> Option<String> {
    let given = sections
        .iter()
        .filter_map(|(name, section)| Some((*name, section.as_ref()?)));
    let mut given: Vec<(&str, &Section)> = given.collect();
    given.sort_by_key(|(_, section)| section.at);
    let texts: Vec<String> = given
        .into_iter()
        .map(|(name, section)| {
            let lines = section.lines.iter();
            lines.fold(format!("[{name}]\n"), |text, (key, value)| {
                text + key + "=" + value + "\n"
            })
        })
        .collect();
    (!texts.is_empty()).then(|| texts.join("\n"))
}

/// The key of a line.
#[derive(PartialEq, Eq, Hash)]
struct Key(String);

/// Each value of a key.
struct Values(Vec<String>);

impl<'de> Deserialize<'de> for Section {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Lines;
        impl<'de> Visitor<'de> for Lines {
            type Value = Section;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table, such as [unit.Service]")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Section, A::Error> {
                let mut keys: Vec<(usize, String, Vec<String>)> = Vec::new();
                while let Some((key, Values(values))) = map.next_entry::<Spanned<Key>, Values>()? {
                    keys.push((key.span().start, key.into_inner().0, values));
                }
                keys.sort_by_key(|(at, ..)| *at);
                let at = keys.first().map_or(usize::MAX, |(at, ..)| *at);
                let pairs = |(_, key, values): (usize, String, Vec<String>)| {
                    values.into_iter().map(move |value| (key.clone(), value))
                };
                let lines = keys.into_iter().flat_map(pairs).collect();
                Ok(Section { at, lines })
            }
        }
        d.deserialize_map(Lines)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let key = String::deserialize(d)?;
        if unit_file::is_word(&key) {
            return Ok(Self(key));
        }
        Err(D::Error::custom(
            "a key of a unit is letters, digits and `-`, and begins with a letter",
        ))
    }
}

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct OneOrMany;
        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Values;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, a number, true, false or a list of them")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Values, E> {
                line(text).map(|text| Values(vec![text])).map_err(E::custom)
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Values, E> {
                Ok(Values(vec![number.to_string()]))
            }

            fn visit_bool<E: Error>(self, yes: bool) -> Result<Values, E> {
                Ok(Values(vec![yes.to_string()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Values, A::Error> {
                let mut all = Vec::new();
                while let Some(One(value)) = list.next_element()? {
                    all.push(value);
                }
                Ok(Values(all))
            }
        }
        d.deserialize_any(OneOrMany)
    }
}

/// One value of a list.
struct One(String);

impl<'de> Deserialize<'de> for One {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Scalar;
        impl Visitor<'_> for Scalar {
            type Value = One;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, a number, true or false")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<One, E> {
                line(text).map(One).map_err(E::custom)
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<One, E> {
                Ok(One(number.to_string()))
            }

            fn visit_bool<E: Error>(self, yes: bool) -> Result<One, E> {
                Ok(One(yes.to_string()))
            }
        }
        d.deserialize_any(Scalar)
    }
}

/// A value that stays one line, and the one that was meant.
fn line(text: &str) -> Result<String, &'static str> {
    if text.chars().any(char::is_control) {
        return Err(
            "a value of a unit is one line without control characters; write a list for several",
        );
    }
    if text.ends_with('\\') {
        return Err("a value of a unit does not end in `\\`, which would swallow the next line");
    }
    if text.trim() != text {
        return Err(
            "a value of a unit neither begins nor ends with a space, which systemd would drop",
        );
    }
    Ok(text.to_owned())
}

//! JSON. Only the objects on the way to a change are written anew; all else keeps its spelling.

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Serialize as _};
use serde_json::ser::{PrettyFormatter, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{KeyPath, Leaf};
use crate::block::text_file::line_end;

pub(super) fn fault(leaf: &Leaf<'_>) -> Option<String> {
    value(leaf.value).is_none().then(|| {
        let words = leaf.words();
        format!("`{words}`: JSON has no infinite number, and none that is no number")
    })
}

pub(super) fn edited(old: &str, set: &[Leaf<'_>], unset: &[KeyPath]) -> Result<String, String> {
    let root = match old.trim() {
        "" => "{}",
        text => text,
    };
    let check: Result<&RawValue, _> = serde_json::from_str(root);
    check.map_err(|e| format!("it is not JSON: {e}"))?;
    let style = Style::of(root);
    let mut now = root.to_owned();
    for leaf in set {
        let new = value(leaf.value).expect("checked: JSON has such a value");
        let put = style.put(&now, 0, &leaf.keys, &new);
        now = put.ok_or_else(|| format!("what holds `{}` is no object", leaf.words()))?;
    }
    for path in unset {
        now = style.without(&now, 0, &path.0).unwrap_or(now);
    }
    if now == root {
        return Ok(old.to_owned());
    }
    let start = old.len() - old.trim_start().len();
    let (before, after) = match old.trim() {
        "" => ("", "\n"),
        text => (&old[..start], &old[start + text.len()..]),
    };
    Ok(format!("{before}{now}{after}"))
}

fn value(from: &toml::Value) -> Option<Value> {
    Some(match from {
        toml::Value::String(text) => text.as_str().into(),
        toml::Value::Integer(number) => (*number).into(),
        toml::Value::Float(number) => serde_json::Number::from_f64(*number)?.into(),
        toml::Value::Boolean(yes) => (*yes).into(),
        toml::Value::Datetime(time) => time.to_string().into(),
        toml::Value::Array(list) => list.iter().map(value).collect::<Option<Vec<_>>>()?.into(),
        toml::Value::Table(table) => {
            let pairs = table.iter().map(|(key, v)| Some((key.clone(), value(v)?)));
            Value::Object(pairs.collect::<Option<Map<_, _>>>()?)
        }
    })
}

/// The members of an object in their order, each value as it is written.
struct Members(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some((key, value)) = map.next_entry::<String, &RawValue>()? {
                    members.push((key, value.get().to_owned()));
                }
                Ok(Members(members))
            }
        }
        d.deserialize_map(InOrder)
    }
}

impl Members {
    /// `None` for what is no object.
    fn of(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The value of a key: of several, that which readers take.
    fn get_mut(&mut self, key: &str) -> Option<&mut String> {
        let found = self.0.iter_mut().rev().find(|(name, _)| name == key);
        found.map(|(_, value)| value)
    }
}

/// How a file is laid out.
struct Style<'a> {
    /// What one level is indented by; `None` if all stands on one line.
    indent: Option<&'a str>,
    /// What ends a line.
    end: &'static str,
    /// Whether a space stands behind `:` and `,`.
    spaced: bool,
}

impl<'a> Style<'a> {
    fn of(text: &'a str) -> Self {
        let indent = match text.lines().nth(1) {
            Some(second) => Some(&second[..second.len() - second.trim_start().len()]),
            None => (text == "{}").then_some("  "),
        };
        Self {
            indent,
            end: line_end(text),
            spaced: indent.is_some() || text.contains("\": "),
        }
    }

    /// An object with a value set, unchanged if it has that already; `None` if there is a value on
    /// the way that is no object.
    fn put(&self, object: &str, depth: usize, keys: &[&str], new: &Value) -> Option<String> {
        let mut members = Members::of(object)?;
        let (key, rest) = keys.split_first().expect("at least one name");
        let Some(now) = members.get_mut(key) else {
            // Objects that are not there yet come with the value.
            let nest = |inner, key: &&str| {
                Value::Object([((*key).to_owned(), inner)].into_iter().collect())
            };
            let text = self.value(&rest.iter().rev().fold(new.clone(), nest), depth + 1);
            members.0.push(((*key).to_owned(), text));
            return Some(self.object(&members, object, depth));
        };
        if rest.is_empty() {
            let is: Value = serde_json::from_str(now).ok()?;
            // An empty table asks for a table, whatever it holds.
            let any = *new == Value::Object(Map::new()) && is.is_object();
            if is == *new || any {
                return Some(object.to_owned());
            }
            *now = self.value(new, depth + 1);
        } else {
            let inner = self.put(now, depth + 1, rest, new)?;
            if inner == *now {
                return Some(object.to_owned());
            }
            *now = inner;
        }
        Some(self.object(&members, object, depth))
    }

    /// An object without a key; `None` if it has no such key.
    fn without(&self, object: &str, depth: usize, keys: &[String]) -> Option<String> {
        let mut members = Members::of(object)?;
        let (key, rest) = keys.split_first().expect("at least one name");
        let now = members.get_mut(key)?;
        if rest.is_empty() {
            members.0.retain(|(name, _)| name != key);
        } else {
            *now = self.without(now, depth + 1, rest)?;
        }
        Some(self.object(&members, object, depth))
    }

    /// An object at a depth, on one line if `was` stands on one and is not empty.
    fn object(&self, members: &Members, was: &str, depth: usize) -> String {
        if members.0.is_empty() {
            return "{}".to_owned();
        }
        let gap = if self.spaced { " " } else { "" };
        let text =
            |(key, value): &(String, String)| format!("{}:{gap}{value}", Value::from(key.as_str()));
        let all: Vec<String> = members.0.iter().map(text).collect();
        let one_line = !was.contains('\n') && !was.trim_matches(['{', '}', ' ']).is_empty();
        let Some(indent) = self.indent.filter(|_| !one_line) else {
            return format!("{{{}}}", all.join(&format!(",{gap}")));
        };
        let (end, outer) = (self.end, indent.repeat(depth));
        let inner = format!("{end}{outer}{indent}");
        format!("{{{inner}{}{end}{outer}}}", all.join(&format!(",{inner}")))
    }

    /// A new value at a depth.
    fn value(&self, value: &Value, depth: usize) -> String {
        let Some(indent) = self.indent else {
            return value.to_string();
        };
        let mut bytes = Vec::new();
        let formatter = PrettyFormatter::with_indent(indent.as_bytes());
        let mut to = Serializer::with_formatter(&mut bytes, formatter);
        value
            .serialize(&mut to)
            .expect("memory takes what is written to it");
        let text = String::from_utf8(bytes).expect("JSON is text");
        // A line feed within a string is written as `\n`.
        text.replace('\n', &format!("{}{}", self.end, indent.repeat(depth)))
    }
}

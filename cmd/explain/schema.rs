//! The language as the JSON schema has it, which is made from the doc comments of what reads a config.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{MapAccess, Visitor};

/// For editors; draft-07. A test keeps it as the source is.
pub(crate) const TEXT: &str = include_str!("../../provisioner/schema.json");

/// The whole language.
#[derive(Deserialize)]
pub(super) struct Schema {
    /// What may stand at the top of a file.
    pub(super) properties: Entries<Node>,
    definitions: Entries<Node>,
}

/// A part of the schema: the fields of a block, one field, or a type.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Node {
    title: Option<String>,
    description: String,
    default: Option<serde_json::Value>,
    deprecated: bool,
    properties: Entries<Node>,
    required: Vec<String>,
    #[serde(rename = "$ref")]
    reference: Option<String>,
    #[serde(rename = "allOf")]
    all: Vec<Node>,
    #[serde(rename = "anyOf")]
    any: Vec<Node>,
    #[serde(rename = "enum")]
    words: Vec<String>,
    items: Option<Box<Node>>,
    #[serde(rename = "additionalProperties", deserialize_with = "schema")]
    values: Option<Box<Node>>,
}

/// An object whose order counts.
pub(super) struct Entries<T>(pub(super) Vec<(String, T)>);

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct InOrder<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for InOrder<T> {
            type Value = Entries<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<T>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        d.deserialize_map(InOrder(PhantomData))
    }
}

/// A schema, or true or false in its place, which say nothing here.
fn schema<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Option<Box<Node>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OrBool {
        Schema(Box<Node>),
        Bool(#[expect(dead_code, reason = "it is the shape that counts")] bool),
    }
    Ok(match OrBool::deserialize(d)? {
        OrBool::Schema(node) => Some(node),
        OrBool::Bool(_) => None,
    })
}

/// One field, in words.
pub(super) struct Field<'a> {
    pub(super) name: &'a str,
    /// Such as "list of paths".
    pub(super) sort: String,
    /// What it is without being said, as it would be written.
    pub(super) default: Option<String>,
    pub(super) required: bool,
    pub(super) text: &'a str,
    /// The fields in it, if it is a table.
    pub(super) inner: Option<&'a Node>,
}

impl Schema {
    pub(super) fn read() -> Self {
        serde_json::from_str(TEXT).expect("a test has read the same text")
    }

    /// The fields of a `[[kind]]` or a table, by its word.
    pub(super) fn block(&self, word: &str) -> Option<&Node> {
        let (_, top) = self.properties.0.iter().find(|(name, _)| name == word)?;
        Some(self.inner(top).unwrap_or(top))
    }

    /// The fields that every block may have.
    pub(super) fn common(&self) -> Vec<Field<'_>> {
        let all = self.definitions.0.iter();
        let common = all.filter_map(|(name, node)| Some((name.strip_prefix("common.")?, node)));
        common
            .map(|(name, node)| self.field(name, node, false))
            .collect()
    }

    /// The fields of a block or table that are its own.
    pub(super) fn fields<'a>(&'a self, of: &'a Node) -> Vec<Field<'a>> {
        let own = of.properties.0.iter();
        let own = own.filter(|(_, node)| node.reference.is_none() && !node.deprecated);
        let required = |name: &str| {
            let rules = of.all.iter().flat_map(|rule| rule.any.iter().chain([rule]));
            let mut needed = rules.flat_map(|rule| &rule.required);
            needed.any(|needed| needed == name)
        };
        own.map(|(name, node)| self.field(name, node, required(name)))
            .collect()
    }

    fn field<'a>(&'a self, name: &'a str, node: &'a Node, required: bool) -> Field<'a> {
        Field {
            name,
            sort: self.sort(node),
            default: node.default.as_ref().map(ToString::to_string),
            required,
            text: &node.description,
            inner: self.inner(node),
        }
    }

    /// The type of a field in words.
    fn sort(&self, node: &Node) -> String {
        let node = self.resolved(node);
        if let Some(title) = &node.title {
            return title.clone();
        }
        let words = node.any.iter().flat_map(|one| &one.words);
        let words: Vec<String> = words.map(|word| format!("\"{word}\"")).collect();
        match words.split_last() {
            Some((last, [])) => last.clone(),
            Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
            None => String::new(),
        }
    }

    /// The table that a field holds, or a list of which it holds.
    fn inner<'a>(&'a self, node: &'a Node) -> Option<&'a Node> {
        let node = self.resolved(node);
        if !node.properties.0.is_empty() {
            return Some(node);
        }
        let either = node.any.iter().chain([node]);
        let mut items = either.filter_map(|one| one.items.as_deref().or(one.values.as_deref()));
        items.find_map(|one| self.inner(one))
    }

    /// What a node refers to.
    fn resolved<'a>(&'a self, node: &'a Node) -> &'a Node {
        if let [one] = node.all.as_slice()
            && node.properties.0.is_empty()
        {
            return self.resolved(one);
        }
        let path = node.reference.as_deref();
        let Some(name) = path.and_then(|path| path.strip_prefix("#/definitions/")) else {
            return node;
        };
        let found = self.definitions.0.iter().find(|(known, _)| known == name);
        found.map_or(node, |(_, node)| self.resolved(node))
    }
}

impl Node {
    /// What it keeps; paragraphs, perhaps an example between lines of three backticks.
    pub(super) fn text(&self) -> &str {
        &self.description
    }

    /// Whether it holds tables by their names.
    pub(super) fn is_named(&self) -> bool {
        self.values.is_some()
    }

    /// Whether it is a list of blocks, and not a table.
    pub(super) fn is_list(&self) -> bool {
        let of_blocks = |items: &Node| items.reference.is_some();
        self.items.as_deref().is_some_and(of_blocks)
    }
}

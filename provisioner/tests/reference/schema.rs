//! The JSON schema (draft-07) of a whole config, as one text.

use std::collections::BTreeMap;

use crate::grammar;
use crate::language::{Language, Old};
use crate::source::{Field, Sort, Table};
use crate::types;

/// Where a value may be a template instead.
const TEMPLATE: &str = r##"{"$ref":"#/definitions/template"}"##;

/// The schema. A definition or a field stands in one line, so that a diff shows what has changed.
pub(crate) fn schema(language: &Language) -> String {
    let mut definitions = BTreeMap::from([(
        "template".to_owned(),
        r#"{"title":"text with `{{ }}`","type":"string","pattern":"\\{[{%#]"}"#.to_owned(),
    )]);
    for table in language.kinds.iter().chain(&language.tables) {
        let old = language.old(&table.name);
        let is_kind = language.kinds.iter().any(|kind| kind.name == table.name);
        let common = language.common_names();
        let common = if is_kind { common.as_slice() } else { &[] };
        let text = object(table, common, &old, &mut definitions);
        define(table.name.clone(), &text, &mut definitions);
    }
    let mut common: Vec<(String, String)> = Vec::new();
    for [name, schema, words, text] in grammar::BLOCK {
        common.push(((*name).to_owned(), entry(schema, words, text)));
    }
    for field in &language.common.fields {
        common.push((field.name.clone(), property(field, &mut definitions)));
    }
    let mut top: Vec<(String, String)> = grammar::TOP
        .iter()
        .map(|[name, schema, words, text]| ((*name).to_owned(), entry(schema, words, text)))
        .collect();
    for table in &language.tables {
        let of = reference(&table.name);
        let text = match table.name.as_str() {
            "settings" => format!(r#"{{"allOf":[{of}]}}"#),
            _ => format!(r#"{{"type":"object","additionalProperties":{of}}}"#),
        };
        top.push((table.name.clone(), text));
    }
    for kind in &language.kinds {
        let of = reference(&kind.name);
        top.push(match kind.name.as_str() {
            "packages" => (
                "packages".to_owned(),
                list_of_packages(kind, &mut definitions),
            ),
            name => (
                name.to_owned(),
                format!(r#"{{"type":"array","items":{of}}}"#),
            ),
        });
    }
    definitions.remove("packages");
    let head = r#""$schema":"http://json-schema.org/draft-07/schema#","title":"A config of hpt","type":"object","additionalProperties":false"#;
    let common = common
        .into_iter()
        .map(|(name, text)| (format!("common.{name}"), text));
    let definitions: Vec<_> = common.chain(definitions).collect();
    format!(
        "{{{head},\n\"properties\":{},\n\"definitions\":{}}}\n",
        lines(&top),
        lines(&definitions)
    )
}

/// The fields of a block or a table.
fn object(
    table: &Table,
    common: &[String],
    old: &[Old],
    definitions: &mut BTreeMap<String, String>,
) -> String {
    let mut properties: Vec<(String, String)> = Vec::new();
    for field in &table.fields {
        properties.push((field.name.clone(), property(field, definitions)));
    }
    for name in common {
        let text = format!(r##"{{"$ref":"#/definitions/common.{name}"}}"##);
        properties.push((name.clone(), text));
    }
    for old in old {
        let now = &old.now;
        let text = if old.is_good {
            format!(
                r#"{{"description":{}}}"#,
                quoted(&format!("The same as {now}."))
            )
        } else {
            let text = quoted(&format!("Spelled {now} now."));
            format!(r#"{{"deprecated":true,"description":{text}}}"#)
        };
        properties.push((old.name.clone(), text));
    }
    let required = table.fields.iter().filter(|field| field.required);
    let required = required.map(|field| {
        let other = old.iter().find(|old| old.field == field.name);
        let needs = |name: &str| format!(r#"{{"required":[{}]}}"#, quoted(name));
        match other {
            Some(old) => format!(
                r#"{{"anyOf":[{},{}]}}"#,
                needs(&field.name),
                needs(&old.name)
            ),
            None => needs(&field.name),
        }
    });
    let required: Vec<String> = required.collect();
    let mut rules = String::new();
    if !required.is_empty() {
        rules += &format!(r#","allOf":[{}]"#, required.join(","));
    }
    if table.is_choice {
        rules += r#","minProperties":1,"maxProperties":1"#;
    }
    format!(
        r#"{{"description":{},"type":"object","additionalProperties":false{rules},"properties":{}}}"#,
        quoted(&described(table)),
        lines(&properties)
    )
}

/// What an editor shows of a block: its text, then its example.
fn described(table: &Table) -> String {
    match table.example.as_str() {
        "" => table.doc.clone(),
        example => format!("{}\n\n```toml\n{example}```", table.doc),
    }
}

fn property(field: &Field, definitions: &mut BTreeMap<String, String>) -> String {
    let default = match &field.default {
        Some(value) => format!(r#""default":{value},"#),
        None => String::new(),
    };
    let text = quoted(&field.doc);
    let sort = sort(&field.sort, definitions);
    format!(r#"{{"description":{text},{default}"allOf":[{sort}]}}"#)
}

/// A reference to the definition of a sort, which is made if it is not there.
fn sort(sort: &Sort, definitions: &mut BTreeMap<String, String>) -> String {
    let (name, text) = match sort {
        Sort::Named(rust) => {
            let named = types::find(rust).unwrap_or_else(|| panic!("types.rs lacks {rust}"));
            let title = quoted(named.words);
            let text = match named.name {
                "text" => format!(r#"{{"title":{title},{}}}"#, named.schema),
                _ => either(&title, named.schema),
            };
            (named.name.to_owned(), text)
        }
        Sort::Words(words) => {
            let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
            let words = words.join(",");
            return format!(r#"{{"anyOf":[{{"enum":[{words}]}},{TEMPLATE}]}}"#);
        }
        Sort::List(of) => {
            let item = self::sort(of, definitions);
            let title = quoted(&words(sort));
            let name = format!("list_{}", name_of(of));
            (
                name,
                either(&title, &format!(r#""type":"array","items":{item}"#)),
            )
        }
        Sort::Map(of) => {
            let item = self::sort(of, definitions);
            let title = quoted(&words(sort));
            let text = either(
                &title,
                &format!(r#""type":"object","additionalProperties":{item}"#),
            );
            (format!("table_{}", name_of(of)), text)
        }
        Sort::Table(table) => {
            let text = object(table, &[], &[], definitions);
            let text = text.replacen('{', r#"{"title":"table","#, 1);
            (name_of(sort), text)
        }
    };
    let of = reference(&name);
    define(name, &text, definitions);
    of
}

/// Two things of one name would take each other's place, and an editor would see one of them.
fn define(name: String, text: &str, definitions: &mut BTreeMap<String, String>) {
    let defined = definitions.entry(name).or_insert_with(|| text.to_owned());
    assert!(*defined == text, "one name for {defined} and {text}");
}

fn name_of(sort: &Sort) -> String {
    match sort {
        Sort::Named(rust) => types::find(rust)
            .map_or(rust.as_str(), |named| named.name)
            .to_owned(),
        Sort::Table(table) => format!("of_{}", table.name.to_lowercase()),
        Sort::List(of) | Sort::Map(of) => name_of(of),
        Sort::Words(words) => words.join("_"),
    }
}

/// The type in words.
pub(crate) fn words(sort: &Sort) -> String {
    match sort {
        Sort::Named(rust) => types::find(rust)
            .map_or(rust.as_str(), |named| named.words)
            .to_owned(),
        Sort::Words(words) => {
            let words: Vec<String> = words.iter().map(|word| format!("`\"{word}\"`")).collect();
            words.join(", ")
        }
        Sort::List(of) => match words(of).as_str() {
            "address" => "list of addresses".to_owned(),
            one => format!("list of {one}s"),
        },
        Sort::Map(of) => format!("table of {}s", words(of)),
        Sort::Table(_) => "table".to_owned(),
    }
}

fn list_of_packages(kind: &Table, definitions: &mut BTreeMap<String, String>) -> String {
    let text = quoted(&described(kind));
    let names = sort(&kind.fields[0].sort, definitions);
    format!(r#"{{"description":{text},"allOf":[{names}]}}"#)
}

/// A value of its own sort, or a template that comes to one.
fn either(title: &str, schema: &str) -> String {
    format!(r#"{{"title":{title},"anyOf":[{{{schema}}},{TEMPLATE}]}}"#)
}

fn entry(schema: &str, words: &str, text: &str) -> String {
    format!(
        r#"{{"title":{},"description":{},{schema}}}"#,
        quoted(words),
        quoted(text)
    )
}

fn reference(name: &str) -> String {
    format!(r##"{{"$ref":"#/definitions/{name}"}}"##)
}

fn lines(entries: &[(String, String)]) -> String {
    let entries = entries
        .iter()
        .map(|(name, text)| format!("\n{}:{text}", quoted(name)));
    format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text becomes JSON")
}

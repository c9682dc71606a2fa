//! The pages of docs/reference about the language: one for each kind, one for what is beside the blocks.

use crate::grammar;
use crate::language::{Language, Old};
use crate::schema::words;
use crate::source::{Field, Sort, Table};

/// The page of a kind.
pub(crate) fn kind(table: &Table, old: &[Old]) -> String {
    let title = match table.name.as_str() {
        "packages" => "packages".to_owned(),
        name => format!("[[{name}]]"),
    };
    let mut page = format!("# {title}\n\n{}\n\n", table.doc);
    page += &format!("```toml\n{}```\n", table.example);
    if table.name == "packages" {
        return page;
    }
    if !table.fields.is_empty() {
        page += &format!("\n{}", fields(table));
    }
    page += &inner(table);
    page += &spellings(old);
    page + "\nEvery block may have [the common fields](config.md#fields-of-every-block) too.\n"
}

/// The page of what a file may have besides blocks, and of what all blocks have in common.
pub(crate) fn config(language: &Language) -> String {
    let mut page = "# A config\n\n\
        A config is a TOML file. Its blocks are executed in the order in which they stand. In every \
        text, `{{ }}` is replaced by its value, and a value that is one lone `{{ x }}` keeps the type \
        of x.\n\n\
        ## Blocks\n\n| block | what it keeps |\n|---|---|\n"
        .to_owned();
    for kind in &language.kinds {
        let name = &kind.name;
        let title = match name.as_str() {
            "packages" => "packages".to_owned(),
            name => format!("[[{name}]]"),
        };
        let doc = kind.doc.split("\n\n").next().unwrap_or_default();
        page += &format!("| [`{title}`]({name}.md) | {} |\n", cell(doc));
    }
    page += "\n## Types\n\n| type | how it is written |\n|---|---|\n";
    for [words, text] in grammar::TYPES {
        page += &format!("| {words} | {text} |\n");
    }
    page += "\n## Fields of every block\n\n| field | type | default | what it says |\n|---|---|---|---|\n";
    for [name, _, words, text] in grammar::BLOCK {
        page += &format!("| `{name}` | {words} | | {} |\n", cell(text));
    }
    page += &rows(&language.common);
    page += "\n## Beside the blocks\n\n| entry | type | what it says |\n|---|---|---|\n";
    for [name, _, words, text] in grammar::TOP {
        page += &format!("| `{name}` | {words} | {} |\n", cell(text));
    }
    for table in &language.tables {
        let title = match table.name.as_str() {
            "settings" => "[settings]".to_owned(),
            name => format!("[{name}.NAME]"),
        };
        page += &format!("\n### {title}\n\n{}\n\n{}", table.doc, fields(table));
        page += &inner(table).replace("\n## In", "\n#### In");
        page += &spellings(&language.old(&table.name));
    }
    page
}

fn fields(table: &Table) -> String {
    let head = "| field | type | default | what it says |\n|---|---|---|---|\n";
    format!("{head}{}", rows(table))
}

fn rows(table: &Table) -> String {
    table.fields.iter().map(row).collect()
}

fn row(field: &Field) -> String {
    let default = match &field.default {
        _ if field.required => "required".to_owned(),
        Some(value) => format!("`{value}`"),
        None => String::new(),
    };
    let sort = cell(&words(&field.sort));
    format!(
        "| `{}` | {sort} | {default} | {} |\n",
        field.name,
        cell(&field.doc)
    )
}

/// The fields of the tables that fields hold, each table once.
fn inner(table: &Table) -> String {
    let mut shown: Vec<&str> = Vec::new();
    let mut page = String::new();
    for field in &table.fields {
        let Some(inner) = held(&field.sort).filter(|inner| !shown.contains(&inner.name.as_str()))
        else {
            continue;
        };
        shown.push(&inner.name);
        let same = table.fields.iter();
        let same = same.filter(|other| held(&other.sort).is_some_and(|of| of.name == inner.name));
        let names: Vec<String> = same.map(|field| format!("`{}`", field.name)).collect();
        page += &format!(
            "\n## In {}\n\n{}\n\n{}",
            names.join(" and "),
            inner.doc,
            fields(inner)
        );
    }
    page
}

pub(crate) fn held(sort: &Sort) -> Option<&Table> {
    match sort {
        Sort::Table(table) => Some(table),
        Sort::List(of) | Sort::Map(of) => held(of),
        Sort::Named(_) | Sort::Words(_) => None,
    }
}

fn spellings(old: &[Old]) -> String {
    // What has no field here belongs to a block, which the table's own text tells.
    let old = old
        .iter()
        .filter(|old| !old.is_good || !old.field.is_empty());
    let all = old.map(|old| {
        let how = if old.is_good {
            "is the same as"
        } else {
            "is spelled"
        };
        let now = if old.is_good { "" } else { " now" };
        format!("`{}` {how} {}{now}", old.name, old.now)
    });
    let all: Vec<String> = all.collect();
    if all.is_empty() {
        return String::new();
    }
    format!("\n{}.\n", all.join("; "))
}

/// A text in a cell of a table.
fn cell(text: &str) -> String {
    text.replace("\n\n", " ").replace('|', "\\|")
}

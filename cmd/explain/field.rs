//! `hpt explain WORD`: a kind of block, a table, or one field of it.

use serde::Serialize;

use super::schema::{Field, Node, Schema};
use crate::context::Context;
use crate::error::{CommandError, Exit, nearest};
use crate::print::style::{BOLD, DIM};
use crate::terminal::visible;

/// The width of lines of text.
const WIDTH: usize = 80;

/// For programs: what a word means.
#[derive(Serialize)]
struct Explained<'a> {
    event: &'static str,
    word: &'a str,
    text: &'a str,
    fields: Vec<Shown<'a>>,
}

/// One field as programs see it.
#[derive(Serialize)]
struct Shown<'a> {
    name: &'a str,
    #[serde(rename = "type")]
    sort: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<&'a str>,
    required: bool,
    text: &'a str,
}

impl<'a> Explained<'a> {
    fn new(word: &'a str, text: &'a str, fields: &'a [Field<'a>]) -> Self {
        let shown = |field: &'a Field<'a>| Shown {
            name: field.name,
            sort: &field.sort,
            default: field.default.as_deref(),
            required: field.required,
            text: field.text,
        };
        Self {
            event: "explained",
            word,
            text,
            fields: fields.iter().map(shown).collect(),
        }
    }
}

/// What a word stands for.
enum Found<'a> {
    /// A block or a table.
    Whole(&'a Node),
    /// A field of one.
    Field(Field<'a>),
}

/// Explains a word such as `service` or `service.enabled`; without one, names all that there are.
pub(super) fn explain(word: Option<&str>, context: &mut Context) -> Result<Exit, CommandError> {
    let schema = Schema::read();
    let Some(word) = word else {
        all(&schema, context);
        return Ok(Exit::Done);
    };
    let word = &word.replace(['[', ']'], "");
    let (first, rest) = word
        .split_once('.')
        .map_or((word.as_str(), None), |(first, rest)| (first, Some(rest)));
    let (title, found) = match (schema.block(first), rest) {
        (Some(block), None) => (title(&schema, first), Found::Whole(block)),
        (Some(_), Some(rest)) => within(&schema, first, rest)?,
        (None, _) => {
            let mut common = schema.common();
            let Some(at) = common.iter().position(|field| field.name == first) else {
                return Err(unknown_word(&schema, first));
            };
            (
                "every block".to_owned(),
                Found::Field(common.swap_remove(at)),
            )
        }
    };
    match found {
        Found::Whole(block) => whole(&schema, word, &title, block, context),
        Found::Field(field) => one(&schema, word, &title, &field, context),
    }
    Ok(Exit::Done)
}

/// A field by its name in a block, with dots where fields have fields.
fn within<'a>(
    schema: &'a Schema,
    first: &str,
    rest: &str,
) -> Result<(String, Found<'a>), CommandError> {
    let title = title(schema, first);
    let mut fields = schema
        .block(first)
        .map_or_else(Vec::new, |block| schema.fields(block));
    if title.starts_with("[[") {
        fields.extend(schema.common());
    }
    let mut names = rest.split('.');
    let mut name = names.next().unwrap_or_default();
    loop {
        let Some(at) = fields.iter().position(|field| field.name == name) else {
            let what = format!("{title} has no field `{}`", visible(name));
            let error = CommandError::usage(what);
            return Err(match nearest(name, fields.iter().map(|field| field.name)) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error.hint(format!("`hpt explain {first}` lists its fields")),
            });
        };
        let field = fields.swap_remove(at);
        match (names.next(), field.inner) {
            (Some(next), Some(inner)) => (name, fields) = (next, schema.fields(inner)),
            (Some(next), None) => (name, fields) = (next, Vec::new()),
            (None, _) => return Ok((title, Found::Field(field))),
        }
    }
}

fn unknown_word(schema: &Schema, word: &str) -> CommandError {
    let what = format!(
        "there is no block, table or field named `{}`",
        visible(word)
    );
    let error = CommandError::usage(what);
    let common = schema.common();
    let words = schema.properties.0.iter().map(|(name, _)| name.as_str());
    match nearest(word, words.chain(common.iter().map(|field| field.name))) {
        Some(near) => error.hint(format!("did you mean `hpt explain {near}`?")),
        None => error.hint("`hpt explain` lists them all"),
    }
}

/// How a block or table is written.
fn title(schema: &Schema, word: &str) -> String {
    let top = schema.properties.0.iter().find(|(name, _)| name == word);
    match top {
        Some((_, node)) if node.is_list() => format!("[[{word}]]"),
        Some((_, node)) if node.is_named() => format!("[{word}.NAME]"),
        Some(_) if ["settings", "vars"].contains(&word) => format!("[{word}]"),
        _ => word.to_owned(),
    }
}

/// Each block and table in a line.
fn all(schema: &Schema, context: &mut Context) {
    let words: Vec<(String, &str)> = schema
        .properties
        .0
        .iter()
        .filter_map(|(name, _)| Some((title(schema, name), schema.block(name)?.text())))
        .collect();
    let width = words
        .iter()
        .map(|(title, _)| title.len())
        .max()
        .unwrap_or_default();
    let lines = words.iter().map(|(title, text)| {
        let text = wrapped(first_sentence(text), width + 2);
        format!("{BOLD}{title:width$}{BOLD:#}  {text}")
    });
    let lines: Vec<String> = lines.collect();
    let next = "`hpt explain WORD` lists the fields of one; `hpt explain WORD.FIELD` has the text of a field.";
    context
        .terminal
        .say(format_args!("{}\n\n{}", lines.join("\n"), wrapped(next, 0)));
    let common = schema.common();
    context.terminal.json(&Explained::new("", "", &common));
}

/// A block or table: what it keeps, then each field with its type and first sentence.
fn whole(schema: &Schema, word: &str, title: &str, block: &Node, context: &mut Context) {
    let own = schema.fields(block);
    context
        .terminal
        .json(&Explained::new(word, block.text(), &own));
    context.terminal.say(format_args!(
        "{BOLD}{title}{BOLD:#}\n\n{}",
        paragraphs(block.text())
    ));
    if !own.is_empty() {
        let next = format!("`hpt explain {word}.FIELD` has the whole text of a field.");
        context
            .terminal
            .say(format_args!("\n{}\n\n{next}", listed(&own)));
    }
    if title.starts_with("[[") {
        let names = schema.common();
        let names: Vec<&str> = names.iter().map(|field| field.name).collect();
        let words = format!("Every block may have {} too.", names.join(", "));
        context.terminal.say(wrapped(&words, 0));
    }
}

/// A field: its type, its default, and its whole text.
fn one(schema: &Schema, word: &str, title: &str, field: &Field<'_>, context: &mut Context) {
    let inner = field
        .inner
        .map_or_else(Vec::new, |inner| schema.fields(inner));
    context.terminal.json(&Explained::new(
        word,
        field.text,
        std::slice::from_ref(field),
    ));
    let name = field.name;
    let text = paragraphs(field.text);
    context.terminal.say(format_args!(
        "{BOLD}{name}{BOLD:#} of {title}: {}\n\n{text}",
        sort(field)
    ));
    if !inner.is_empty() {
        context.terminal.say(format_args!("\n{}", listed(&inner)));
    }
}

/// The type of a field, and what it is without being said.
fn sort(field: &Field<'_>) -> String {
    match &field.default {
        _ if field.required => format!("{}, required", field.sort),
        Some(default) => format!("{}, {default} by default", field.sort),
        None => field.sort.clone(),
    }
}

/// Fields, each with its type and its first sentence.
fn listed(fields: &[Field<'_>]) -> String {
    let widths = fields.iter().map(|field| field.name.len());
    let width = widths.max().unwrap_or_default();
    let lines = fields.iter().map(|field| {
        let indent = width + 4;
        let text = wrapped(first_sentence(field.text), indent);
        let sort = wrapped(&sort(field), indent);
        format!(
            "  {BOLD}{:width$}{BOLD:#}  {DIM}{sort}{DIM:#}\n{:indent$}{text}",
            field.name, ""
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A text without what comes after its first sentence.
fn first_sentence(text: &str) -> &str {
    let begins = |rest: &str| rest.starts_with(|c: char| c.is_uppercase() || c == '`' || c == '"');
    let mut ends = text.match_indices(". ").chain(text.match_indices(".\n"));
    let end = ends.find(|(at, _)| begins(text[at + 2..].trim_start()));
    end.map_or(text, |(at, _)| &text[..=at])
}

/// Paragraphs in lines; an example as it is, set in by four.
fn paragraphs(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        match line {
            fence if fence.starts_with("```") => inside = !inside,
            code if inside => lines.push(format!("    {code}").trim_end().to_owned()),
            words => lines.push(wrapped(words, 0)),
        }
    }
    lines.join("\n")
}

/// A text in lines of at most [`WIDTH`] characters, of which the first begins at `indent`.
fn wrapped(text: &str, indent: usize) -> String {
    let mut shown = String::new();
    let mut column = indent;
    for word in text.split(' ') {
        let length = word.chars().count();
        if column > indent && column + 1 + length > WIDTH {
            shown += &format!("\n{:indent$}", "");
            column = indent;
        } else if column > indent {
            shown.push(' ');
            column += 1;
        }
        shown += word;
        column += length;
    }
    shown
}

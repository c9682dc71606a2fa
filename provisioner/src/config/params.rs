//! The params of a role: what its file declares, and what an include gives it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::config::include::{Include, Sort};
use crate::config::nearest;
use crate::config::renderer::Renderer;
use crate::config::scope::is_template;
use crate::config::values;
use crate::fault::{Fault, Place};

/// How params are declared.
const FORM: &str = "[params]\nport = { default = 8080, desc = \"where it listens\" }\ndomain = {}";

/// The params that a role's file declares, by name.
pub(super) type Declared<'a> = BTreeMap<String, Param<'a>>;

/// One of them.
pub(super) struct Param<'a> {
    /// What it is if an include does not say, and what type it has; without it, each has to say.
    default: Option<Spanned<DeValue<'a>>>,
    /// Its declaration.
    place: Place,
}

/// Reads the table `[params]` of a role's file.
pub(super) fn declared<'a>(
    value: Spanned<DeValue<'a>>,
    file: usize,
    faults: &mut Vec<Fault>,
) -> Declared<'a> {
    let place = |span| Place { file, span };
    let whole = place(value.span());
    let DeValue::Table(table) = value.into_inner() else {
        faults.push(Fault::error("`params` is a table: write [params]", whole).hint(FORM));
        return Declared::new();
    };
    let mut declared = Declared::new();
    for (key, value) in table {
        let at = place(key.span());
        let name = key.into_inner().into_owned();
        if !is_name(&name) || name == "role" {
            let what = "a param's name is letters, digits and `_`, does not begin with a digit, and is not `role`";
            faults.push(Fault::error(what, at));
            continue;
        }
        let span = value.span();
        match value.into_inner() {
            DeValue::Table(fields) => {
                let default = declaration(&name, fields, file, faults);
                declared.insert(name, Param { default, place: at });
            }
            other => {
                let value = plain(Spanned::new(span.clone(), other));
                let shown = value.map_or_else(|| "...".to_owned(), |value| value.to_string());
                let what = format!("the param `{name}` is declared by a table");
                let fault = Fault::error(what, place(span));
                faults.push(fault.hint(format!("{name} = {{ default = {shown} }}")));
            }
        }
    }
    declared
}

/// Reads `{ default = 8080, desc = "where it listens" }`; the default.
fn declaration<'a>(
    name: &str,
    fields: DeTable<'a>,
    file: usize,
    faults: &mut Vec<Fault>,
) -> Option<Spanned<DeValue<'a>>> {
    let mut default = None;
    for (key, value) in fields {
        let place = |span| Place { file, span };
        match key.get_ref().as_ref() {
            "default" => default = Some(value),
            "desc" if value.get_ref().is_str() => {}
            "desc" => faults.push(Fault::error("`desc` is a text", place(value.span()))),
            field => {
                let what = format!("unknown field `{field}` in the param `{name}`");
                let fault = Fault::error(what, place(key.span()));
                faults.push(match nearest(field, ["default", "desc"].into_iter()) {
                    Some(near) => fault.label(format!("did you mean `{near}`?")),
                    None => fault.hint(FORM),
                });
            }
        }
    }
    default
}

/// Whether a template can say `params.NAME`.
fn is_name(name: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty() && name.chars().all(good) && !name.starts_with(|c: char| c.is_ascii_digit())
}

/// An include, where it stands.
pub(super) struct Call<'a> {
    pub(super) include: &'a Include<'a>,
    /// The names that the including file's own texts may use.
    pub(super) own: &'a toml::Table,
}

impl Call<'_> {
    /// The names that the texts of what is included may use: the params of a role, by their values.
    /// `None` if there is a fault. On the workstation a value that depends on facts stays the template
    /// that it is.
    pub(super) fn values(
        &self,
        declared: &Declared<'_>,
        renderer: &Renderer<'_>,
        faults: &mut Vec<Fault>,
    ) -> Option<toml::Table> {
        if self.include.sort != Sort::Role {
            return Some(toml::Table::new());
        }
        let Include {
            spelled: role,
            place,
            params: given,
            ..
        } = self.include;
        let file = place.file;
        let before = faults.len();
        for (key, _) in given {
            let name = key.get_ref().as_ref();
            if declared.contains_key(name) {
                continue;
            }
            let at = Place {
                file,
                span: key.span(),
            };
            let fault = Fault::error(format!("the role {role} has no param `{name}`"), at);
            let names = || declared.keys().map(String::as_str);
            faults.push(match nearest(name, names()) {
                Some(near) => fault.label(format!("did you mean `{near}`?")),
                None if declared.is_empty() => {
                    fault.hint("it has none; its role.toml declares them in [params]")
                }
                None => fault.hint(format!(
                    "its params are {}",
                    names().collect::<Vec<_>>().join(", ")
                )),
            });
        }
        let mut missing = Vec::new();
        let mut left = DeTable::new();
        for (name, param) in declared {
            match (given.get(name.as_str()), &param.default) {
                (Some(_), _) => {}
                (None, Some(default)) => {
                    let key = Spanned::new(param.place.span.clone(), name.clone().into());
                    left.insert(key, default.clone());
                }
                (None, None) => missing.push((name, param)),
            }
        }
        let is_misspelt = faults.len() > before;
        if let Some((_, first)) = missing.first()
            && !is_misspelt
        {
            let names: Vec<_> = missing
                .iter()
                .map(|(name, _)| format!("`{name}`"))
                .collect();
            let what = format!("the role {role} needs {}", names.join(" and "));
            let fault = Fault::error(what, place.clone());
            let fault = fault.other(first.place.clone(), "declared without a default");
            let example = missing.iter().map(|(name, _)| format!(", {name} = ..."));
            let example: String = example.collect();
            faults.push(fault.hint(format!("{{ role = \"{role}\"{example} }}")));
        }
        let values = rendered(given, self.own, file, renderer, faults);
        for (name, value) in &values {
            let param = declared.get(name);
            let default = param.and_then(|param| plain(param.default.clone()?));
            let (Some(param), Some(default)) = (param, default) else {
                continue;
            };
            if !value.same_type(&default) && !is_unknown(value) && !is_unknown(&default) {
                let span = given
                    .get(name.as_str())
                    .map_or(place.span.clone(), Spanned::span);
                let what = format!("`{name}` of the role {role} is {}", sort(&default));
                let fault = Fault::error(what, Place { file, span });
                let fault = fault.hint(format!("write it so, such as {name} = {default}"));
                faults.push(fault.other(param.place.clone(), "as its default is"));
            }
        }
        let none = toml::Table::new();
        let of_role = declared
            .values()
            .next()
            .map_or(file, |param| param.place.file);
        let mut table = rendered(&left, &none, of_role, renderer, faults);
        table.extend(values);
        let own = toml::Table::from_iter([("params".to_owned(), toml::Value::Table(table))]);
        (faults.len() == before).then_some(own)
    }
}

/// Values with their texts rendered as those of a file.
fn rendered(
    table: &DeTable<'_>,
    own: &toml::Table,
    file: usize,
    renderer: &Renderer<'_>,
    faults: &mut Vec<Fault>,
) -> toml::Table {
    let (literals, findings) = values::render("params", table, renderer, own, file, faults);
    if findings.secret {
        let span = table.values().next().map_or(0..0, Spanned::span);
        let fault = Fault::error(
            "a secret may not go into a param, which is shown",
            Place { file, span },
        );
        faults.push(
            fault.hint("give the secret's name, and write {{ secret[params.NAME] }} in the role"),
        );
    }
    let values = values::put(table.clone(), &literals).into_iter();
    let read = |(key, value): (Spanned<Cow<'_, str>>, _)| {
        Some((key.into_inner().into_owned(), plain(value)?))
    };
    values.filter_map(read).collect()
}

fn plain(value: Spanned<DeValue<'_>>) -> Option<toml::Value> {
    toml::Value::deserialize(ValueDeserializer::from(value)).ok()
}

/// Whether a value, or one in it, depends on what is not known here.
pub(super) fn is_unknown(value: &toml::Value) -> bool {
    match value {
        toml::Value::String(text) => is_template(text),
        toml::Value::Array(array) => array.iter().any(is_unknown),
        toml::Value::Table(table) => table.values().any(is_unknown),
        _ => false,
    }
}

fn sort(value: &toml::Value) -> &'static str {
    match value {
        toml::Value::String(_) => "a text",
        toml::Value::Integer(_) => "a whole number",
        toml::Value::Float(_) => "a number with a point",
        toml::Value::Boolean(_) => "true or false",
        toml::Value::Datetime(_) => "a time",
        toml::Value::Array(_) => "a list",
        toml::Value::Table(_) => "a table",
    }
}

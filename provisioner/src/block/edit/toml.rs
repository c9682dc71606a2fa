//! TOML, with its comments and its order.

use toml_edit::{DocumentMut, Item, Table, TableLike};

use super::{KeyPath, Leaf};
use crate::block::text_file::line_end;

pub(super) fn edited(old: &str, set: &[Leaf<'_>], unset: &[KeyPath]) -> Result<String, String> {
    let mut document: DocumentMut = old
        .parse()
        .map_err(|e: toml_edit::TomlError| format!("it is not TOML: {}", e.message()))?;
    let mut changed = false;
    for leaf in set {
        changed |= put(document.as_table_mut(), leaf)?;
    }
    for path in unset {
        let (last, tables) = path.0.split_last().expect("at least one name");
        let mut at: Option<&mut dyn TableLike> = Some(document.as_table_mut());
        for key in tables {
            at = at.and_then(|table| table.get_mut(key)?.as_table_like_mut());
        }
        changed |= at.is_some_and(|table| table.remove(last).is_some());
    }
    if !changed {
        return Ok(old.to_owned());
    }
    let new = document.to_string().replace("\r\n", "\n");
    Ok(new.replace('\n', line_end(old)))
}

/// Sets one value; whether that changes anything.
fn put(root: &mut Table, leaf: &Leaf<'_>) -> Result<bool, String> {
    let (last, tables) = leaf.keys.split_last().expect("at least one name");
    let mut at: &mut dyn TableLike = root;
    let words = leaf.words();
    for key in tables {
        let inner = at.entry(key).or_insert_with(|| {
            let mut table = Table::new();
            table.set_implicit(true); // no header of its own unless it gets a value
            Item::Table(table)
        });
        at = inner
            .as_table_like_mut()
            .ok_or_else(|| format!("`{key}` on the way to `{words}` is no table"))?;
    }
    if let toml::Value::Table(_) = leaf.value {
        return match at.get(last) {
            Some(item) if item.is_table_like() => Ok(false),
            Some(_) => Err(format!("`{words}` is no table")),
            None => Ok(at.insert(last, Item::Table(Table::new())).is_none()),
        };
    }
    let text = leaf.value.to_string();
    let mut new: toml_edit::Value = text.parse().expect("TOML that was just written");
    match at.get_mut(last) {
        Some(item) => {
            let Some(now) = item.as_value_mut() else {
                return Err(format!("`{words}` is a table, and no value"));
            };
            if plain(now).as_ref() == Some(leaf.value) {
                return Ok(false);
            }
            *new.decor_mut() = now.decor().clone(); // a comment behind it stays
            *now = new;
        }
        None => drop(at.insert(last, Item::Value(new))),
    }
    Ok(true)
}

/// A value without comments and spelling.
fn plain(value: &toml_edit::Value) -> Option<toml::Value> {
    let text = format!("x = {}\n", value.to_string().trim());
    text.parse::<toml::Table>().ok()?.remove("x")
}

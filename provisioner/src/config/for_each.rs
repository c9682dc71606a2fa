//! `for_each`: the items of a block that stands for several.

use std::borrow::Cow;

use serde::Deserialize as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::config::frame::Frame;
use crate::config::reader::Reader;
use crate::config::renderer::Renderer;
use crate::config::values;
use crate::fault::{Fault, Place};

impl Reader {
    /// What `each` is for every block that this one stands for; `None` if that cannot be said here.
    pub(super) fn items(
        &mut self,
        for_each: Option<(Spanned<Cow<'_, str>>, Spanned<DeValue<'_>>)>,
        frame: &Frame,
        renderer: &Renderer<'_>,
        file: usize,
    ) -> Option<Vec<toml::Table>> {
        let Some((key, value)) = for_each else {
            return Some(vec![frame.own.clone()]);
        };
        let place = Place {
            file,
            span: value.span(),
        };
        let mut table = DeTable::new();
        table.insert(key, value);
        let before = self.faults.len();
        let (literals, findings) =
            values::render("", &table, renderer, &frame.own, file, &mut self.faults);
        if !findings.awaits.is_empty() {
            let what = "`for_each` is needed before the run, and may not use `result`";
            let hint = "an [[exec]] with a `script` can loop over it";
            self.faults.push(Fault::error(what, place).hint(hint));
            return None;
        }
        if self.faults.len() > before || findings.deferred {
            return None;
        }
        let mut table = values::put(table, &literals);
        let value = table.remove("for_each")?;
        let value = toml::Value::deserialize(ValueDeserializer::from(value)).ok();
        let pairs: Vec<(toml::Value, toml::Value)> = match value {
            Some(toml::Value::Array(list)) => {
                (0_i64..).map(toml::Value::Integer).zip(list).collect()
            }
            Some(toml::Value::Table(table)) => table
                .into_iter()
                .map(|(key, value)| (toml::Value::String(key), value))
                .collect(),
            _ => {
                let fault = Fault::error("`for_each` is a list or a table", place);
                self.faults.push(
                    fault.hint("for_each = [\"a\", \"b\"] or for_each = \"{{ vars.list }}\""),
                );
                return None;
            }
        };
        let own = |(key, value)| {
            let each =
                toml::Table::from_iter([("key".to_owned(), key), ("value".to_owned(), value)]);
            let mut own = frame.own.clone();
            own.insert("each".to_owned(), toml::Value::Table(each));
            own
        };
        Some(pairs.into_iter().map(own).collect())
    }
}

//! One `[[block]]` as it is written, made into the blocks that it stands for: none of it read where
//! its `when` is false, one for each item of its `for_each`.

use std::time::Duration;

use serde::Deserialize as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::block::{Block, Body, Failure, Part};
use crate::config::common::{self, Common};
use crate::config::document::RawBlock;
use crate::config::reader::Reader;
use crate::config::renderer::Renderer;
use crate::config::scope::Rendered;
use crate::config::values::Findings;
use crate::config::{fields, limits, spans, spelling, values};
use crate::fault::{Fault, Place};

/// The time before a retry, if the config does not say.
const DELAY: Duration = Duration::from_secs(1);

impl Reader {
    /// Reads a block, as often as its `for_each` says.
    pub(super) fn block(&mut self, raw: RawBlock<'_>, renderer: &Renderer<'_>) {
        let RawBlock {
            kind,
            place,
            mut fields,
        } = raw;
        let file = place.file;
        let when = fields.remove_entry("when");
        let for_each = fields.remove_entry("for_each");
        if let Some((key, _)) = fields.remove_entry("confirm") {
            let span = key.span();
            let what = "`confirm` comes with a later version of hpt";
            self.faults.push(Fault::error(what, Place { file, span }));
        }
        spelling::modernise(kind, &mut fields, file, &mut self.faults);
        let Some(items) = self.items(for_each, renderer, file) else {
            return;
        };
        for own in items {
            if self.blocks.len() >= limits::BLOCKS {
                let what = format!("a run has at most {} blocks", limits::BLOCKS);
                self.faults.push(Fault::error(what, place.clone()));
                return;
            }
            let left_out = match &when {
                Some((_, value)) => self.left_out(value, renderer, &own, file),
                None => None,
            };
            let one = One {
                kind,
                place: place.clone(),
                own,
                left_out,
            };
            self.one(one, fields.clone(), renderer);
        }
    }

    /// What `each` is for every block that this one stands for; `None` if that cannot be said here.
    fn items(
        &mut self,
        for_each: Option<(Spanned<std::borrow::Cow<'_, str>>, Spanned<DeValue<'_>>)>,
        renderer: &Renderer<'_>,
        file: usize,
    ) -> Option<Vec<toml::Table>> {
        let Some((key, value)) = for_each else {
            return Some(vec![toml::Table::new()]);
        };
        let place = Place {
            file,
            span: value.span(),
        };
        let mut table = DeTable::new();
        table.insert(key, value);
        let before = self.faults.len();
        let none = toml::Table::new();
        let (literals, findings) =
            values::render("", &table, renderer, &none, file, &mut self.faults);
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
            toml::Table::from_iter([("each".to_owned(), toml::Value::Table(each))])
        };
        Some(pairs.into_iter().map(own).collect())
    }

    /// Why a block is not for this host; `None` if it is, or if that is not known here.
    fn left_out(
        &mut self,
        when: &Spanned<DeValue<'_>>,
        renderer: &Renderer<'_>,
        own: &toml::Table,
        file: usize,
    ) -> Option<String> {
        let place = Place {
            file,
            span: when.span(),
        };
        let expression = match when.get_ref() {
            DeValue::Boolean(true) => return None,
            DeValue::Boolean(false) => return Some("`when` is false".to_owned()),
            DeValue::String(text) => text,
            _ => {
                let fault = Fault::error("`when` is an expression, in quotes", place);
                self.faults
                    .push(fault.hint("when = \"facts.os == 'debian'\""));
                return None;
            }
        };
        let bare = expression.trim();
        let bare = bare
            .strip_prefix("{{")
            .and_then(|inner| inner.strip_suffix("}}"))
            .unwrap_or(bare);
        let what = match renderer.render(&format!("{{{{ {bare} }}}}"), own) {
            Ok(Rendered::Deferred { secret: false }) => return None,
            Ok(Rendered::Value { secret: true, .. } | Rendered::Deferred { secret: true }) => {
                "a secret may not decide a `when`, which is shown".to_owned()
            }
            Ok(Rendered::Value { value, .. }) => match value.as_bool() {
                Some(true) => return None,
                Some(false) => return Some(format!("not so: {}", bare.trim())),
                None => format!("`when` must come to true or false, and this is {value}"),
            },
            Err(error) => error.what,
        };
        self.faults.push(Fault::error(what, place));
        None
    }

    /// Reads one block with the values of its item.
    fn one(&mut self, one: One, fields: DeTable<'_>, renderer: &Renderer<'_>) {
        let file = one.place.file;
        let mut wrong = Vec::new();
        let (literals, findings) =
            values::render(one.kind, &fields, renderer, &one.own, file, &mut wrong);
        let is_known = wrong.is_empty();
        if one.left_out.is_none() {
            // On a host that it is not for, a block may name what is not there.
            self.faults.append(&mut wrong);
        }
        if !is_known && one.left_out.is_none() {
            return;
        }
        let mut fields = values::put(fields, &literals);
        let common = common::take(one.kind, &mut fields, &one.place, &mut self.faults);
        let body = if is_known {
            let Some(body) = self.body(&one, &common, fields, &findings) else {
                return;
            };
            Some(body)
        } else {
            None
        };
        self.add(one, common, body, &findings);
    }

    /// Reads the fields of the block's kind.
    fn body(
        &mut self,
        one: &One,
        common: &Common,
        fields: DeTable<'_>,
        findings: &Findings,
    ) -> Option<Body> {
        let place = &one.place;
        let spans = spans(&fields, place.file);
        let sensitive = common.sensitive || findings.secret;
        let mut body = fields::read(
            one.kind,
            place,
            fields,
            findings,
            sensitive,
            &mut self.faults,
        )?;
        if sensitive {
            match &mut body {
                Body::File(file) => file.keep_private(),
                Body::Line(line) => line.keep_private(),
                Body::Edit(edit) => edit.keep_private(),
                _ => {}
            }
        }
        if findings.secret && matches!(body, Body::Unit(_) | Body::Dropin(_)) {
            let what = "a secret may not go into a unit, which all users of the host can read";
            let hint = "put it into a [[file]] of its own, and name that with `EnvironmentFile` or `LoadCredential`";
            let fault = Fault::error(what, place.clone());
            self.faults.push(fault.hint(hint));
        }
        if let Body::Exec(exec) = &body
            && exec.is_unguarded()
        {
            let what = "this runs every time, and so is never in place";
            let hint =
                "guard it with `creates`, `removes`, `unless` or `only_if`, or say `always = true`";
            self.faults
                .push(Fault::warning(what, place.clone()).hint(hint));
        }
        // What is not known here still reads as its template; the target judges the whole block.
        if !findings.deferred {
            body.check(&mut |key, what| {
                let at = spans.get(key).unwrap_or(place).clone();
                self.faults.push(Fault::error(what, at));
            });
        }
        Some(body)
    }

    /// Adds a block that was read, once its names are judged.
    fn add(&mut self, one: One, common: Common, body: Option<Body>, findings: &Findings) {
        let file = one.place.file;
        let at = |span| Place { file, span };
        let (id, id_place) = if let Some(id) = common.id {
            (id.get_ref().clone(), at(id.span()))
        } else {
            let id = self.default_id(&one, body.as_ref(), findings.secret);
            (id, one.place.clone())
        };
        if let Some(first) = self.ids.get(&id) {
            let fault = Fault::error(format!("two blocks have the id `{id}`"), id_place)
                .other(first.clone(), "the first")
                .hint(if one.own.is_empty() {
                    "give one of them an `id` of its own"
                } else {
                    "name each with its item, such as id = \"{{ each.key }}\""
                });
            self.faults.push(fault);
            return;
        }
        for earlier in common.after {
            if !self.ids.contains_key(earlier.get_ref()) {
                let what = format!("no block `{}` stands before this one", earlier.get_ref());
                let hint = "blocks run in the order in which they stand; `after` only asserts it";
                let fault = Fault::error(what, at(earlier.span()));
                self.faults.push(fault.hint(hint));
            }
        }
        self.ids.insert(id.clone(), id_place);
        let part = match (one.left_out, body) {
            (None, Some(body)) => match self.untagged(one.kind, file, &common.tags) {
                Some(why) => Part::Out(why),
                None => Part::In(Box::new(body)),
            },
            (why, _) => Part::Out(why.unwrap_or_default()),
        };
        let notices = common.notify.into_iter();
        self.notices.push(
            notices
                .map(|name| (name.get_ref().clone(), at(name.span())))
                .collect(),
        );
        self.blocks.push(Block {
            id,
            kind: one.kind,
            place: one.place,
            desc: common.desc,
            sensitive: common.sensitive || findings.secret,
            notify: Vec::new(),
            failure: Failure {
                retries: common.retries,
                delay: common.delay.unwrap_or(DELAY),
                on_error: common.on_error,
            },
            own: one.own,
            part,
        });
    }

    /// Why the tags that were chosen leave a block out. Handlers are chosen by who notifies them.
    fn untagged(&self, kind: &str, file: usize, tags: &[String]) -> Option<String> {
        let chosen = &self.chosen;
        let of_file = self.tags.get(&file).into_iter().flatten();
        let is_chosen = tags.iter().chain(of_file).any(|tag| chosen.contains(tag));
        (!chosen.is_empty() && !is_chosen && kind != "handler").then(|| "not tagged so".to_owned())
    }

    /// `kind:primary`; the place for a block without one, for one that was not read, and for one that
    /// a secret went into and whose primary may show it.
    fn default_id(&self, one: &One, body: Option<&Body>, secret: bool) -> String {
        let (kind, file) = (one.kind, one.place.file + 1);
        match body {
            _ if kind == "packages" && file == 1 => "packages".to_owned(),
            _ if kind == "packages" => format!("packages-{file}"),
            Some(Body::Exec(_) | Body::Line(_) | Body::AuthorizedKey(_)) if secret => {
                format!("{kind}:{file}-{}", self.blocks.len() + 1)
            }
            Some(body) if kind != "flush" => format!("{kind}:{}", body.primary()),
            _ => format!("{kind}:{file}-{}", self.blocks.len() + 1),
        }
    }
}

/// One block before its fields are read.
struct One {
    kind: &'static str,
    place: Place,
    /// The values of its item.
    own: toml::Table,
    /// Why it is not for this host.
    left_out: Option<String>,
}

//! One `[[block]]` as it is written, made into the blocks that it stands for: none of it read where
//! its `when` is false, one for each item of its `for_each`.

use std::borrow::Cow;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::block::{Block, Body, Failure, Part, UNTAGGED};
use crate::config::common::{self, Common};
use crate::config::document::RawBlock;
use crate::config::frame::Frame;
use crate::config::late::Late;
use crate::config::reader::Reader;
use crate::config::renderer::Renderer;
use crate::config::scope::is_template;
use crate::config::values::Findings;
use crate::config::{fields, ids, limits, spans, spelling, values};
use crate::fault::{Fault, Place};

/// The time before a retry, if the config does not say.
const DELAY: Duration = Duration::from_secs(1);

impl Reader {
    /// Reads a block, as often as its `for_each` says.
    pub(super) fn block(&mut self, raw: RawBlock<'_>, frame: &Frame, renderer: &Renderer<'_>) {
        let RawBlock {
            kind,
            place,
            mut fields,
        } = raw;
        let file = place.file;
        let when = fields.remove_entry("when");
        let for_each = fields.remove_entry("for_each");
        spelling::modernise(kind, &mut fields, file, &mut self.faults);
        if kind == "assert" {
            fields
                .iter_mut()
                .for_each(|(key, value)| embrace(key, value));
        }
        let tags = fields
            .get("tags")
            .and_then(|tags| tags.get_ref().as_array());
        let tags = tags.into_iter().flatten();
        let tags = tags.filter_map(|tag| tag.get_ref().as_str().map(ToOwned::to_owned));
        self.written_tags.extend(tags);
        let Some(items) = self.items(for_each, frame, renderer, file) else {
            let id = fields.get("id").and_then(|id| id.get_ref().as_str());
            self.leave_open(kind, id);
            return;
        };
        for own in items {
            if self.blocks.len() >= limits::BLOCKS {
                let what = format!("a run has at most {} blocks", limits::BLOCKS);
                self.faults.push(Fault::error(what, place.clone()));
                return;
            }
            let mut one = One::new(kind, place.clone(), own, frame);
            if let Some((_, value)) = &when {
                self.left_out(value, renderer, &mut one);
            }
            let when = when
                .as_ref()
                .and_then(|(_, value)| value.get_ref().as_str());
            self.one(one, fields.clone(), renderer, when);
        }
    }

    /// Reads one block with the values of its item.
    pub(super) fn one(
        &mut self,
        mut one: One<'_>,
        fields: DeTable<'_>,
        renderer: &Renderer<'_>,
        when: Option<&str>,
    ) {
        let file = one.place.file;
        let mut wrong = Vec::new();
        let (literals, findings) =
            values::render(one.kind, &fields, renderer, &one.own, file, &mut wrong);
        let is_known = wrong.is_empty();
        // On a host that it is not for, a block may name what is not there.
        if !is_known && one.left_out.is_none() {
            self.open.push(ids::begin(one.kind, &fields));
            self.rest(&one, values::put(fields, &literals), wrong, findings);
            return;
        }
        let begin = ids::begin(one.kind, &fields);
        one.awaits.extend_from_slice(&findings.awaits);
        let late = !one.awaits.is_empty() && one.left_out.is_none();
        let late = late.then(|| Late::new(one.kind, &fields, when, self.names.clone()));
        let mut fields = values::put(fields, &literals);
        let elsewhere = findings.elsewhere;
        let common = common::take(
            one.kind,
            &mut fields,
            &one.place,
            elsewhere,
            &mut self.faults,
        );
        let body = if is_known {
            let body = self.body(&one, &common, fields, &findings);
            if body.is_none() && late.is_none() && !elsewhere {
                self.open.push(begin);
                return;
            }
            body
        } else {
            None
        };
        self.add(one, common, body, late, &findings);
    }

    /// Tells what else is wrong in a block some of whose templates are.
    fn rest(
        &mut self,
        one: &One<'_>,
        mut fields: DeTable<'_>,
        wrong: Vec<Fault>,
        mut findings: Findings,
    ) {
        for at in wrong.iter().filter_map(|fault| fault.place.as_ref()) {
            if let Some(key) = fields::holder(&fields, at).map(ToOwned::to_owned) {
                fields.remove(key.as_str());
                findings.unread.push(key);
            }
        }
        self.faults.extend(wrong);
        let common = common::take(one.kind, &mut fields, &one.place, true, &mut self.faults);
        let sensitive = common.sensitive || findings.secret;
        fields::read(
            one.kind,
            &one.place,
            fields,
            &findings,
            sensitive,
            &mut self.faults,
        );
    }

    /// Reads the fields of the block's kind.
    fn body(
        &mut self,
        one: &One<'_>,
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
        for source in body.sources() {
            source.start_from(&self.dirs[place.file]);
        }
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
        if let Body::Reboot(reboot) = &body
            && reboot.is_unguarded()
        {
            let what = "this reboots the host in every run, and so is never in place";
            let hint = "say `if_needed = true`, or `when` it is to happen";
            self.faults
                .push(Fault::warning(what, place.clone()).hint(hint));
        }
        if let Body::Exec(exec) = &body
            && sensitive
            && exec.has_undo()
        {
            let what =
                "this block is sensitive, so that its `undo` is not kept: it cannot be undone";
            let hint = "let the secret come from a file that an earlier block writes";
            let at = spans.get("undo").unwrap_or(place).clone();
            self.faults.push(Fault::warning(what, at).hint(hint));
        }
        // What is not known here still reads as its template; the target judges the whole block.
        if !findings.deferred {
            body.check(&mut |key, what| {
                let at = spans.get(key).unwrap_or(place).clone();
                self.faults.push(fields::complaint(one.kind, key, what, at));
            });
        }
        Some(body)
    }

    /// Adds a block that was read, once its names are judged.
    fn add(
        &mut self,
        mut one: One<'_>,
        mut common: Common,
        body: Option<Body>,
        late: Option<Late>,
        findings: &Findings,
    ) {
        let file = one.place.file;
        let at = |span| Place { file, span };
        let Some(id) = self.call(&mut one, &mut common, body.as_ref(), findings) else {
            return;
        };
        let left_out = one.left_out.take();
        let untagged = || self.untagged(&one, &common.tags);
        let part = match (&left_out, body) {
            (None, body) if late.is_some() => match (untagged(), late) {
                (None, Some(late)) => {
                    Part::Late(Box::new(late.guessed(body, self.dirs[file].clone())))
                }
                (why, _) => Part::Out(why.unwrap_or_default()),
            },
            (None, Some(body)) => match untagged() {
                Some(why) => Part::Out(why),
                None => Part::In(Box::new(body)),
            },
            _ => Part::Out(left_out.clone().unwrap_or_default()),
        };
        let notices = common.notify.into_iter();
        self.notices.push(
            notices
                .map(|name| (name.get_ref().clone(), at(name.span())))
                .collect(),
        );
        self.blocks.push(Block {
            id,
            index: self.blocks.len(),
            kind: one.kind,
            place: one.place,
            desc: common.desc,
            sensitive: common.sensitive || findings.secret,
            notify: Vec::new(),
            confirm: common.confirm,
            failure: Failure {
                retries: common.retries,
                delay: common.delay.unwrap_or(DELAY),
                timeout: common.timeout,
                on_error: common.on_error,
            },
            own: one.own,
            part,
        });
    }

    /// Why the tags that were chosen leave a block out. Handlers are chosen by who notifies them.
    fn untagged(&self, one: &One<'_>, tags: &[String]) -> Option<String> {
        let chosen = &self.chosen;
        let mut tags = tags.iter().chain(&one.frame.tags);
        let is_chosen = tags.any(|tag| chosen.contains(tag));
        (!chosen.is_empty() && !is_chosen && one.kind != "handler").then(|| UNTAGGED.to_owned())
    }
}

/// The expression of an `[[assert]]` is one with braces and without.
fn embrace(key: &Spanned<Cow<'_, str>>, value: &mut Spanned<DeValue<'_>>) {
    if key.get_ref() == "that"
        && let DeValue::String(text) = value.get_mut()
        && !is_template(text)
    {
        *text = format!("{{{{ {} }}}}", text.trim()).into();
    }
}

/// One block before its fields are read.
pub(super) struct One<'a> {
    pub(super) frame: &'a Frame,
    pub(super) kind: &'static str,
    pub(super) place: Place,
    /// The values of its item.
    pub(super) own: toml::Table,
    /// Why it is not for this host.
    pub(super) left_out: Option<String>,
    /// The blocks of this run whose results it names, and where.
    pub(super) awaits: Vec<(String, Place)>,
}

impl<'a> One<'a> {
    pub(super) fn new(
        kind: &'static str,
        place: Place,
        own: toml::Table,
        frame: &'a Frame,
    ) -> Self {
        Self {
            frame,
            kind,
            place,
            own,
            left_out: None,
            awaits: Vec::new(),
        }
    }
}

//! What blocks are called, and by which names others may speak of them.

use toml::Spanned;
use toml::de::DeTable;

use crate::block::Body;
use crate::config::common::Common;
use crate::config::instance::One;
use crate::config::nearest;
use crate::config::reader::Reader;
use crate::config::scope::is_template;
use crate::config::values::Findings;
use crate::fault::{Fault, Place};

impl Reader {
    /// Enters a block under its id, once its names for others are judged; `None` if another one has it.
    pub(super) fn call(
        &mut self,
        one: &mut One<'_>,
        common: &mut Common,
        body: Option<&Body>,
        findings: &Findings,
    ) -> Option<String> {
        let file = one.place.file;
        let is_told = common.id.is_some() || body.is_some();
        let (id, place) = match common.id.take() {
            Some(id) => {
                let span = id.span();
                (id.into_inner(), Place { file, span })
            }
            None => (
                self.default_id(one, body, findings.secret),
                one.place.clone(),
            ),
        };
        // Where a value is not known yet, items and roles seem alike that are not.
        let is_open = findings.deferred && is_template(&id) && !one.own.is_empty();
        if let Some(first) = self.ids.get(&id)
            && !is_open
        {
            self.faults.push(taken(&id, one, place, first));
            return None;
        }
        let awaits = std::mem::take(&mut one.awaits);
        self.judge_names(std::mem::take(&mut common.after), awaits, file);
        if findings.elsewhere {
            self.leave_open(one.kind, is_told.then_some(&id));
        }
        self.ids.insert(id.clone(), place);
        Some(id)
    }

    /// Judges the names that a block has for earlier ones: in `after`, and of those whose results it
    /// awaits.
    fn judge_names(
        &mut self,
        after: Vec<Spanned<String>>,
        awaits: Vec<(String, Place)>,
        file: usize,
    ) {
        let after = after.into_iter().map(|id| {
            let place = Place {
                file,
                span: id.span(),
            };
            let hint = "blocks run in the order in which they stand, which `after` only asserts: move one of them";
            (id.into_inner(), place, hint)
        });
        let awaits = awaits.into_iter().map(|(id, place)| {
            (
                id,
                place,
                "`result` has what an earlier block came to, by its id",
            )
        });
        for (earlier, place, hint) in after.chain(awaits) {
            if self.may_stand_there(&earlier) {
                continue;
            }
            let what = format!("no block `{earlier}` stands before this one");
            let fault = Fault::error(what, place).hint(hint);
            let near = nearest(&earlier, self.ids.keys().map(String::as_str));
            self.faults.push(match near {
                Some(near) => fault.label(format!("did you mean `{near}`?")),
                None => fault,
            });
        }
    }

    /// The id of a block is known on the target alone, if it is a template or not given at all.
    pub(super) fn leave_open(&mut self, kind: &str, id: Option<&str>) {
        match id {
            None => self.open.push(format!("{kind}:")),
            Some(id) if is_template(id) => {
                let begin = id.split('{').next().unwrap_or_default();
                self.open.push(begin.to_owned());
            }
            Some(_) => {}
        }
    }

    /// Whether a block with this id stands before this one, or may do so on the target.
    fn may_stand_there(&self, id: &str) -> bool {
        let may_be = |begin: &String| id.starts_with(begin.as_str());
        self.ids.contains_key(id) || self.open.iter().any(may_be)
    }

    /// `kind:primary`; the place for a block without one, for one that was not read, and for one that
    /// a secret went into and whose primary may show it.
    fn default_id(&self, one: &One<'_>, body: Option<&Body>, secret: bool) -> String {
        let (kind, file) = (one.kind, one.frame.number);
        match body {
            _ if kind == "packages" && file == 1 => "packages".to_owned(),
            _ if kind == "packages" => format!("packages-{file}"),
            Some(Body::Exec(_) | Body::Check(_) | Body::Line(_) | Body::AuthorizedKey(_))
                if secret =>
            {
                format!("{kind}:{file}-{}", self.blocks.len() + 1)
            }
            Some(body) if !["flush", "reboot"].contains(&kind) => {
                format!("{kind}:{}", body.primary())
            }
            _ => format!("{kind}:{file}-{}", self.blocks.len() + 1),
        }
    }
}

/// How the id of a block begins that was not read, as far as its fields tell: who names it is told
/// nothing more.
pub(super) fn begin(kind: &str, fields: &DeTable<'_>) -> String {
    let text = |field| fields.get(field).and_then(|value| value.get_ref().as_str());
    let id = match (text("id"), text("name")) {
        (Some(id), _) => id.to_owned(),
        (None, Some(name)) if kind == "handler" => format!("handler:{name}"),
        _ => format!("{kind}:"),
    };
    id.split("{{").next().unwrap_or_default().to_owned()
}

/// Two blocks with one id. Those of one `[[block]]` are told apart by what they stand for.
fn taken(id: &str, one: &One<'_>, place: Place, first: &Place) -> Fault {
    let fault = Fault::error(format!("two blocks have the id `{id}`"), place);
    let is_itself = fault.place.as_ref() == Some(first);
    match &one.frame.included {
        _ if one.own.contains_key("each") && is_itself => fault
            .label("the same for each item")
            .hint("name each with its item, such as id = \"{{ each.key }}\""),
        _ if one.own.contains_key("each") => fault
            .other(first.clone(), "the first")
            .hint("name each with its item, such as id = \"{{ each.key }}\""),
        Some(include) if is_itself => fault
            .other(include.clone(), "its role is included once more here")
            .hint("name each with a param, such as id = \"web-{{ params.name }}\""),
        _ => fault
            .other(first.clone(), "the first")
            .hint("give one of them an `id` of its own"),
    }
}

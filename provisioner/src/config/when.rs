//! `when`: whether a block is for this host.

use toml::Spanned;
use toml::de::DeValue;

use crate::config::instance::One;
use crate::config::reader::Reader;
use crate::config::renderer::Renderer;
use crate::config::scope::Rendered;
use crate::fault::{Fault, Place};

impl Reader {
    /// Finds out whether a block is for this host, as far as that is known here.
    pub(super) fn left_out(
        &mut self,
        when: &Spanned<DeValue<'_>>,
        renderer: &Renderer<'_>,
        one: &mut One<'_>,
    ) {
        let place = Place {
            file: one.place.file,
            span: when.span(),
        };
        let expression = match when.get_ref() {
            DeValue::Boolean(true) => return,
            DeValue::Boolean(false) => {
                one.left_out = Some("`when` is false".to_owned());
                return;
            }
            DeValue::String(text) => text,
            _ => {
                let fault = Fault::error("`when` is an expression, in quotes", place);
                self.faults
                    .push(fault.hint("when = \"facts.os == 'debian'\""));
                return;
            }
        };
        let bare = expression.trim();
        let bare = bare
            .strip_prefix("{{")
            .and_then(|inner| inner.strip_suffix("}}"))
            .unwrap_or(bare);
        let (what, hint) = match renderer.render(&format!("{{{{ {bare} }}}}"), &one.own) {
            Ok(Rendered::Deferred { secret: false }) => return,
            Ok(
                Rendered::Value { secret: true, .. }
                | Rendered::Deferred { secret: true }
                | Rendered::Late { secret: true, .. },
            ) => (
                "a secret may not decide a `when`, which is shown".to_owned(),
                Some("say it in a value of its own, such as `vars.with_db`".to_owned()),
            ),
            Ok(Rendered::Late { blocks, .. }) => {
                let blocks = blocks.into_iter().map(|id| (id, place.clone()));
                one.awaits.extend(blocks);
                return;
            }
            Ok(Rendered::Value { value, .. }) => match value.as_bool() {
                Some(true) => return,
                Some(false) => {
                    one.left_out = Some(format!("not so: {}", bare.trim()));
                    return;
                }
                None => (
                    format!("`when` must come to true or false, and this is {value}"),
                    Some("compare it, as in \"facts.os == 'debian'\"".to_owned()),
                ),
            },
            Err(error) if error.what.starts_with("unexpected `=`") => {
                (error.what, Some("values are compared with `==`".to_owned()))
            }
            Err(error) => (error.what, error.hint),
        };
        let hint = hint.unwrap_or_else(|| "`hpt explain when` has examples".to_owned());
        self.faults.push(Fault::error(what, place).hint(hint));
    }
}

//! What a template names that is not there, and what may be meant instead.

use minijinja::Template;
use minijinja::value::{Serde, Value};

use crate::config::nearest;
use crate::config::params::is_unknown;
use crate::config::renderer::Renderer;
use crate::config::scope::{RenderError, Rendered};
use crate::host::facts::Facts;

/// What is wrong with a template that asks for the host's name before the block `id` has given it.
pub(super) fn asks_for_name(template: &Template<'_, '_>, id: &str) -> Option<RenderError> {
    let names = template.undeclared_variables(true);
    let asks = ["facts", "facts.hostname"].iter();
    let asks = asks.copied().any(|name| names.contains(name));
    asks.then(|| RenderError {
        what: format!("`facts.hostname` is not known before the block `{id}` has run"),
        line: None,
        quotes: false,
        hint: Some(
            "name what that block makes the host's name of, such as `result.ID.stdout`".to_owned(),
        ),
    })
}

impl Renderer<'_> {
    /// A fact that no host has or a secret that the config does not declare, or not for this target:
    /// that need not wait for the target.
    pub(super) fn unknown(&self, template: &Template<'_, '_>) -> Option<(String, String)> {
        let facts = Value::from(Serde(&Facts::default()));
        let has_fact = |name: &str| facts.get_attr(name).is_ok_and(|fact| !fact.is_undefined());
        let names = template.undeclared_variables(true);
        let mut paths: Vec<&str> = names.iter().map(String::as_str).collect();
        paths.sort_unstable();
        paths.into_iter().find_map(|path| {
            let (space, rest) = path.split_once('.')?;
            let name = rest.split('.').next().unwrap_or_default();
            match space {
                "facts" if !has_fact(name) => {
                    let known: Vec<Value> = facts.try_iter().into_iter().flatten().collect();
                    let near = nearest(name, known.iter().filter_map(Value::as_str));
                    let hint = near.map_or_else(
                        || "`hpt facts` shows those of a host".to_owned(),
                        |near| format!("did you mean `facts.{near}`?"),
                    );
                    Some((format!("there is no fact `{name}`"), hint))
                }
                "secret" if self.scope.secrets.is_none() && !self.scope.named.contains(name) => {
                    let near = nearest(name, self.scope.named.iter().map(String::as_str));
                    let hint = near.map_or_else(
                        || format!("write [secret.{name}], and below it file = \"...\" or env = \"...\""),
                        |near| format!("did you mean `secret.{near}`?"),
                    );
                    Some((format!("there is no [secret.{name}] in the config"), hint))
                }
                "secret" => {
                    let what = self.scope.elsewhere.get(name)?.clone();
                    let target = &self.scope.target;
                    let hint = format!("`hpt seal {name} {target}` prints what to write for {target}");
                    Some((what, hint))
                }
                _ => None,
            }
        })
    }

    /// What a template names that is not there. Names behind `is defined` count too, so that there
    /// may be several.
    pub(super) fn undefined(
        &self,
        template: &Template<'_, '_>,
        own: &toml::Table,
    ) -> Option<RenderError> {
        let own = Value::from(Serde(own));
        let is_there = |path: &str| {
            let mut parts = path.split('.');
            let first = parts.next().unwrap_or_default();
            if ["secret", "result"].contains(&first) {
                return true; // they say so themselves
            }
            let mut value = own.get_attr(first).unwrap_or_default();
            if value.is_undefined() {
                value = self.values.get_attr(first).unwrap_or_default();
            }
            for part in parts {
                value = value.get_attr(part).unwrap_or_default();
            }
            !value.is_undefined()
        };
        let names = template.undeclared_variables(true);
        let mut missing: Vec<&str> = names.iter().map(String::as_str).collect();
        missing.retain(|path| !is_there(path));
        missing.sort_unstable();
        let first = *missing.first()?;
        let quoted: Vec<_> = missing.iter().map(|path| format!("`{path}`")).collect();
        let what = match quoted.as_slice() {
            [one] => format!("{one} is not defined"),
            more => format!("one of these is not defined: {}", more.join(", ")),
        };
        Some(RenderError {
            what,
            line: None,
            quotes: true,
            hint: Some(self.instead(first)),
        })
    }

    /// What may be meant by a name that is not there.
    fn instead(&self, path: &str) -> String {
        let vars = || self.scope.vars.keys().map(String::as_str);
        match path.split_once('.').unwrap_or((path, "")) {
            ("vars", name) => match nearest(name, vars()) {
                Some(near) => format!("did you mean `vars.{near}`?"),
                None => format!("write {name} = ... below [vars], or say `--var {name}=...`"),
            },
            ("each", _) => "`each` is there in a block with `for_each`".to_owned(),
            ("target", _) => {
                "there are `target.name`, `target.groups` and `target.tags`".to_owned()
            }
            ("facts", _) => "`hpt facts` shows those of a host".to_owned(),
            (name, _) if self.scope.vars.contains_key(name) => {
                format!("did you mean `vars.{name}`?")
            }
            _ => "values are `vars.NAME`, `facts.NAME`, `secret.NAME` and `target.name`".to_owned(),
        }
    }

    /// What becomes of a template that names params, if that is known before it is rendered: a fault
    /// where there is no such param, and on the workstation nothing yet if they depend on facts.
    pub(super) fn of_params(
        &self,
        template: &Template<'_, '_>,
        own: &toml::Table,
    ) -> Option<Result<Rendered, RenderError>> {
        let error = |what, hint| {
            Some(Err(RenderError {
                what,
                line: None,
                quotes: false,
                hint: Some(hint),
            }))
        };
        let Some(params) = own.get("params") else {
            return error(
                "`params` is known in the file of a role alone".to_owned(),
                "elsewhere a value is `vars.NAME`".to_owned(),
            );
        };
        let names = template.undeclared_variables(true);
        let mut asked: Vec<&str> = names
            .iter()
            .filter_map(|path| path.strip_prefix("params."))
            .collect();
        asked.sort_unstable();
        for path in asked {
            let name = path.split('.').next().unwrap_or_default();
            if params.get(name).is_none() {
                let known = params.as_table().into_iter().flat_map(toml::Table::keys);
                let what = format!("this role has no param `{name}`");
                let hint = match nearest(name, known.map(String::as_str)) {
                    Some(near) => format!("did you mean `params.{near}`?"),
                    None => format!("declare it in the role's [params]: {name} = {{}}"),
                };
                return error(what, hint);
            }
        }
        let waits = self.scope.facts.is_none() && is_unknown(params);
        waits.then_some(Ok(Rendered::Deferred {
            secret: names
                .iter()
                .any(|path| path.split('.').next() == Some("secret")),
        }))
    }
}

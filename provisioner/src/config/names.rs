//! What templates may name of a scope, made ready once: vars may be many, and blocks that wait too.

use std::collections::BTreeMap;
use std::sync::Arc;

use minijinja::context;
use minijinja::value::{Serde, Value};

use crate::config::scope::Scope;
use crate::secret::Secret;

/// The values of a scope, which do not change any more.
pub(super) struct Names {
    pub(super) vars: Value,
    pub(super) facts: Value,
    pub(super) target: Value,
    pub(super) secrets: Arc<BTreeMap<String, Secret>>,
}

impl Names {
    pub(super) fn of(scope: &Scope) -> Self {
        let groups: Vec<_> = scope.given.groups.keys().collect();
        Self {
            vars: Value::from(Serde(&scope.vars)),
            facts: Value::from(Serde(&scope.facts)),
            target: context! {
                name => scope.target.as_str(),
                groups => Value::from(Serde(groups)),
                tags => Value::from(Serde(&scope.given.target_tags)),
            },
            secrets: Arc::new(scope.secrets.clone().unwrap_or_default()),
        }
    }
}

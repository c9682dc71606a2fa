//! The namespace `secret` of templates.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use minijinja::value::{Enumerator, Object, Value};

use crate::secret::Secret;

/// The namespace `secret`. It notices when it was asked, since a string made with a secret in it
/// is one too.
pub(super) struct Secrets {
    pub(super) values: Arc<BTreeMap<String, Secret>>,
    pub(super) touched: AtomicBool,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("secret")
    }
}

impl Object for Secrets {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let secret = self.values.get(key.as_str()?)?;
        self.touched.store(true, Ordering::Relaxed);
        Some(Value::from(secret.expose()))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable // `{{ secret }}` shows nothing
    }
}

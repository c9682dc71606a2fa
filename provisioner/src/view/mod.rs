//! What one block sees: the host as it is, with what earlier blocks will have made of it on top.
//! Every read is recorded, since a digest, drift and re-judging all need to know what was read.

mod accounts;
mod again;
mod packages;
mod paths;
mod units;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::scope::{RenderError, Rendered, Scope};
use crate::effect::Effect;
use crate::host::facts::Facts;
use crate::host::overlay::{Base, Fate, Overlay};
use crate::host::setting::Setting;
use crate::host::{Hash, HostError, Key, Memo, Observe, Powers};
use crate::name::{AbsPath, SysctlKey};
use crate::results::Results;
use crate::source::{Blob, Source};

pub(crate) use self::again::{is_absence, look};

/// What was read of the base, by key, in a stable order: a digest of what it showed.
pub type Reads = BTreeMap<Key, Hash>;

/// As many links are followed one after another, then the host itself will say.
const MOST_LINKS: usize = 8;

/// What a view knows of results that is told of none.
static NONE: Results = Results::none();

/// A host as one block may see it. Cheap to make; one for each decision.
pub struct View<'a> {
    base: &'a dyn Observe,
    overlay: &'a Overlay,
    scope: &'a Scope,
    own: &'a toml::Table,
    results: &'a Results,
    reads: RefCell<Reads>,
}

impl<'a> View<'a> {
    /// A view of `base` as `overlay` foresees it, with the values of `scope` and of the block alone.
    pub fn new(
        base: &'a dyn Observe,
        overlay: &'a Overlay,
        scope: &'a Scope,
        own: &'a toml::Table,
    ) -> Self {
        Self {
            base,
            overlay,
            scope,
            own,
            results: &NONE,
            reads: RefCell::default(),
        }
    }

    /// With what earlier blocks of the run came to.
    #[must_use]
    pub(crate) fn after(self, results: &'a Results) -> Self {
        Self { results, ..self }
    }

    pub(crate) fn scope(&self) -> &'a Scope {
        self.scope
    }

    pub(crate) fn own(&self) -> &'a toml::Table {
        self.own
    }

    pub(crate) fn results(&self) -> &'a Results {
        self.results
    }

    /// What `ask` finds once these effects have been performed. It counts as read here.
    pub(crate) fn afterwards<T>(&self, effects: &[Effect], ask: impl FnOnce(&View<'_>) -> T) -> T {
        let mut overlay = self.overlay.clone();
        for effect in effects {
            overlay.foresee(effect, "this block", &Base(Some(self.base)));
        }
        let then = View::new(self.base, &overlay, self.scope, self.own);
        let found = ask(&then);
        self.reads.borrow_mut().extend(then.into_reads());
        found
    }

    /// What was read so far, of the base alone.
    pub fn into_reads(self) -> Reads {
        self.reads.into_inner()
    }

    /// What the host can do.
    pub fn powers(&self) -> Powers {
        self.base.powers()
    }

    /// What is known of the host itself.
    pub fn facts(&self) -> &Facts {
        self.base.facts()
    }

    /// Renders the text of a template with this run's values, the block's and `template_vars`.
    ///
    /// # Errors
    /// Where the template is wrong, without the values of secrets.
    pub fn render(&self, text: &str, vars: &toml::Table) -> Result<Rendered, RenderError> {
        let own = self.own.iter().chain(vars);
        let own = own.map(|(name, value)| (name.clone(), value.clone()));
        self.scope.render_with(text, &own.collect())
    }

    /// The blob that a source was resolved to; `None` if whoever sent the run resolved none.
    pub fn source(&self, source: &Source) -> Option<&Blob> {
        self.scope.blobs.get(source)
    }

    /// Whether a block of the config is about this path, about one below it, or about all of a
    /// directory in which it lies.
    pub fn is_claimed(&self, path: &AbsPath) -> bool {
        let within = |tree: &AbsPath| path.as_path().starts_with(tree.as_path());
        self.scope.claimed.contains(path) || self.scope.trees.iter().any(within)
    }

    /// Whether one block alone needs this blob.
    pub fn is_only_use(&self, blob: &Blob) -> bool {
        !self.scope.shared.contains(blob.hash.as_bytes())
    }

    /// Whether hpt was to remember this.
    ///
    /// # Errors
    /// Those of the host.
    pub fn remembers(&self, memo: &Memo) -> Result<bool, HostError> {
        if let Some(foreseen) = self.overlay.memo(memo) {
            return Ok(foreseen);
        }
        let seen = self.base.remembers(memo)?;
        self.record(Key::Memo(memo.clone()), &seen);
        Ok(seen)
    }

    /// Whether what lies at a path was put there as a secret. It does not count as read: it is about
    /// what is shown and kept, and decides nothing.
    pub(crate) fn is_secret(&self, path: &AbsPath) -> bool {
        let memo = Memo::Secret(path.clone());
        let foreseen = self.overlay.memo(&memo);
        foreseen.unwrap_or_else(|| self.base.remembers(&memo).unwrap_or(true))
    }

    /// What the running kernel or host is set to.
    ///
    /// # Errors
    /// Those of the host.
    pub fn setting(&self, setting: &Setting) -> Result<Fate<Option<String>>, HostError> {
        if let Some(fate) = self.overlay.setting(setting) {
            return Ok(fate);
        }
        let seen = self.base.setting(setting)?;
        self.record(Key::Setting(setting.clone()), &seen);
        let doubt = self.overlay.may_change(setting, seen.is_some()).cloned();
        Ok(doubt.map_or(Fate::Is(seen), Fate::Unknown))
    }

    /// Whether nobody may set this kernel parameter.
    pub fn is_read_only(&self, key: &SysctlKey) -> bool {
        self.base.is_read_only(key)
    }

    /// The bytes of a blob; `None` if it has not been sent yet.
    ///
    /// # Errors
    /// Those of the host.
    pub fn blob(&self, hash: &Hash) -> Result<Option<Arc<[u8]>>, HostError> {
        self.base.blob(hash)
    }

    /// Whether a blob has been sent.
    pub fn has_blob(&self, hash: &Hash) -> bool {
        self.base.has_blob(hash)
    }

    /// A keyed fingerprint of a secret.
    pub fn fingerprint(&self, secret: &[u8]) -> String {
        self.base.fingerprint(secret)
    }

    /// While packages are yet to be installed, an absence is not known: they bring users and groups.
    /// Nor is it if an earlier block was to make the account and cannot.
    fn unless_pending<T>(&self, seen: Fate<Option<T>>, key: &Key) -> Fate<bool> {
        let pending = self.overlay.doubt(key).or(self.overlay.pending_install());
        match (seen, pending) {
            (Fate::Is(None), Some(cause)) => Fate::Unknown(cause.clone()),
            (Fate::Is(seen), _) => Fate::Is(seen.is_some()),
            (Fate::Unknown(cause), _) => Fate::Unknown(cause),
        }
    }

    fn record(&self, key: Key, seen: &impl std::fmt::Debug) {
        self.reads.borrow_mut().insert(key, digest_of(seen));
    }
}

/// Names what a host showed.
fn digest_of(seen: &impl std::fmt::Debug) -> Hash {
    blake3::hash(format!("{seen:?}").as_bytes())
}

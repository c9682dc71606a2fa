//! What one block sees: the host as it is, with what earlier blocks will have made of it on top.
//! Every read is recorded, since a digest, drift and re-judging all need to know what was read.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::scope::{RenderError, Rendered, Scope};
use crate::effect::{Content, Effect, Transaction, Want};
use crate::host::facts::Facts;
use crate::host::overlay::{Base, Cause, Fate, Overlay, by_files};
use crate::host::setting::Setting;
use crate::host::{
    Checkout, Entry, EntryKind, Group, Hash, HostError, Key, Memo, Newer, Observe, Owner, Package,
    Powers, Unit, User,
};
use crate::listing::Listing;
use crate::name::{AbsPath, GroupName, PackageName, SysctlKey, UnitId, UnitScope, UserName};
use crate::results::Results;
use crate::source::{Blob, Source};
use crate::unit_file;

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

    /// The entry at a path, a final symlink not followed. A pending installation leaves an absent
    /// path absent: finding it already right when it is applied is doing less. What may make
    /// something below an absent path may make that path too.
    ///
    /// # Errors
    /// Those of the host.
    pub fn path(&self, path: &AbsPath) -> Result<Fate<Option<Entry>>, HostError> {
        let fate = if let Some(fate) = self.overlay.path(path) {
            fate
        } else {
            let seen = self.base.path(path)?;
            self.record(Key::Path(path.clone()), &seen);
            Fate::Is(seen)
        };
        Ok(match (fate, self.overlay.shadow_within(path)) {
            (Fate::Is(None), Some(cause)) => Fate::Unknown(cause),
            (fate, _) => fate,
        })
    }

    /// Whether the directory in which `path` lies is there. A symlink to what is there counts: the
    /// host follows the safe ones and refuses the others.
    ///
    /// # Errors
    /// Those of the host.
    pub fn has_parent(&self, path: &AbsPath) -> Result<Fate<bool>, HostError> {
        let Some(parent) = path.parent() else {
            return Ok(Fate::Is(true));
        };
        self.is_dir(&parent, MOST_LINKS)
    }

    /// Whether there is a directory at a path, or at the end of the links there.
    fn is_dir(&self, path: &AbsPath, links: usize) -> Result<Fate<bool>, HostError> {
        Ok(match self.path(path)? {
            Fate::Is(Some(Entry {
                kind: EntryKind::Symlink(to),
                ..
            })) => match path.beside(&to) {
                Some(to) if links > 0 => self.is_dir(&to, links - 1)?,
                _ => Fate::Is(true), // no plain path: the host itself will say
            },
            Fate::Is(Some(entry)) => Fate::Is(matches!(entry.kind, EntryKind::Dir)),
            Fate::Is(None) => self
                .pending_install()
                .map_or(Fate::Is(false), Fate::Unknown),
            Fate::Unknown(cause) => Fate::Unknown(cause),
        })
    }

    /// Whether the directory at a path holds anything; not so if there is no directory.
    ///
    /// # Errors
    /// Those of the host.
    pub fn holds(&self, dir: &AbsPath) -> Result<Fate<bool>, HostError> {
        if let Some(fate) = self.overlay.holds(dir) {
            return Ok(fate);
        }
        let seen = self.base.holds_besides(dir, &self.overlay.gone_from(dir))?;
        self.record(Key::Entries(dir.clone()), &seen);
        Ok(Fate::Is(seen))
    }

    /// The names in the directory at a path; none if there is no directory.
    ///
    /// # Errors
    /// Those of the host.
    pub fn entries(&self, dir: &AbsPath) -> Result<Fate<Vec<String>>, HostError> {
        let seen = self.base.entries(dir)?;
        self.record(Key::Names(dir.clone()), &seen);
        Ok(self.overlay.entries(dir, seen))
    }

    /// The files of a tree that a block copies.
    ///
    /// # Errors
    /// A list that has not been sent, or is none.
    pub fn listing(&self, source: &Source) -> Result<Listing, HostError> {
        let missing = || HostError::MissingBlob(source.to_string());
        let blob = self.source(source).ok_or_else(missing)?;
        let bytes = self.blob(&blob.hash)?.ok_or_else(missing)?;
        let refuse = |why: &dyn std::fmt::Display| HostError::Refused(format!("{source}: {why}"));
        let text = std::str::from_utf8(&bytes).map_err(|why| refuse(&why))?;
        Listing::parse(text).map_err(|why| refuse(&why))
    }

    /// The hash of the file at a path; `Is(None)` if there is no file.
    ///
    /// # Errors
    /// Those of the host.
    pub fn hash(&self, path: &AbsPath) -> Result<Fate<Option<Hash>>, HostError> {
        match (self.overlay.path(path), self.overlay.content(path)) {
            (_, Some(content)) => Ok(Fate::Is(Some(content.hash()))),
            (Some(Fate::Is(None)), None) => Ok(Fate::Is(None)),
            (Some(Fate::Unknown(cause)), None) => Ok(Fate::Unknown(cause)),
            (Some(Fate::Is(Some(_))) | None, None) => {
                let seen = self.base.hash(path)?;
                self.record(Key::Content(path.clone()), &seen);
                Ok(Fate::Is(seen))
            }
        }
    }

    /// The bytes of the file at a path, up to 1 MiB; `Is(None)` if there is no file.
    ///
    /// # Errors
    /// Those of the host, and a file that is too long.
    pub fn read(&self, path: &AbsPath) -> Result<Fate<Option<Arc<[u8]>>>, HostError> {
        match (self.overlay.path(path), self.overlay.content(path)) {
            (_, Some(Content::Inline(bytes))) => Ok(Fate::Is(Some(bytes.clone()))),
            (_, Some(Content::Blob { hash, .. })) => Ok(Fate::Is(self.base.blob(hash)?)),
            (Some(Fate::Is(None)), None) => Ok(Fate::Is(None)),
            (Some(Fate::Unknown(cause)), None) => Ok(Fate::Unknown(cause)),
            (Some(Fate::Is(Some(_))) | None, None) => {
                let seen = self.base.read(path)?;
                self.record(
                    Key::Content(path.clone()),
                    &seen.as_deref().map(blake3::hash),
                );
                Ok(Fate::Is(seen))
            }
        }
    }

    /// The installation that an earlier block will make, while absences are unknown because of it.
    pub fn pending_install(&self) -> Option<Cause> {
        self.overlay.pending_install().cloned()
    }

    /// A user by name. A pending installation may bring one who is absent: finding the account
    /// already made when a block makes it is doing less, so that it stays absent here.
    ///
    /// # Errors
    /// Those of the host.
    pub fn user(&self, name: &UserName) -> Result<Fate<Option<User>>, HostError> {
        if let Some(seen) = self.overlay.user(name) {
            return Ok(Fate::Is(seen));
        }
        let seen = self.base.user(name)?;
        self.record(Key::User(name.clone()), &seen);
        Ok(Fate::Is(seen))
    }

    /// Whether a user is there whom a block relies on and does not make itself.
    ///
    /// # Errors
    /// Those of the host.
    pub fn has_user(&self, name: &UserName) -> Result<Fate<bool>, HostError> {
        Ok(self.unless_pending(self.user(name)?, &Key::User(name.clone())))
    }

    /// A group by name; absent as a user is.
    ///
    /// # Errors
    /// Those of the host.
    pub fn group(&self, name: &GroupName) -> Result<Fate<Option<Group>>, HostError> {
        if let Some(seen) = self.overlay.group(name) {
            return Ok(Fate::Is(seen));
        }
        let seen = self.base.group(name)?;
        self.record(Key::Group(name.clone()), &seen);
        Ok(Fate::Is(seen))
    }

    /// Whether a group is there that a block relies on and does not make itself.
    ///
    /// # Errors
    /// Those of the host.
    pub fn has_group(&self, name: &GroupName) -> Result<Fate<bool>, HostError> {
        Ok(self.unless_pending(self.group(name)?, &Key::Group(name.clone())))
    }

    /// The name of the user with a number, so that no other gets it.
    ///
    /// # Errors
    /// Those of the host.
    pub fn user_numbered(&self, uid: u32) -> Result<Option<UserName>, HostError> {
        if let Some(name) = self.overlay.user_numbered(uid) {
            return Ok(Some(name));
        }
        let seen = self.base.user_numbered(uid)?;
        self.record(Key::UserNumber(uid), &seen);
        // What is foreseen of that user is that they go, or get another number.
        Ok(seen.filter(|name| self.overlay.user(name).is_none()))
    }

    /// The name of the group with a number, on which a block relies.
    ///
    /// # Errors
    /// Those of the host.
    pub fn group_numbered(&self, gid: u32) -> Result<Fate<Option<GroupName>>, HostError> {
        if let Some(name) = self.overlay.group_numbered(gid) {
            return Ok(Fate::Is(Some(name)));
        }
        let seen = self.base.group_numbered(gid)?;
        self.record(Key::GroupNumber(gid), &seen);
        // What is foreseen of that group is that it goes, or gets another number.
        let seen = seen.filter(|name| self.overlay.group(name).is_none());
        Ok(match (seen, self.pending_install()) {
            (None, Some(cause)) => Fate::Unknown(cause),
            (seen, _) => Fate::Is(seen),
        })
    }

    /// A user whose primary group this is, if there is one.
    ///
    /// # Errors
    /// Those of the host.
    pub fn primary_user(&self, name: &GroupName) -> Result<Option<UserName>, HostError> {
        let gid = match self.group(name)? {
            Fate::Is(Some(group)) => group.gid,
            _ => None,
        };
        if let Some(user) = self.overlay.primary_users(name, gid).min() {
            return Ok(Some(user.clone()));
        }
        let seen = self.base.primary_users(name)?;
        self.record(Key::PrimaryUsers(name.clone()), &seen);
        // What is foreseen of a user is known already.
        let mut unchanged = seen
            .into_iter()
            .filter(|user| self.overlay.user(user).is_none());
        Ok(unchanged.next())
    }

    /// An installed package by name.
    ///
    /// # Errors
    /// Those of the host.
    pub fn package(&self, name: &PackageName) -> Result<Fate<Option<Package>>, HostError> {
        if let Some(seen) = self.overlay.package(name) {
            return Ok(Fate::Is(seen));
        }
        let seen = self.base.package(name)?;
        self.record(Key::Package(name.clone()), &seen);
        // A pending installation may bring it as a dependency, yet a block that names it wants it
        // marked as wanted all the same: absent stays known here.
        Ok(Fate::Is(seen))
    }

    /// Whether the package lists know a newer version of a package that is installed. What an earlier
    /// block installs is the newest, and where one changes what the lists are made from, they are
    /// refreshed before it can be said.
    ///
    /// # Errors
    /// Those of the host.
    pub fn newer(&self, name: &PackageName) -> Result<Fate<Newer>, HostError> {
        if let Some(Some(Package { version: None, .. })) = self.overlay.package(name) {
            return Ok(Fate::Is(Newer::None));
        }
        if let Some(path) = self.overlay.changed_package_source() {
            return Ok(Fate::Unknown(Cause(format!("what {path} will bring"))));
        }
        let seen = self.base.newer(name)?;
        self.record(Key::Newer(name.clone()), &seen);
        Ok(Fate::Is(seen))
    }

    /// What the package manager has against a transaction that comes after those of earlier blocks.
    ///
    /// # Errors
    /// Those of the host.
    pub(crate) fn objection(&self, wanted: &Transaction) -> Result<Option<String>, HostError> {
        let mut all = Transaction {
            install: wanted.install.clone(),
            remove: wanted.remove.clone(),
            ..Transaction::default()
        };
        for (name, foreseen) in self.overlay.foreseen_packages() {
            let is_named = all.remove.contains(name) || all.install.iter().any(|w| w.name == *name);
            if is_named {
                continue;
            }
            let version_now = self.base.package(name)?.map(|now| now.version);
            match (version_now, foreseen) {
                (Some(_), None) => all.remove.push(name.clone()),
                (Some(now), Some(foreseen))
                    if foreseen.version.is_none() || foreseen.version == now => {}
                (_, Some(foreseen)) => all.install.push(Want {
                    name: name.clone(),
                    version: foreseen.version.clone(),
                }),
                (None, None) => {}
            }
        }
        self.base.objection(&all)
    }

    /// A unit. One of a user can be asked for only if [`View::runs_units_of`] says so.
    ///
    /// # Errors
    /// Those of the host.
    pub fn unit(&self, unit: &UnitId) -> Result<Fate<Option<Unit>>, HostError> {
        if let Some(seen) = self.overlay.unit(unit) {
            return Ok(Fate::Is(seen));
        }
        let seen = self.base.unit(unit)?;
        self.record(Key::Unit(unit.clone()), &seen);
        let fate = match &unit.scope {
            UnitScope::System => Fate::Is(seen),
            UnitScope::User(user) => self.users_unit(unit, user, seen)?,
        };
        Ok(match (fate, self.overlay.pending_install()) {
            (Fate::Is(None), Some(cause)) => Fate::Unknown(cause.clone()), // packages bring units too
            (fate, _) => fate,
        })
    }

    /// A user's unit of which systemd says `seen`, with the files that earlier blocks write or remove.
    fn users_unit(
        &self,
        unit: &UnitId,
        user: &UserName,
        seen: Option<Unit>,
    ) -> Result<Fate<Option<Unit>>, HostError> {
        let places = match self.home(user)? {
            Some(home) => unit_file::places_of_user(&unit.name, &home),
            None => Vec::new(),
        };
        if !self.overlay.foresees_any(&places) {
            return Ok(Fate::Is(seen));
        }
        by_files(seen, &places, &|path| self.path(path), &|path| {
            self.read(path)
        })
    }

    /// The home directory of a user, if there is that user and a plain one.
    ///
    /// # Errors
    /// Those of the host.
    pub fn home(&self, user: &UserName) -> Result<Option<AbsPath>, HostError> {
        Ok(match self.user(user)? {
            Fate::Is(Some(user)) => AbsPath::parse(&user.home).ok(),
            _ => None,
        })
    }

    /// Whether a user's own systemd runs, and so can be asked. It is a unit of the host: once an
    /// earlier block will have started it, it can be asked, but not yet.
    ///
    /// # Errors
    /// Those of the host.
    pub fn runs_units_of(&self, uid: u32) -> Result<Fate<bool>, HostError> {
        let manager = UnitId::manager(uid);
        // While it comes up it is waited for.
        let runs = |unit: Unit| unit.is_running() || unit.active == "activating";
        let now = match self.overlay.unit(&manager) {
            Some(_) => self.base.unit(&manager)?.is_some_and(runs),
            None => true,
        };
        Ok(match self.unit(&manager)? {
            Fate::Unknown(cause) => Fate::Unknown(cause),
            Fate::Is(unit) => match (now, unit.is_some_and(runs)) {
                (false, true) => Fate::Unknown(Cause(format!("the start of {manager}"))),
                (_, runs) => Fate::Is(runs),
            },
        })
    }

    /// The git working tree at a path.
    ///
    /// # Errors
    /// Those of the host.
    pub fn checkout(&self, path: &AbsPath) -> Result<Fate<Option<Checkout>>, HostError> {
        if let Some(fate) = self.overlay.checkout(path) {
            return Ok(fate);
        }
        let seen = self.base.checkout(path)?;
        self.record(Key::Checkout(path.clone()), &seen);
        Ok(Fate::Is(seen))
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

    /// Whether an entry belongs to the user `name`: by number, or by name where the account is
    /// still to be made.
    ///
    /// # Errors
    /// Those of the host.
    pub fn owned_by(&self, entry: &Entry, name: &UserName) -> Result<bool, HostError> {
        Ok(match &entry.owner {
            Owner::Named(owner) => owner == name,
            Owner::Id(id) => matches!(self.user(name)?, Fate::Is(Some(u)) if u.uid == Some(*id)),
        })
    }

    /// Whether an entry belongs to the group `name`, likewise.
    ///
    /// # Errors
    /// Those of the host.
    pub fn grouped_by(&self, entry: &Entry, name: &GroupName) -> Result<bool, HostError> {
        Ok(match &entry.group {
            Owner::Named(group) => group == name,
            Owner::Id(id) => matches!(self.group(name)?, Fate::Is(Some(g)) if g.gid == Some(*id)),
        })
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
        let digest = blake3::hash(format!("{seen:?}").as_bytes());
        self.reads.borrow_mut().insert(key, digest);
    }
}

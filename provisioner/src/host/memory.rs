//! A whole host in memory: the overlay over nothing. An honest second implementation, for
//! properties that need many hosts.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io;
use std::sync::Arc;

use crate::effect::{Access, Content, Effect, Expiry, Transaction, UnpackJob};
use crate::host::archive::{self, Sink};
use crate::host::facts::Facts;
use crate::host::overlay::{Base, Fate, Overlay, by_files, fingerprint};
use crate::host::probe::{Looked, Probe};
use crate::host::setting::Setting;
use crate::host::{
    Checkout, Done, Entry, EntryKind, Group, Hash, HostError, Key, Memo, Mutate, Newer, Observe,
    Owner, Package, Powers, Progress, Unit, User,
};
use crate::name::{AbsPath, GroupName, PackageName, PackageVersion, UnitId, UnitScope, UserName};
use crate::undo::{PreImage, PreImages};
use crate::unit_file;

/// A whole host in memory: the overlay over nothing. An honest second implementation, for
/// properties that need many hosts.
pub struct Memory {
    state: Overlay,
    checkouts: BTreeMap<AbsPath, Checkout>,
    newer: BTreeMap<PackageName, PackageVersion>,
    /// What a package cannot be without, where it is installed.
    needs: BTreeMap<PackageName, Vec<PackageName>>,
    facts: Facts,
    blobs: BTreeMap<[u8; 32], Arc<[u8]>>,
    /// What the next looks show; all is well after them.
    looks: VecDeque<Looked>,
}

impl Memory {
    /// An empty host: a root directory, root's account, nothing else.
    pub fn new(facts: Facts) -> Self {
        let mut host = Self {
            state: Overlay::default(),
            checkouts: BTreeMap::new(),
            newer: BTreeMap::new(),
            needs: BTreeMap::new(),
            facts,
            blobs: BTreeMap::new(),
            looks: VecDeque::new(),
        };
        let root = UserName::parse("root").expect("a valid name");
        let group = GroupName::parse("root").expect("a valid name");
        host.state.groups.insert(
            group.clone(),
            Some(Group {
                gid: Some(0),
                members: Vec::new(),
            }),
        );
        host.state.users.insert(
            root,
            Some(User {
                uid: Some(0),
                gid: Some(0),
                group: Some(group),
                comment: "root".into(),
                home: "/root".into(),
                shell: "/bin/sh".into(),
                groups: Vec::new(),
                password: None,
                locked: true,
                expires: Some(Expiry::Never),
            }),
        );
        for dir in [
            "/", "/etc", "/home", "/opt", "/root", "/srv", "/tmp", "/usr", "/var",
        ] {
            host.put(&Effect::MakeDir {
                path: AbsPath::parse(dir).expect("a valid path"),
                access: Access::default(),
            });
        }
        host
    }

    /// Makes something true of the host, as a starting state.
    pub fn put(&mut self, effect: &Effect) {
        self.state
            .foresee(effect, "the starting state", &Base(None));
        self.state.pending_install = None; // what was pending is there now
        if let Effect::Packages(transaction) = effect {
            for name in &transaction.upgrade {
                self.newer.remove(name);
            }
        }
        if let Effect::Clone(job) = effect {
            self.state.forget_shadows();
            for path in [job.dest.clone(), git_of(&job.dest)] {
                let access = Access {
                    owner: job.owner.clone(),
                    ..Access::default()
                };
                self.put(&Effect::MakeDir { path, access });
            }
            let checkout = Checkout {
                origin: Some(job.url.clone()),
                head: Some("1".repeat(40)),
                branch: None,
                rev: job.rev.clone(),
            };
            self.checkouts.insert(job.dest.clone(), checkout);
        }
    }

    /// Says that the package lists have a newer version.
    pub fn put_newer(&mut self, name: PackageName, version: PackageVersion) {
        self.newer.insert(name, version);
    }

    /// Says that a package needs another one.
    pub fn put_need(&mut self, name: PackageName, needed: PackageName) {
        self.needs.entry(name).or_default().push(needed);
    }

    /// Says what the next look of a health gate will show.
    pub fn put_look(&mut self, look: Looked) {
        self.looks.push_back(look);
    }

    /// What the host says no to.
    fn refuse(&self, effect: &Effect) -> Result<(), HostError> {
        let full = |path| self.holds_besides(path, &[]);
        let why = match effect {
            Effect::Remove { path, recursive } if !recursive && full(path)? => {
                format!("cannot remove {path}: the directory is not empty")
            }
            Effect::Clone(job) if self.checkout(&job.dest)?.is_none() && full(&job.dest)? => {
                format!("{} is neither empty nor a git working tree", job.dest)
            }
            Effect::Packages(transaction) => match self.objection(transaction)? {
                Some(why) => why,
                None => return Ok(()),
            },
            _ => return Ok(()),
        };
        Err(HostError::Refused(why))
    }

    fn unpack(&mut self, job: &UnpackJob) -> Result<(), HostError> {
        let missing = || HostError::MissingBlob(job.source.clone());
        let archive = self.blob(&job.hash)?.ok_or_else(missing)?;
        archive::unpack(io::Cursor::new(archive), job, self)
    }

    /// Adds a unit that systemd knows, stopped and disabled.
    pub fn put_unit(&mut self, unit: impl Into<UnitId>) {
        self.state.units.insert(unit.into(), Some(Unit::fresh()));
    }

    /// An entry whose owners are numbers, where they are known.
    fn numbered(&self, mut entry: Entry) -> Entry {
        if let Owner::Named(name) = &entry.owner
            && let Some(Some(User { uid: Some(uid), .. })) = self.state.users.get(name)
        {
            entry.owner = Owner::Id(*uid);
        }
        if let Owner::Named(name) = &entry.group
            && let Some(Some(Group { gid: Some(gid), .. })) = self.state.groups.get(name)
        {
            entry.group = Owner::Id(*gid);
        }
        entry
    }

    /// All that is there, by name and in words: paths, accounts, packages, units and settings.
    pub fn shows(&self) -> BTreeMap<String, String> {
        fn there<'a, K: fmt::Debug + 'a, V: fmt::Debug + 'a>(
            map: impl IntoIterator<Item = (&'a K, &'a Option<V>)>,
        ) -> Vec<(String, String)> {
            let there = map
                .into_iter()
                .filter_map(|(key, value)| Some((key, value.as_ref()?)));
            there
                .map(|(key, value)| (format!("{key:?}"), format!("{value:?}")))
                .collect()
        }
        let state = &self.state;
        let content = state.content.iter();
        let content = content.filter(|(path, _)| {
            let entry = state.paths.get(path).and_then(Option::as_ref);
            entry.is_some_and(|entry| matches!(entry.kind, EntryKind::File { .. }))
        });
        let content = content
            .map(|(path, content)| (format!("content of {path}"), content.hash().to_string()));
        let settings = state
            .settings
            .iter()
            .filter_map(|(setting, value)| match value {
                Fate::Is(Some(value)) => Some((setting.to_string(), value.clone())),
                _ => None,
            });
        let paths = state.paths.iter().map(|(path, entry)| {
            let entry = entry.clone().map(|entry| self.numbered(entry));
            (format!("{path:?}"), entry)
        });
        let paths: BTreeMap<String, Option<Entry>> = paths.collect();
        there(&paths)
            .into_iter()
            .chain(there(&state.users))
            .chain(there(&state.groups))
            .chain(there(&state.packages))
            .chain(there(&state.units))
            .chain(content)
            .chain(settings)
            .collect()
    }

    /// Adds a blob to the store and says its hash.
    pub fn put_blob(&mut self, bytes: &[u8]) -> Hash {
        let hash = blake3::hash(bytes);
        self.blobs.insert(*hash.as_bytes(), bytes.into());
        hash
    }
}

impl Observe for Memory {
    fn powers(&self) -> Powers {
        Powers {
            services: true,
            exec: true,
            packages: true,
            accounts: true,
            chown: true,
            kernel: true,
            reboots: true,
        }
    }

    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn prefetch(&self, _: &[Key]) {}

    fn path(&self, path: &AbsPath) -> Result<Option<Entry>, HostError> {
        Ok(self.state.paths.get(path).cloned().flatten())
    }

    fn holds_besides(&self, dir: &AbsPath, gone: &[AbsPath]) -> Result<bool, HostError> {
        let is_in = |path: &AbsPath| path.parent().as_ref() == Some(dir) && !gone.contains(path);
        let mut there = self.state.paths.iter().filter(|(_, entry)| entry.is_some());
        let is_dir = self
            .path(dir)?
            .is_some_and(|entry| entry.kind == EntryKind::Dir);
        Ok(is_dir && there.any(|(path, _)| is_in(path)))
    }

    fn entries(&self, dir: &AbsPath) -> Result<Vec<String>, HostError> {
        let there = self.state.paths.iter();
        let is_in = |path: &AbsPath| path.parent().as_ref() == Some(dir);
        Ok(there
            .filter(|(path, entry)| entry.is_some() && is_in(path))
            .filter_map(|(path, _)| path.name().map(ToOwned::to_owned))
            .collect())
    }

    fn hash(&self, path: &AbsPath) -> Result<Option<Hash>, HostError> {
        Ok(self.state.content.get(path).map(Content::hash))
    }

    fn read(&self, path: &AbsPath) -> Result<Option<Arc<[u8]>>, HostError> {
        match self.state.content.get(path) {
            None => Ok(None),
            Some(Content::Inline(bytes)) => Ok(Some(bytes.clone())),
            Some(Content::Blob { hash, .. }) => self.blob(hash),
        }
    }

    fn user(&self, name: &UserName) -> Result<Option<User>, HostError> {
        Ok(self.state.users.get(name).cloned().flatten())
    }

    fn group(&self, name: &GroupName) -> Result<Option<Group>, HostError> {
        Ok(self.state.groups.get(name).cloned().flatten())
    }

    fn user_numbered(&self, uid: u32) -> Result<Option<UserName>, HostError> {
        Ok(self.state.user_numbered(uid))
    }

    fn group_numbered(&self, gid: u32) -> Result<Option<GroupName>, HostError> {
        Ok(self.state.group_numbered(gid))
    }

    fn primary_users(&self, group: &GroupName) -> Result<Vec<UserName>, HostError> {
        let gid = self.group(group)?.and_then(|group| group.gid);
        Ok(self.state.primary_users(group, gid).cloned().collect())
    }

    fn package(&self, name: &PackageName) -> Result<Option<Package>, HostError> {
        Ok(self.state.packages.get(name).cloned().flatten())
    }

    fn newer(&self, name: &PackageName) -> Result<Newer, HostError> {
        Ok(self.newer.get(name).cloned().map_or(Newer::None, Newer::Is))
    }

    fn objection(&self, wanted: &Transaction) -> Result<Option<String>, HostError> {
        let mut gone = wanted.remove.clone();
        // What goes along may be needed too.
        while let Some((name, _)) = self.needs.iter().find(|(name, needs)| {
            let is_there = matches!(self.state.packages.get(*name), Some(Some(_)))
                || wanted.install.iter().any(|want| want.name == **name);
            is_there && !gone.contains(*name) && needs.iter().any(|need| gone.contains(need))
        }) {
            gone.push(name.clone());
        }
        let along = gone.split_off(wanted.remove.len());
        let names: Vec<_> = along.iter().map(PackageName::as_str).collect();
        let names = names.join(", ");
        let why = || format!("the package manager would remove {names}, which no block asks for");
        Ok((!names.is_empty()).then(why))
    }

    fn unit(&self, unit: &UnitId) -> Result<Option<Unit>, HostError> {
        let seen = self.state.units.get(unit).cloned().flatten();
        let UnitScope::User(user) = &unit.scope else {
            return Ok(seen);
        };
        let user = self.user(user)?;
        let home = user.and_then(|user| AbsPath::parse(&user.home).ok());
        let places = home.map(|home| unit_file::places_of_user(&unit.name, &home));
        let places = places.unwrap_or_default();
        if seen.is_some() && !self.state.foresees_any(&places) {
            return Ok(seen); // as if it came with the system
        }
        let entry = |path: &AbsPath| self.path(path).map(Fate::Is);
        let read = |path: &AbsPath| self.read(path).map(Fate::Is);
        match by_files(seen, &places, &entry, &read)? {
            Fate::Is(unit) => Ok(unit),
            Fate::Unknown(_) => unreachable!("a host in memory knows what it holds"),
        }
    }

    fn checkout(&self, path: &AbsPath) -> Result<Option<Checkout>, HostError> {
        let is_there = self.path(&git_of(path))?.is_some();
        Ok(self.checkouts.get(path).filter(|_| is_there).cloned())
    }

    fn setting(&self, setting: &Setting) -> Result<Option<String>, HostError> {
        Ok(match self.state.settings.get(setting) {
            Some(Fate::Is(value)) => value.clone(),
            _ => None,
        })
    }

    fn blob(&self, hash: &Hash) -> Result<Option<Arc<[u8]>>, HostError> {
        Ok(self.blobs.get(hash.as_bytes()).cloned())
    }

    fn has_blob(&self, hash: &Hash) -> bool {
        self.blobs.contains_key(hash.as_bytes())
    }

    fn remembers(&self, memo: &Memo) -> Result<bool, HostError> {
        Ok(self.state.memo(memo).unwrap_or(false))
    }

    fn fingerprint(&self, secret: &[u8]) -> String {
        fingerprint(secret)
    }
}

impl Mutate for Memory {
    fn keep(&mut self, paths: &[&AbsPath]) -> Result<PreImages, HostError> {
        let mut kept = PreImages::new();
        for path in paths {
            let is_file = |entry: Entry| matches!(entry.kind, EntryKind::File { .. });
            if self.path(path)?.is_some_and(is_file)
                && let Some(bytes) = self.read(path)?
            {
                let size = u64::try_from(bytes.len()).expect("a length fits 64 bits");
                let kept_as = PreImage {
                    hash: self.put_blob(&bytes),
                    size,
                    attributes: Vec::new(),
                };
                kept.insert((*path).clone(), Ok(kept_as));
            }
        }
        Ok(kept)
    }

    fn perform(
        &mut self,
        batch: &[Effect],
        _: &mut dyn FnMut(usize, Progress),
    ) -> Vec<Result<Done, HostError>> {
        let mut answers = Vec::new();
        for effect in batch {
            let answer = match (self.refuse(effect), effect) {
                (Ok(()), Effect::Unpack(job)) => self.unpack(job),
                (answer, _) => answer,
            };
            let answer = answer.map(|()| Done::default());
            let failed = answer.is_err();
            answers.push(answer);
            if failed {
                break;
            }
            if !matches!(effect, Effect::Unpack(_)) {
                self.put(effect);
            }
        }
        answers
    }

    fn guard(&mut self, _: &crate::effect::Command) -> Result<bool, HostError> {
        Ok(true)
    }

    fn probe(&mut self, _: &Probe, _: std::time::Duration) -> Looked {
        self.looks.pop_front().unwrap_or_default()
    }

    fn reboot(&mut self, _: std::time::Duration) -> Result<(), HostError> {
        self.state.settings.remove(&Setting::Reboot);
        Ok(())
    }

    fn pause(&mut self, _: std::time::Duration) {}
}

impl Sink for Memory {
    fn keep(&mut self, from: &mut dyn io::Read, most: u64) -> Result<Content, HostError> {
        let bytes = archive::at_most(from, most)
            .map_err(|why| HostError::Refused(format!("cannot unpack a file: {why}")))?;
        Ok(Content::Inline(bytes.into()))
    }

    fn again(&mut self, path: &AbsPath) -> Result<Content, HostError> {
        let none =
            || HostError::Refused(format!("the archive links to {path}, which is not there"));
        self.state.content.get(path).cloned().ok_or_else(none)
    }

    fn has_dir(&mut self, path: &AbsPath) -> Result<bool, HostError> {
        let entry = self.path(path)?;
        Ok(entry.is_some_and(|entry| entry.kind == EntryKind::Dir))
    }

    fn put(&mut self, effect: Effect) -> Result<(), HostError> {
        let lies = |path| self.path(path).map(|entry| entry.map(|entry| entry.kind));
        let clash = match &effect {
            Effect::MakeDir { path, .. } => lies(path)?.is_some_and(|kind| kind != EntryKind::Dir),
            Effect::Link { path, .. } => matches!(lies(path)?, Some(EntryKind::Dir)),
            Effect::WriteFile(file) => {
                !matches!(lies(&file.path)?, None | Some(EntryKind::File { .. }))
            }
            _ => false,
        };
        if clash {
            return Err(HostError::Refused("something else lies there".to_owned()));
        }
        Self::put(self, &effect);
        Ok(())
    }
}

/// What makes a directory a git working tree.
fn git_of(tree: &AbsPath) -> AbsPath {
    tree.join(".git").expect("a plain part")
}

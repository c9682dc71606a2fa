//! A whole host in memory: the overlay over nothing. An honest second implementation, for
//! properties that need many hosts.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::effect::{Access, Content, Effect};
use crate::host::facts::Facts;
use crate::host::overlay::{Base, Overlay, fingerprint};
use crate::host::{
    Checkout, Done, Entry, Group, Hash, HostError, Key, Mutate, Observe, Package, Powers, Progress,
    Unit, User,
};
use crate::name::{AbsPath, GroupName, PackageName, UnitName, UserName};

/// A whole host in memory: the overlay over nothing. An honest second implementation, for
/// properties that need many hosts.
pub struct Memory {
    state: Overlay,
    facts: Facts,
    blobs: BTreeMap<[u8; 32], Arc<[u8]>>,
}

impl Memory {
    /// An empty host: a root directory, root's account, nothing else.
    pub fn new(facts: Facts) -> Self {
        let mut host = Self {
            state: Overlay::default(),
            facts,
            blobs: BTreeMap::new(),
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
    }

    /// Adds a unit that systemd knows, stopped and disabled.
    pub fn put_unit(&mut self, name: UnitName) {
        let unit = Unit {
            active: "inactive".into(),
            enabled: "disabled".into(),
            condition_failed: false,
        };
        self.state.units.insert(name, Some(unit));
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
        }
    }

    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn prefetch(&self, _: &[Key]) {}

    fn path(&self, path: &AbsPath) -> Result<Option<Entry>, HostError> {
        Ok(self.state.paths.get(path).cloned().flatten())
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

    fn package(&self, name: &PackageName) -> Result<Option<Package>, HostError> {
        Ok(self.state.packages.get(name).cloned().flatten())
    }

    fn unit(&self, name: &UnitName) -> Result<Option<Unit>, HostError> {
        Ok(self.state.units.get(name).cloned().flatten())
    }

    fn checkout(&self, _: &AbsPath) -> Result<Option<Checkout>, HostError> {
        Ok(None)
    }

    fn blob(&self, hash: &Hash) -> Result<Option<Arc<[u8]>>, HostError> {
        Ok(self.blobs.get(hash.as_bytes()).cloned())
    }

    fn has_blob(&self, hash: &Hash) -> bool {
        self.blobs.contains_key(hash.as_bytes())
    }

    fn fingerprint(&self, secret: &[u8]) -> String {
        fingerprint(secret)
    }
}

impl Mutate for Memory {
    fn perform(
        &mut self,
        batch: &[Effect],
        _: &mut dyn FnMut(usize, Progress),
    ) -> Vec<Result<Done, HostError>> {
        for effect in batch {
            self.put(effect);
        }
        batch.iter().map(|_| Ok(Done::default())).collect()
    }

    fn guard(&mut self, _: &crate::effect::Command) -> Result<bool, HostError> {
        Ok(true)
    }

    fn pause(&mut self, _: std::time::Duration) {}
}

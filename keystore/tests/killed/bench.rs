//! A directory with keystores as a workstation has them, and what can be known of it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use hpt_keystore::{
    ClientName, Existing, FileError, LoadError, NewTarget, TargetName, backup, client, gen_target,
    target,
};

/// `client.db`, keystores for targets, and `copy`, a backup.
pub(super) struct Bench {
    dir: tempfile::TempDir,
}

/// What a client's keystore holds: its own fingerprint, and each target's with the pre-shared key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) own: String,
    pub(super) targets: BTreeMap<String, (String, [u8; 32])>,
}

impl Bench {
    fn empty() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    /// What there is before a verb: mostly `client.db` with the targets db1 and web1, and
    /// `web1.keystore`.
    pub(super) fn before(verb: &str) -> Self {
        let bench = Self::empty();
        if verb == "create" {
            return bench;
        }
        client::create(&bench.path("client.db"), None, Existing::Keep).unwrap();
        bench.generate("db1");
        bench.generate("web1");
        fs::remove_file(bench.path("db1.keystore")).unwrap();
        if verb == "restore" {
            backup(&bench.path("client.db"), &bench.path("copy")).unwrap();
            client::remove(&bench.path("client.db"), &name("db1")).unwrap();
        }
        bench
    }

    /// Another directory with the same in it.
    pub(super) fn copied(&self) -> Self {
        let twin = Self::empty();
        for name in self.names() {
            fs::copy(self.path(&name), twin.path(&name)).unwrap();
        }
        twin
    }

    pub(super) fn home(&self) -> &Path {
        self.dir.path()
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(super) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dir.path()).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// A file's bytes, if there is one.
    pub(super) fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.path(name)).ok()
    }

    /// A file of this name is a whole keystore of a client, or there is none.
    pub(super) fn client(&self, name: &str) -> Option<State> {
        let keys = match client::load(&self.path(name)) {
            Err(LoadError::File(FileError::Missing { .. })) => return None,
            keys => keys.unwrap_or_else(|error| panic!("{error}")),
        };
        let targets = keys.targets.iter().map(|target| {
            let keys = (target.identity.fingerprint(), *target.psk.expose());
            (target.name.to_string(), keys)
        });
        Some(State {
            own: keys.own.identity().fingerprint(),
            targets: targets.collect(),
        })
    }

    /// What a client pins who has made this target's keystore, if there is one.
    pub(super) fn target(&self, name: &str) -> Option<(String, [u8; 32])> {
        let keys = match target::load(&self.path(name)) {
            Err(LoadError::File(FileError::Missing { .. })) => return None,
            keys => keys.unwrap_or_else(|error| panic!("{error}")),
        };
        let [client] = &keys.clients[..] else {
            panic!("it has one client")
        };
        Some((keys.own.identity().fingerprint(), *client.psk.expose()))
    }

    /// The bits of any file here that would let others in, or run it.
    pub(super) fn loose_bits(&self) -> u32 {
        let modes = self.names().into_iter().map(|name| {
            let meta = fs::symlink_metadata(self.path(&name)).unwrap();
            meta.permissions().mode()
        });
        modes.fold(0, |all, mode| all | mode & 0o7177)
    }

    fn generate(&self, target: &str) {
        let new = NewTarget {
            name: name(target),
            client: ClientName::parse("laptop").unwrap(),
            address: None,
            now: 1,
        };
        let output = self.path(&format!("{target}.keystore"));
        gen_target(&self.path("client.db"), &output, new, Existing::Replace).unwrap();
    }

    /// Writes once more, and so takes away what is left over of who was killed.
    pub(super) fn write_again(&self) {
        let keystore = self.path("client.db");
        if self.bytes("client.db").is_none() {
            client::create(&keystore, None, Existing::Keep).unwrap();
        } else {
            hpt_keystore::set_passphrase(&keystore, hpt_keystore::Role::Client, None, None)
                .unwrap();
        }
        for left in self.names() {
            match left
                .strip_prefix('.')
                .and_then(|left| left.split('.').next())
            {
                Some("copy") => backup(&keystore, &self.path("copy")).unwrap(),
                Some(target) => self.generate(target),
                None => {}
            }
        }
        let left: Vec<_> = self
            .names()
            .into_iter()
            .filter(|name| name.starts_with('.'))
            .collect();
        assert_eq!(left, [""; 0]);
    }
}

fn name(text: &str) -> TargetName {
    TargetName::parse(text).unwrap()
}

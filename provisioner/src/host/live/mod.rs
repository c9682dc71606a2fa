//! The real host: `/`, or the root directory of one that does not run.

mod access;
mod account_calls;
mod accounts;
mod act;
mod blobs;
mod busybox_calls;
mod checked;
mod checkout;
mod command;
mod deadline;
mod directory;
mod durable;
mod edit_accounts;
mod exec;
mod files;
mod fresh;
mod git;
mod git_auth;
mod keep;
mod locks;
mod managers;
mod memos;
mod observe;
mod paths;
mod private;
mod probe;
mod processes;
mod remove;
mod running;
mod settings;
mod snapshot;
mod spot;
mod stamp;
mod sys;
mod systemd;
mod systemds;
mod tail;
mod temps;
mod unit_jobs;
mod unit_list;
mod unpack;
mod user_bus;
mod write;
mod xattrs;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::accounts::Accounts;
use self::blobs::Blobs;
use self::command::Spawn;
use self::files::HashCache;
pub use self::keep::LONGEST as LONGEST_KEPT;
use self::managers::{Manager, Needs, Packages};
use self::memos::Memos;
use self::paths::Tree;
use self::snapshot::Snapshot;
use self::spot::{failed, stat_outside};
use self::stamp::{Parsed, Stamp};
use self::systemd::Systemd;
use self::systemds::Systemds;
use self::temps::Temps;
use crate::host::facts::Facts;
use crate::host::{Hash, HostError, Observe, Powers};
use crate::name::{AbsPath, UnitScope};

/// As long as an account file may be.
const MOST_ACCOUNTS: u64 = 64 << 20;

/// As long as the record of a package manager may be; the usual one has a few MiB.
const MOST_RECORD: u64 = 256 << 20;

/// Where a host is and what it is given.
pub struct Options {
    /// `/`, or the directory of a root that does not run.
    pub root: PathBuf,
    /// The directory of the blobs that were sent for the run.
    pub blobs: PathBuf,
    /// The directory of what hpt remembers between runs; made when it is needed.
    pub memos: PathBuf,
    /// The directory of the contents of files that runs have replaced; made when it is needed.
    pub pre_images: PathBuf,
    /// The host's own key for fingerprints of secrets.
    pub fingerprint_key: [u8; 32],
    /// Whether a run goes on when the host is rebooted in its midst.
    pub reboots: bool,
    /// What earlier plans have read.
    pub kept: Arc<Kept>,
}

/// What a plan need not read again, as long as the files that it comes from show the same stat:
/// hashes of contents, and the record of the package manager, which may take a process.
#[derive(Default)]
pub struct Kept {
    hashes: HashCache,
    packages: Parsed<Packages>,
    /// What is installed needs of each other; read where something is removed.
    needs: Parsed<Needs>,
}

/// The host that hpt runs on.
///
/// What [`Observe::prefetch`] reads is kept and answers all later questions, so that one plan sees
/// one state; another `prefetch`, and every change made through
/// [`Mutate`](crate::host::Mutate), drops it.
pub struct Live {
    tree: Tree,
    powers: Powers,
    facts: Facts,
    key: [u8; 32],
    kept: Arc<Kept>,
    blobs: Blobs,
    /// What runs have replaced.
    pre_images: Blobs,
    spared: keep::Spared,
    memos: Memos,
    temps: Temps,
    accounts: Parsed<Accounts>,
    manager: Option<&'static dyn Manager>,
    systemds: Systemds,
    snapshot: Snapshot,
}

impl Live {
    /// Opens a host.
    ///
    /// # Errors
    /// If the root directory cannot be opened.
    pub fn open(options: Options) -> Result<Self, HostError> {
        let tree = Tree::open(&options.root)?;
        let facts = Facts::read(&options.root);
        let manager = managers::named(&facts.package_manager);
        let powers = powers(&tree, manager.is_some(), options.reboots);
        Ok(Self {
            facts,
            manager,
            powers,
            tree,
            key: options.fingerprint_key,
            kept: options.kept,
            blobs: Blobs::new(options.blobs).and(options.pre_images.clone()),
            pre_images: Blobs::new(options.pre_images),
            spared: keep::Spared::default(),
            memos: Memos::new(options.memos),
            temps: Temps::new(),
            accounts: Parsed::default(),
            systemds: Systemds::default(),
            snapshot: Snapshot::default(),
        })
    }

    /// Lends contents for this run that are not in the store: secrets, and what is short.
    #[must_use]
    pub fn lend(mut self, contents: HashMap<Hash, Arc<[u8]>>) -> Self {
        self.blobs.lend(contents);
        self
    }

    /// Removes what a run that died has left beside these paths. Best effort: an orphan harms nobody.
    pub fn sweep<'p>(&self, paths: impl Iterator<Item = &'p AbsPath>) {
        let mut swept = HashSet::new();
        for path in paths.filter(|path| swept.insert(path.as_path().parent())) {
            if let Ok(Some(spot)) = self.tree.spot(path) {
                self.temps.sweep(&spot.dir);
            }
        }
    }

    /// The account files, as they were when first asked for since the host last changed.
    fn accounts(&self) -> Result<Arc<Accounts>, HostError> {
        self.snapshot.accounts(|| self.read_accounts())
    }

    fn read_accounts(&self) -> Result<Arc<Accounts>, HostError> {
        let [passwd, group, shadow] = ["/etc/passwd", "/etc/group", "/etc/shadow"].map(fixed);
        let stamps = [&passwd, &group, &shadow].map(|path| self.stamp(path));
        let [at_passwd, at_group, at_shadow] = stamps;
        self.accounts
            .get(vec![at_passwd?, at_group?, at_shadow?], || {
                let read = |path| self.read_up_to(path, MOST_ACCOUNTS);
                let passwd = read(&passwd)?.unwrap_or_default();
                let group = read(&group)?.unwrap_or_default();
                // Only root may read shadow; then a password is unknown.
                let shadow = read(&shadow).ok().flatten();
                Ok(Accounts::parse(&passwd, &group, shadow.as_deref()))
            })
    }

    /// Adds what other sources say of a name that no account file has. They are asked by a process,
    /// and only if the host is set up to have any.
    fn accounts_with(
        &self,
        accounts: Arc<Accounts>,
        database: &str,
        name: &str,
    ) -> Result<Arc<Accounts>, HostError> {
        let known = match database {
            "passwd" => accounts.passwd(name).is_some(),
            _ => accounts.gid(name).is_some(),
        };
        if known || !self.tree.is_live() {
            return Ok(accounts);
        }
        let conf = self.read_up_to(&fixed("/etc/nsswitch.conf"), files::MOST_READ)?;
        let conf = String::from_utf8_lossy(&conf.unwrap_or_default()).into_owned();
        if !accounts::has_other_sources(&conf, database) {
            return Ok(accounts);
        }
        let (_, line) = Spawn::tool("getent", ["--", database, name]).listen(&mut |_, _| {})?;
        let mut accounts = Accounts::clone(&accounts);
        accounts.learn(&line.text());
        Ok(Arc::new(accounts))
    }

    /// The record of the package manager, likewise.
    fn packages(&self) -> Result<Arc<Packages>, HostError> {
        self.snapshot.packages(|| self.read_packages())
    }

    fn read_packages(&self) -> Result<Arc<Packages>, HostError> {
        let Some(manager) = self.manager else {
            return Ok(Arc::default());
        };
        let stamp = |path: &&str| {
            let stamp = self.stamp(&fixed(path))?;
            // A write-ahead log without anything in it is made anew by each reader.
            Ok(stamp.filter(|stamp| !(stamp.is_empty() && path.ends_with("-wal"))))
        };
        let stamps = manager.record_files().iter().map(stamp);
        let stamps = stamps.collect::<Result<Vec<_>, HostError>>()?;
        self.kept.packages.get(stamps, || manager.record(self))
    }

    /// What dpkg's packages need of each other.
    fn needs(&self) -> Result<Arc<Needs>, HostError> {
        let stamp = self.stamp(&fixed(managers::DPKG_STATUS))?;
        let read = || self.read_fixed(managers::DPKG_STATUS);
        self.kept.needs.get(vec![stamp], || {
            Ok(Needs::parse(&String::from_utf8_lossy(&read()?)))
        })
    }

    /// The content of a file that hpt itself names; empty if it is not there.
    fn read_fixed(&self, path: &str) -> Result<Vec<u8>, HostError> {
        let path =
            AbsPath::parse(path).map_err(|bad| HostError::Refused(format!("{path}: {bad}")))?;
        Ok(self.read_up_to(&path, MOST_RECORD)?.unwrap_or_default())
    }

    /// The names in a directory that hpt itself names; none if it is not there.
    fn names_in(&self, dir: &str) -> Result<Vec<String>, HostError> {
        self.entries(&fixed(dir))
    }

    fn stamp(&self, path: &AbsPath) -> Result<Option<Stamp>, HostError> {
        let Some(spot) = self.tree.spot(path)? else {
            return Ok(None);
        };
        let stat = spot.stat().map_err(|e| failed("cannot look at", path, e))?;
        Ok(stat.map(|stat| Stamp::of(&stat)))
    }

    fn read_up_to(&self, path: &AbsPath, most: u64) -> Result<Option<Vec<u8>>, HostError> {
        let spot = self.tree.spot(path)?;
        spot.map_or(Ok(None), |spot| files::read_up_to(&spot, path, most))
    }

    /// The systemd that runs the units of a scope.
    fn systemd_of(&self, scope: &UnitScope) -> Result<Arc<Systemd>, HostError> {
        match scope {
            UnitScope::System => Ok(self.systemds.host()),
            UnitScope::User(name) => {
                let accounts = self.accounts_with(self.accounts()?, "passwd", name.as_str())?;
                let uid = accounts.needed_user(name)?.uid;
                Ok(self.systemds.of_user(name, uid))
            }
        }
    }

    /// Drops what was read: the host is about to change, or has.
    fn forget(&mut self) {
        self.snapshot = Snapshot::default();
    }
}

fn no_services() -> HostError {
    HostError::Refused("units need root rights and a root in which systemd runs".into())
}

/// A path that hpt itself names.
fn fixed(path: &str) -> AbsPath {
    AbsPath::parse(path).expect("a literal path is absolute and plain")
}

fn powers(tree: &Tree, manager: bool, reboots: bool) -> Powers {
    let root = rustix::process::geteuid().is_root();
    let has = |path: &str| stat_outside(Path::new(path)).is_some();
    let there = |path: &str| stat_outside(&tree.outside(&fixed(path))).is_some();
    Powers {
        services: root && tree.is_live() && has("/run/systemd/system"),
        exec: tree.is_live(),
        packages: root && tree.is_live() && manager,
        accounts: root
            && edit_accounts::can_edit(tree.is_live())
            && there("/etc/passwd")
            && there("/etc/group"),
        chown: root,
        kernel: root && tree.is_live(),
        reboots: reboots && root && tree.is_live(),
    }
}

#[cfg(test)]
mod tests;

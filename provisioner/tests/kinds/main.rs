//! What each kind of block promises, on hosts in memory: what it decides, and that a second run
//! changes nothing. The faults of the original hpt each have their case here.

#![allow(clippy::unwrap_used, reason = "what a test leans on must hold")]

mod accounts;
mod archives;
mod checks;
mod clones;
mod commands;
mod edits;
mod files;
mod firewall;
mod kernel;
mod mounts;
mod outcomes;
mod own_files;
mod packages;
mod powers;
mod reboots;
mod renamed;
mod repos;
mod results;
#[path = "../scaffold/mod.rs"]
mod scaffold;
mod services;
mod sudoers;
mod system;
mod trees;
mod undos;
mod units;
mod user_services;
mod waits;

use std::collections::BTreeMap;
use std::sync::Arc;

use hpt_provisioner::config::scope::Scope;
use hpt_provisioner::config::{self, Config};
use hpt_provisioner::effect::{
    Access, Command, Content, Effect, GroupEdit, Program, Transaction, UserEdit, UserShape, Want,
    WriteFile,
};
use hpt_provisioner::host::facts::Facts;
use hpt_provisioner::host::memory::Memory;
use hpt_provisioner::host::probe::{Looked, Probe};
use hpt_provisioner::host::{
    Checkout, Done, Entry, Group, Hash, HostError, Key, Mutate, Newer, Observe, Package, Powers,
    Progress, Unit, User,
};
use hpt_provisioner::name::{
    AbsPath, GroupName, Mode, PackageName, PackageVersion, SysctlKey, UnitId, UnitName, UnitScope,
    UserName,
};
use hpt_provisioner::plan::{Plan, Planned, Reveal, Verdict, plan};
use hpt_provisioner::report::Outcome;
use hpt_provisioner::run::apply;
use hpt_provisioner::source::{Blob, Source};
use hpt_provisioner::undo::PreImages;
use scaffold::{config_in, file, files, path, scope};

/// A memory host that lacks powers, or has units that the memory host cannot have.
struct Host {
    inner: Memory,
    powers: Powers,
    unit: Option<Unit>,
    half_configured: bool,
    /// Whether kernel parameters can be set by nobody.
    read_only: bool,
    /// The scripts that it has run.
    ran: Vec<String>,
}

impl Host {
    /// What a running Debian host has to begin with.
    fn new() -> Self {
        let mut inner = Memory::new(Facts::default());
        for dir in ["/usr/sbin", "/etc/sudoers.d"] {
            inner.put(&Effect::MakeDir {
                path: path(dir),
                access: Access::default(),
            });
        }
        inner.put(&written("/usr/sbin/visudo", "", 0o755));
        let powers = inner.powers();
        Self {
            inner,
            powers,
            unit: None,
            half_configured: false,
            read_only: false,
            ran: Vec::new(),
        }
    }

    fn text(&self, at: &str) -> String {
        let bytes = self
            .inner
            .read(&path(at))
            .unwrap()
            .unwrap_or_else(|| panic!("no file {at}"));
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    fn entry(&self, at: &str) -> Option<Entry> {
        self.inner.path(&path(at)).unwrap()
    }
}

macro_rules! pass_on {
    ($($name:ident($($arg:ident: $type:ty),*) -> $out:ty;)*) => {
        $(fn $name(&self, $($arg: $type),*) -> $out { self.inner.$name($($arg),*) })*
    };
}

impl Observe for Host {
    fn is_read_only(&self, _: &SysctlKey) -> bool {
        self.read_only
    }

    pass_on! {
        facts() -> &Facts;
        prefetch(keys: &[Key]) -> ();
        path(path: &AbsPath) -> Result<Option<Entry>, HostError>;
        holds_besides(dir: &AbsPath, gone: &[AbsPath]) -> Result<bool, HostError>;
        entries(dir: &AbsPath) -> Result<Vec<String>, HostError>;
        hash(path: &AbsPath) -> Result<Option<Hash>, HostError>;
        read(path: &AbsPath) -> Result<Option<Arc<[u8]>>, HostError>;
        user(name: &UserName) -> Result<Option<User>, HostError>;
        group(name: &GroupName) -> Result<Option<Group>, HostError>;
        primary_users(group: &GroupName) -> Result<Vec<UserName>, HostError>;
        user_numbered(uid: u32) -> Result<Option<UserName>, HostError>;
        group_numbered(gid: u32) -> Result<Option<GroupName>, HostError>;
        newer(name: &PackageName) -> Result<Newer, HostError>;
        objection(wanted: &Transaction) -> Result<Option<String>, HostError>;
        checkout(path: &AbsPath) -> Result<Option<Checkout>, HostError>;
        setting(setting: &hpt_provisioner::host::setting::Setting) -> Result<Option<String>, HostError>;
        blob(hash: &Hash) -> Result<Option<Arc<[u8]>>, HostError>;
        has_blob(hash: &Hash) -> bool;
        remembers(memo: &hpt_provisioner::host::Memo) -> Result<bool, HostError>;
        fingerprint(secret: &[u8]) -> String;
    }

    fn powers(&self) -> Powers {
        self.powers
    }

    fn package(&self, name: &PackageName) -> Result<Option<Package>, HostError> {
        let configured = !self.half_configured;
        Ok(self
            .inner
            .package(name)?
            .map(|p| Package { configured, ..p }))
    }

    fn unit(&self, name: &UnitId) -> Result<Option<Unit>, HostError> {
        self.unit
            .clone()
            .map_or_else(|| self.inner.unit(name), |unit| Ok(Some(unit)))
    }
}

impl Mutate for Host {
    fn keep(&mut self, paths: &[&AbsPath]) -> Result<PreImages, HostError> {
        self.inner.keep(paths)
    }

    fn perform(
        &mut self,
        batch: &[Effect],
        tell: &mut dyn FnMut(usize, Progress),
    ) -> Vec<Result<Done, HostError>> {
        for effect in batch {
            if matches!(effect, Effect::Packages(_)) {
                self.half_configured = false;
            }
            if let Effect::Run(command) = effect
                && let Program::Script { text, .. } = &command.program
            {
                self.ran.push(text.expose().to_owned());
            }
        }
        self.inner.perform(batch, tell)
    }

    fn guard(&mut self, guard: &Command) -> Result<bool, HostError> {
        self.inner.guard(guard)
    }

    fn probe(&mut self, probe: &Probe, most: std::time::Duration) -> Looked {
        self.inner.probe(probe, most)
    }

    fn reboot(&mut self, most: std::time::Duration) -> Result<(), HostError> {
        self.inner.reboot(most)
    }

    fn pause(&mut self, time: std::time::Duration) {
        self.inner.pause(time);
    }
}

fn written(at: &str, text: &str, mode: u32) -> Effect {
    let access = Access {
        mode: Some(Mode::new(mode)),
        ..Access::default()
    };
    file(at, text, access)
}

fn directory(at: &str) -> Effect {
    Effect::MakeDir {
        path: path(at),
        access: Access::default(),
    }
}

fn user(name: &str) -> UserEdit {
    UserEdit::Add {
        name: UserName::parse(name).unwrap(),
        as_: UserShape::default(),
        system: false,
        create_home: true,
    }
}

fn config_with(text: &str, blobs: BTreeMap<Source, Blob>) -> Config {
    let scope = Scope {
        blobs,
        ..scope(&[("db", "hunter2"), ("hash", "$6$salt$hash")])
    };
    config_in(text, scope)
}

fn config(text: &str) -> Config {
    config_with(text, BTreeMap::new())
}

fn look(config: &Config, host: &Host) -> Plan {
    plan(config, host, Reveal::Content)
}

fn only(plan: Plan) -> Planned {
    let [planned] = <[Planned; 1]>::try_from(plan.blocks).unwrap();
    planned
}

/// The one block of a text, planned.
fn planned(text: &str, host: &Host) -> (Verdict, String) {
    let planned = only(look(&config(text), host));
    (planned.verdict, planned.summary)
}

fn blocked(text: &str, host: &Host) -> String {
    let (verdict, why) = planned(text, host);
    assert_eq!(verdict, Verdict::Blocked, "{why}");
    why
}

/// Applies a text, and once more: the first run changes, the second changes nothing and says so.
fn settles(text: &str, host: &mut Host) {
    settles_with(&config(text), host);
}

fn settles_with(config: &Config, host: &mut Host) {
    let first = apply(config, host, &mut ());
    assert!(first.succeeded(), "{first:#?}");
    assert!(first.count(Outcome::Changed) > 0, "{first:#?}");
    let left = look(config, host);
    assert!(left.is_empty(), "{left:#?}");
    let second = apply(config, host, &mut ());
    assert_eq!(
        second.count(Outcome::Ok),
        config.blocks.len(),
        "{second:#?}"
    );
}

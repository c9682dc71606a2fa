//! Runs that are bound to a plan, on hosts that somebody else changes meanwhile: nothing is done that
//! was not planned, and nothing of the other's is replaced.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use hpt_provisioner::effect::{
    Access, Command, Effect, GroupEdit, Transaction, UserEdit, UserShape, Want,
};
use hpt_provisioner::host::facts::Facts;
use hpt_provisioner::host::memory::Memory;
use hpt_provisioner::host::probe::{Looked, Probe};
use hpt_provisioner::host::setting::Setting;
use hpt_provisioner::host::{
    Checkout, Done, Entry, Group, Hash, HostError, Key, Memo, Mutate, Newer, Observe, Package,
    Powers, Progress, Unit, User,
};
use hpt_provisioner::name::{AbsPath, GroupName, PackageName, SysctlKey, UnitId, UserName};
use hpt_provisioner::plan::{Reveal, Verdict, expect};
use hpt_provisioner::report::{Outcome, Report};
use hpt_provisioner::run::{apply, apply_bound};
use hpt_provisioner::undo::PreImages;

use super::generator::{Random, blocks};
use super::hosts::{WORLD, host};
use super::scaffold::{file, path};
use super::{PAIRS, SEED, parse};

/// What somebody else leaves in a file.
const THEIRS: &str = "theirs\n";

/// A host that somebody else changes at one moment of a run.
struct Shared {
    host: Memory,
    /// The change, and how many moments from now: before an effect is looked at once more, or after
    /// effects were performed.
    change: Option<(Effect, u64)>,
    /// How many such moments there were.
    moments: u64,
    /// All that was performed, in words.
    performed: Vec<String>,
    /// Of which of them what somebody else has left was replaced.
    replaced: Vec<String>,
    /// The paths that were changed.
    paths: Vec<AbsPath>,
}

impl Shared {
    fn new(host: Memory) -> Self {
        Self {
            host,
            change: None,
            moments: 0,
            performed: Vec::new(),
            replaced: Vec::new(),
            paths: Vec::new(),
        }
    }

    fn moment(&mut self) {
        self.moments += 1;
        match self.change.take() {
            Some((change, 0)) => self.put(&change),
            Some((change, left)) => self.change = Some((change, left - 1)),
            None => {}
        }
    }

    /// What lies somewhere has directories above it.
    fn put(&mut self, change: &Effect) {
        let above = change.path().and_then(AbsPath::parent);
        let above = std::iter::successors(above, AbsPath::parent);
        let missing = |path: &AbsPath| matches!(self.host.path(path), Ok(None));
        let missing: Vec<AbsPath> = above.take_while(missing).collect();
        if matches!(change, Effect::WriteFile(_)) {
            for path in missing.into_iter().rev() {
                let access = Access::default();
                self.host.put(&Effect::MakeDir { path, access });
            }
        }
        self.host.put(change);
    }

    fn is_theirs(&self, path: &AbsPath) -> bool {
        let content = self.host.read(path).ok().flatten();
        content.is_some_and(|content| *content == *THEIRS.as_bytes())
    }
}

impl Mutate for Shared {
    fn perform(
        &mut self,
        batch: &[Effect],
        tell: &mut dyn FnMut(usize, Progress),
    ) -> Vec<Result<Done, HostError>> {
        let is_own = |effect: &Effect| matches!(effect, Effect::Remember { .. });
        for effect in batch.iter().filter(|effect| !is_own(effect)) {
            if effect.path().is_some_and(|path| self.is_theirs(path)) {
                self.replaced.extend(words(effect));
            }
            self.performed.extend(words(effect));
            self.paths.extend(effect.path().cloned());
        }
        let done = self.host.perform(batch, tell);
        if !batch.iter().all(is_own) {
            self.moment();
        }
        done
    }

    fn keep(&mut self, paths: &[&AbsPath]) -> Result<PreImages, HostError> {
        self.host.keep(paths)
    }

    fn guard(&mut self, command: &Command) -> Result<bool, HostError> {
        self.host.guard(command)
    }

    fn refresh(&mut self) {
        self.moment();
    }

    fn probe(&mut self, probe: &Probe, most: Duration) -> Looked {
        self.host.probe(probe, most)
    }

    fn reboot(&mut self, most: Duration) -> Result<(), HostError> {
        self.host.reboot(most)
    }

    fn pause(&mut self, time: Duration) {
        self.host.pause(time);
    }
}

impl Observe for Shared {
    fn powers(&self) -> Powers {
        self.host.powers()
    }
    fn facts(&self) -> &Facts {
        self.host.facts()
    }
    fn prefetch(&self, keys: &[Key]) {
        self.host.prefetch(keys);
    }
    fn path(&self, path: &AbsPath) -> Result<Option<Entry>, HostError> {
        self.host.path(path)
    }
    fn holds_besides(&self, dir: &AbsPath, gone: &[AbsPath]) -> Result<bool, HostError> {
        self.host.holds_besides(dir, gone)
    }
    fn entries(&self, dir: &AbsPath) -> Result<Vec<String>, HostError> {
        self.host.entries(dir)
    }
    fn hash(&self, path: &AbsPath) -> Result<Option<Hash>, HostError> {
        self.host.hash(path)
    }
    fn read(&self, path: &AbsPath) -> Result<Option<Arc<[u8]>>, HostError> {
        self.host.read(path)
    }
    fn user(&self, name: &UserName) -> Result<Option<User>, HostError> {
        self.host.user(name)
    }
    fn group(&self, name: &GroupName) -> Result<Option<Group>, HostError> {
        self.host.group(name)
    }
    fn user_numbered(&self, uid: u32) -> Result<Option<UserName>, HostError> {
        self.host.user_numbered(uid)
    }
    fn group_numbered(&self, gid: u32) -> Result<Option<GroupName>, HostError> {
        self.host.group_numbered(gid)
    }
    fn primary_users(&self, group: &GroupName) -> Result<Vec<UserName>, HostError> {
        self.host.primary_users(group)
    }
    fn package(&self, name: &PackageName) -> Result<Option<Package>, HostError> {
        self.host.package(name)
    }
    fn newer(&self, name: &PackageName) -> Result<Newer, HostError> {
        self.host.newer(name)
    }
    fn objection(&self, wanted: &Transaction) -> Result<Option<String>, HostError> {
        self.host.objection(wanted)
    }
    fn unit(&self, unit: &UnitId) -> Result<Option<Unit>, HostError> {
        self.host.unit(unit)
    }
    fn checkout(&self, path: &AbsPath) -> Result<Option<Checkout>, HostError> {
        self.host.checkout(path)
    }
    fn setting(&self, setting: &Setting) -> Result<Option<String>, HostError> {
        self.host.setting(setting)
    }
    fn blob(&self, hash: &Hash) -> Result<Option<Arc<[u8]>>, HostError> {
        self.host.blob(hash)
    }
    fn has_blob(&self, hash: &Hash) -> bool {
        self.host.has_blob(hash)
    }
    fn remembers(&self, memo: &Memo) -> Result<bool, HostError> {
        self.host.remembers(memo)
    }
    fn fingerprint(&self, secret: &[u8]) -> String {
        self.host.fingerprint(secret)
    }
}

/// The least things that an effect does, each in words that tell it from all others.
fn words(effect: &Effect) -> Vec<String> {
    match effect {
        Effect::WriteFile(file) => vec![
            format!("write {} {}", file.path, file.content.hash()),
            format!("access {} {:?}", file.path, file.access),
        ],
        Effect::MakeDir { path, access } => {
            vec![format!("dir {path}"), format!("access {path} {access:?}")]
        }
        Effect::SetAccess { path, access } => vec![format!("access {path} {access:?}")],
        Effect::Link { path, to } => vec![format!("link {path} {to}")],
        Effect::Remove { path, recursive } => vec![format!("remove {path} {recursive}")],
        Effect::Packages(t) => {
            let install = t.install.iter().map(|want| format!("install {want:?}"));
            let upgrade = t.upgrade.iter().map(|name| format!("upgrade {name}"));
            let remove = t.remove.iter().map(|name| format!("remove {name}"));
            let hold = t.hold.iter().map(|name| format!("hold {name}"));
            let unhold = t.unhold.iter().map(|name| format!("unhold {name}"));
            install
                .chain(upgrade)
                .chain(remove)
                .chain(hold)
                .chain(unhold)
                .collect()
        }
        Effect::Group(GroupEdit::AddMembers { name, members }) => members
            .iter()
            .map(|member| format!("join {name} {member}"))
            .collect(),
        Effect::Group(edit) => vec![format!("group {edit:?}")],
        Effect::User(UserEdit::Add { name, as_, .. }) => {
            let add = format!("user {name} {:?} {:?}", as_.uid, as_.home);
            [vec![add], user_words(name, as_)].concat()
        }
        Effect::User(UserEdit::Modify { name, to }) => user_words(name, to),
        Effect::User(UserEdit::Remove { name, .. }) => vec![format!("remove user {name}")],
        Effect::Unit { unit, job } => vec![format!("{job:?} {unit}")],
        Effect::Set { setting, value } => vec![format!("set {setting} {value:?}")],
        Effect::Unpack(job) => vec![format!("unpack {} {}", job.hash, job.dest)],
        Effect::Clone(job) => vec![format!("clone {} {} {:?}", job.url, job.dest, job.rev)],
        Effect::Run(_) => vec!["run".to_owned()],
        Effect::Remember { memo, kept } => vec![format!("remember {memo:?} {kept}")],
    }
}

fn user_words(name: &UserName, shape: &UserShape) -> Vec<String> {
    let fields = [
        shape.uid.map(|v| format!("uid {v}")),
        shape.group.as_ref().map(|v| format!("group {v}")),
        shape.comment.as_ref().map(|v| format!("comment {v}")),
        shape.home.as_ref().map(|v| format!("home {v}")),
        shape.shell.as_ref().map(|v| format!("shell {v}")),
        shape.locked.map(|v| format!("locked {v}")),
        shape.expires.map(|v| format!("expires {v:?}")),
    ];
    let joins = shape.join.iter().map(|group| format!("join {group}"));
    let leaves = shape.leave.iter().map(|group| format!("leave {group}"));
    let all = fields.into_iter().flatten().chain(joins).chain(leaves);
    all.map(|field| format!("user {name} {field}")).collect()
}

/// What somebody else may do, mostly to what the run is about.
fn change(r: &mut Random, paths: &[AbsPath]) -> Effect {
    if !paths.is_empty() && r.chance(70) {
        let at = paths[usize::try_from(r.below(paths.len().try_into().unwrap())).unwrap()].clone();
        return if r.chance(70) {
            file(&at.to_string(), THEIRS, Access::default())
        } else {
            let recursive = true;
            Effect::Remove {
                path: at,
                recursive,
            }
        };
    }
    let user = UserName::parse(r.one(WORLD.names)).unwrap();
    let group = GroupName::parse(r.one(WORLD.names)).unwrap();
    let package = PackageName::parse(r.one(WORLD.packages)).unwrap();
    let at = path(r.one(WORLD.paths));
    match r.below(12) {
        0..5 => file(&at.to_string(), THEIRS, Access::default()),
        5 => Effect::Remove {
            path: at,
            recursive: true,
        },
        6 => Effect::User(UserEdit::Modify {
            name: user,
            to: UserShape {
                shell: Some(path("/bin/theirs")),
                ..UserShape::default()
            },
        }),
        7 => Effect::User(UserEdit::Remove {
            name: user,
            remove_home: false,
        }),
        8 => Effect::Group(GroupEdit::SetGid {
            name: group,
            gid: 4000,
        }),
        9 => Effect::Packages(Transaction {
            remove: vec![package],
            ..Transaction::default()
        }),
        10 => Effect::Packages(Transaction {
            install: vec![Want {
                name: package,
                version: None,
            }],
            ..Transaction::default()
        }),
        _ => Effect::Set {
            setting: Setting::Sysctl(SysctlKey::parse(WORLD.sysctls[0]).unwrap()),
            value: Some("7".to_owned()),
        },
    }
}

fn drifted(report: &Report) -> Option<usize> {
    let is_drift = |note: &str| note.starts_with("the host has moved since the plan");
    report.blocks.iter().position(|end| is_drift(&end.note))
}

/// A host that nobody else changes is as each block's plan says it will be by then.
#[test]
fn a_bound_run_alone_on_its_host_ends_as_any_other() {
    for pair in 0..PAIRS / 4 {
        let seed = SEED + pair;
        let world = || host(&mut Random(seed));
        let mut r = Random(seed);
        let mut free = host(&mut r);
        let text = blocks(&mut r, &WORLD).concat();
        let config = parse(&text);
        let mut bound = world();
        let (plan, expected) = expect(&config, &bound, Reveal::Content);
        let as_ever = apply(&config, &mut free, &mut ());
        let held = apply_bound(&config, expected, &mut bound, &mut ());
        assert_eq!(held, as_ever, "seed {seed:#x}\n{text}\n{:#?}", plan.blocks);
    }
}

/// Whatever somebody else does just before a block or just before it acts: the run does nothing that
/// was not planned, replaces nothing of theirs, and names the block at which it stops.
#[test]
fn a_bound_run_does_no_more_than_was_planned_whoever_interferes() {
    let (mut stopped, mut passed) = (0, 0);
    for pair in 0..PAIRS / 2 {
        let seed = SEED + pair;
        let mut r = Random(seed);
        let mut clean = Shared::new(host(&mut r));
        let text = blocks(&mut r, &WORLD).concat();
        let config = parse(&text);
        let mut shared = Shared::new(host(&mut Random(seed)));
        let (plan, expected) = expect(&config, &shared, Reveal::Content);
        // What was not known when it was planned is free.
        if plan.count(Verdict::Maybe) > 0 {
            continue;
        }
        // A run that fails does not come to all that was planned.
        let (_, alone) = expect(&config, &clean, Reveal::Content);
        if !apply_bound(&config, alone, &mut clean, &mut ()).succeeded() || clean.moments == 0 {
            continue;
        }
        let planned: BTreeSet<String> = clean.performed.into_iter().collect();
        let theirs = change(&mut r, &clean.paths);
        let their_words = words(&theirs);
        shared.change = Some((theirs, r.below(clean.moments)));
        let report = apply_bound(&config, expected, &mut shared, &mut ());
        let context = || {
            format!(
                "seed {seed:#x}\n{text}\n{their_words:?}\n{:#?}\n{:#?}\n{:#?}",
                plan.blocks, report.blocks, shared.performed
            )
        };
        let beyond: Vec<_> = shared
            .performed
            .iter()
            .filter(|word| !planned.contains(*word) && !word.starts_with("access"))
            .collect();
        assert!(beyond.is_empty(), "{beyond:?} {}", context());
        // Where nothing was before a package came, it is not known what is there then.
        let installs = planned.iter().any(|word| word.starts_with("install"));
        assert!(
            installs || shared.replaced.is_empty(),
            "{:?} {}",
            shared.replaced,
            context()
        );
        match drifted(&report) {
            Some(at) => {
                stopped += 1;
                let after = &report.blocks[at + 1..];
                let is_idle = |outcome| matches!(outcome, Outcome::NotRun);
                assert!(
                    after.iter().all(|end| is_idle(end.outcome)),
                    "{}",
                    context()
                );
                assert_eq!(report.blocks[at].outcome, Outcome::Failed, "{}", context());
            }
            None => passed += 1,
        }
    }
    println!("{stopped} runs were stopped, {passed} were not concerned");
    assert!(stopped > 100 && passed > 100, "{stopped} {passed}");
}

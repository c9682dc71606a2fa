//! A plan says exactly what an apply will do: random configs on random hosts in memory, each
//! planned, applied, and planned again.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

#[path = "drift/mod.rs"]
mod drift;
mod generator;
mod scaffold;
#[path = "since/mod.rs"]
mod since;

use std::collections::BTreeMap;
use std::io;

use generator::judge::{contradicts_itself, is_settled, keeps};
use generator::{Random, World, blocks};
use hpt_provisioner::config::scope::Scope;
use hpt_provisioner::config::{self, Config};
use hpt_provisioner::effect::{Access, Effect, GroupEdit, Transaction, UserEdit, UserShape, Want};
use hpt_provisioner::host::Observe;
use hpt_provisioner::host::facts::Facts;
use hpt_provisioner::host::memory::Memory;
use hpt_provisioner::host::setting::Setting;
use hpt_provisioner::listing::{Below, Listed, Listing};
use hpt_provisioner::name::{
    GroupName, Mode, ModuleName, PackageName, PackageVersion, SysctlKey, UnitName, UserName,
};
use hpt_provisioner::plan::{Reveal, Verdict, plan};
use hpt_provisioner::report::{Event, Outcome};
use hpt_provisioner::run::{Intent, Witness, apply};
use hpt_provisioner::source::{Blob, Source};
use hpt_provisioner::undo::{self, Before, Change, Fate};
use scaffold::{file, files, path, scope};

/// As many pairs of a config and a host.
const PAIRS: u64 = 10_000;
/// Printed with a failure; a pair is this plus its number.
const SEED: u64 = 0x6870_7400;

/// The names on these hosts, of which each has some.
const WORLD: World = World {
    names: &["ana", "bo", "web", "db"],
    paths: &[
        "/etc/a",
        "/etc/b",
        "/srv/d",
        "/srv/d/x",
        "/srv/d/e",
        "/srv/d/e/y",
        "/opt/l",
        "/nowhere/z",
    ],
    packages: &["nginx", "git", "curl"],
    versions: &[("nginx", "2.0"), ("git", "2.0"), ("curl", "2.0")],
    sysctls: &["net.ipv4.ip_forward", "vm.swappiness", "net.bridge.x"],
    modules: &["dummy", "bridge"],
    units: &["nginx", "cron"],
    timers: &["nginx", "cron"],
    programs: &["/bin/a", "/bin/b"],
    repositories: &["https://h/a", "https://h/b"],
    without: &[],
};

/// What the sources of a random config are, by their names.
fn sources() -> Vec<(&'static str, Vec<u8>)> {
    let mut sources = Vec::new();
    for (tar, list, content) in [("one.tar", "one", "1"), ("two.tar", "two", "2")] {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(1);
        let mut archive = tar::Builder::new(Vec::new());
        archive
            .append_data(&mut header, "x", content.as_bytes())
            .unwrap();
        sources.push((tar, archive.into_inner().unwrap()));
        let mut listing = Listing::default();
        for name in ["x", "e/y", content] {
            let content = Blob {
                hash: blake3::hash(content.as_bytes()),
                size: 1,
            };
            let executable = name == "e/y";
            let file = Listed::File {
                content,
                executable,
            };
            listing.add(Below::parse(name).unwrap(), file);
        }
        sources.push((list, listing.to_text().into_bytes()));
    }
    sources
}

fn host(r: &mut Random) -> Memory {
    let mut host = Memory::new(Facts::default());
    for (_, bytes) in sources() {
        host.put_blob(&bytes);
    }
    let [git, curl] = ["git", "curl"].map(|name| PackageName::parse(name).unwrap());
    host.put_need(git, curl);
    for content in [b"1", b"2"] {
        host.put_blob(content);
    }
    host.put(&Effect::MakeDir {
        path: path("/nowhere-else"),
        access: Access::default(),
    });
    for name in WORLD.names {
        if r.chance(40) {
            host.put(&Effect::Group(GroupEdit::Add {
                name: GroupName::parse(name).unwrap(),
                gid: Some(u32::try_from(2000 + r.below(3)).unwrap()),
                system: false,
            }));
        }
        if r.chance(40) {
            let as_ = UserShape {
                uid: Some(u32::try_from(1000 + r.below(50)).unwrap()),
                home: Some(path(&format!("/home/{name}"))),
                shell: Some(path("/bin/sh")),
                ..UserShape::default()
            };
            let create_home = r.chance(70);
            host.put(&Effect::User(UserEdit::Add {
                name: UserName::parse(name).unwrap(),
                as_,
                system: false,
                create_home,
            }));
            host.put(&Effect::Group(GroupEdit::SetGid {
                name: GroupName::parse(name).unwrap(),
                gid: 3000,
            }));
        }
    }
    sudoers(r, &mut host);
    for at in ["/srv/d", "/srv/d/e"] {
        if r.chance(40) {
            host.put(&Effect::MakeDir {
                path: path(at),
                access: Access::default(),
            });
        } else {
            break;
        }
    }
    system_files(r, &mut host);
    for at in ["/etc/a", "/etc/b", "/opt/l"] {
        let access = Access {
            mode: Some(Mode::new(0o644)),
            ..Access::default()
        };
        match r.below(4) {
            0 => host.put(&Effect::MakeDir {
                path: path(at),
                access,
            }),
            1 => host.put(&Effect::Link {
                path: path(at),
                to: "/etc/b".to_owned(),
            }),
            2 => host.put(&file(at, "one\n", access)),
            _ => {}
        }
    }
    set_up(r, &mut host);
    for package in WORLD.packages {
        if r.chance(40) {
            let name = PackageName::parse(package).unwrap();
            let version = PackageVersion::parse("1.0").ok();
            let hold = r.chance(20).then(|| name.clone());
            host.put(&Effect::Packages(Transaction {
                install: vec![Want {
                    name: name.clone(),
                    version,
                }],
                hold: hold.into_iter().collect(),
                ..Transaction::default()
            }));
            if r.chance(40) {
                host.put_newer(name, PackageVersion::parse("2.0").unwrap());
            }
        }
    }
    for unit in WORLD.units {
        if r.chance(60) {
            host.put_unit(UnitName::service(unit).unwrap());
        }
    }
    host
}

/// Rules of sudo that may be somebody's only way to become root.
fn sudoers(r: &mut Random, host: &mut Memory) {
    let web = GroupName::parse("web").unwrap();
    if r.chance(40) {
        let rules = "%web ALL=(ALL) ALL\n@includedir /etc/sudoers.d\n";
        host.put(&file("/etc/sudoers", rules, Access::default()));
    }
    let users = ["ana", "bo"].map(|name| UserName::parse(name).unwrap());
    for name in users {
        let are_there = host.group(&web).unwrap().is_some() && host.user(&name).unwrap().is_some();
        if are_there && r.chance(60) {
            host.put(&Effect::Group(GroupEdit::AddMembers {
                name: web.clone(),
                members: vec![name],
            }));
        }
    }
}

/// What the blocks of sudo, cron, limits and hosts rely on, or find.
fn system_files(r: &mut Random, host: &mut Memory) {
    for folders in [
        ["/etc/sudoers.d", "/etc/cron.d"],
        ["/etc/security", "/etc/security/limits.d"],
        ["/usr/sbin", "/usr/sbin"],
    ] {
        if r.chance(70) {
            for at in folders {
                host.put(&Effect::MakeDir {
                    path: path(at),
                    access: Access::default(),
                });
            }
        }
    }
    for at in ["/usr/sbin/visudo", "/etc/hosts"] {
        if r.chance(60) {
            host.put(&file(at, "10.0.0.1 web db # ours\n", Access::default()));
        }
    }
}

/// A kernel with parameters and modules, and perhaps a packet filter, a time zone and a mount.
fn set_up(r: &mut Random, host: &mut Memory) {
    for at in ["/usr/sbin", "/usr/share", "/usr/share/zoneinfo"] {
        host.put(&Effect::MakeDir {
            path: path(at),
            access: Access::default(),
        });
    }
    for at in ["/usr/share/zoneinfo/UTC", "/usr/sbin/nft"] {
        if r.chance(70) {
            host.put(&file(at, "", Access::default()));
        }
    }
    let set = |host: &mut Memory, setting, value: &str| {
        let value = Some(value.to_owned());
        host.put(&Effect::Set { setting, value });
    };
    set(host, Setting::Hostname, "ana");
    for key in &WORLD.sysctls[..2] {
        set(host, Setting::Sysctl(SysctlKey::parse(key).unwrap()), "0");
    }
    let module = Setting::Module(ModuleName::parse(WORLD.modules[0]).unwrap());
    set(host, module, r.one(&[Setting::LOADED, Setting::UNLOADED]));
    if r.chance(20) {
        set(host, Setting::Mounted(path("/srv/d")), "tmpfs tmpfs");
    }
}

fn parse(text: &str) -> Config {
    let blob = |(name, bytes): (&str, Vec<u8>)| {
        let (hash, size) = (blake3::hash(&bytes), u64::try_from(bytes.len()).unwrap());
        (Source::File(name.to_owned()), Blob { hash, size })
    };
    let scope = Scope {
        blobs: sources().into_iter().map(blob).collect(),
        ..scope(&[])
    };
    config::parse(files(text), scope).unwrap_or_else(|faults| panic!("{faults:#?}\n{text}"))
}

#[test]
fn what_is_planned_is_what_happens_and_then_nothing_is_left() {
    let (mut changed, mut blocked, mut empty) = (0, 0, 0);
    for pair in 0..PAIRS {
        let seed = SEED + pair;
        let mut r = Random(seed);
        let mut host = host(&mut r);
        let text = blocks(&mut r, &WORLD).concat();
        let config = parse(&text);
        let first = plan(&config, &host, Reveal::Content);
        let report = apply(&config, &mut host, &mut ());
        let context = || {
            format!(
                "seed {seed:#x}\n{text}\n{:#?}\n{:#?}",
                first.blocks, report.blocks
            )
        };
        let undone = report
            .blocks
            .iter()
            .any(|b| b.note.contains("a later block undid it"));
        for (planned, ended) in first.blocks.iter().zip(&report.blocks) {
            // A config that contradicts itself is told so, block by block; after the first failure nothing runs.
            if undone || ended.outcome == Outcome::NotRun {
                break;
            }
            assert!(
                keeps(planned.verdict, ended.outcome),
                "{} {}",
                planned.id,
                context()
            );
            if ended.outcome == Outcome::Failed {
                let foreseen = matches!(planned.verdict, Verdict::Blocked | Verdict::Maybe);
                assert!(foreseen, "{} failed unforeseen {}", planned.id, context());
                blocked += 1;
                break;
            }
            changed += usize::from(ended.outcome == Outcome::Changed);
        }
        let second = plan(&config, &host, Reveal::Content);
        let left = |i: &usize| !is_settled(second.blocks[*i].verdict);
        let left: Vec<usize> = (0..second.blocks.len()).filter(left).collect();
        if !report.succeeded() || contradicts_itself(&config, &left) {
            continue;
        }
        assert!(
            left.is_empty(),
            "{} is left {}",
            second.blocks[left[0]].id,
            context()
        );
        empty += 1;
    }
    // The generator must reach each of them, or it proves little.
    assert!(
        changed > 5_000 && blocked > 500 && empty > 1_000,
        "{changed} {blocked} {empty}"
    );
}

/// Remembers what a run replaces.
#[derive(Default)]
struct Journal {
    order: Vec<usize>,
    changes: BTreeMap<usize, Vec<Before>>,
}

impl Journal {
    /// What is undone, as an undo is given it.
    fn newest_first(&self, config: &Config) -> Vec<Change> {
        let change = |block: &usize| {
            let id = config.blocks[*block].id.clone();
            Change::new(id, self.changes[block].clone())
        };
        self.order.iter().rev().map(change).collect()
    }
}

impl Witness for Journal {
    fn intend(&mut self, intents: &[Intent]) -> io::Result<()> {
        for intent in intents {
            if !self.changes.contains_key(&intent.block) {
                self.order.push(intent.block);
            }
            // As a journal has it.
            let kept = intent
                .before
                .iter()
                .map(|before| Before::from_json(&before.to_json()));
            self.changes.entry(intent.block).or_default().extend(kept);
        }
        Ok(())
    }

    fn tell(&mut self, _: Event) {}

    fn settle(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn go_on(&mut self) -> bool {
        true
    }
}

/// Whatever a run has done, its undo leaves the host as it was before, or has said what stays.
#[test]
fn what_is_undone_is_as_it_was() {
    let (mut whole, mut partly) = (0, 0);
    for pair in 0..PAIRS {
        let seed = SEED + pair;
        let mut r = Random(seed);
        let mut host = host(&mut r);
        let text = blocks(&mut r, &WORLD).concat();
        let config = parse(&text);
        let before = host.shows();
        let mut journal = Journal::default();
        let report = apply(&config, &mut host, &mut journal);
        let changes = journal.newest_first(&config);
        let fates = undo::foresee(&changes, &host);
        let undone = undo::undo(&changes, &mut host, &mut ());
        let context = || {
            format!(
                "seed {seed:#x}\n{text}\n{:#?}\n{changes:#?}\n{fates:#?}\n{:#?}",
                report.blocks, undone.blocks
            )
        };
        for (fate, end) in fates.iter().zip(&undone.blocks) {
            let kept = match fate {
                Fate::Reverts { .. } => matches!(end.outcome, Outcome::Reverted | Outcome::Ok),
                Fate::Gone => matches!(end.outcome, Outcome::Ok | Outcome::Reverted),
                Fate::Stays { .. } => matches!(end.outcome, Outcome::Skipped | Outcome::Reverted),
            };
            assert!(kept, "{fate:?} {:?} {}", end.outcome, context());
        }
        if fates.iter().any(|fate| matches!(fate, Fate::Stays { .. })) {
            partly += 1;
            continue;
        }
        whole += usize::from(!changes.is_empty());
        let now = host.shows();
        // Units of the system's own below others, and numbers that nobody gave: this model has none.
        let is_modelled = |key: &&String| {
            let numbered = |of: &BTreeMap<String, String>| {
                of.get(*key).is_none_or(|value| !value.contains("id: None"))
            };
            !key.contains("Unit") && numbered(&before) && numbered(&now)
        };
        let keys = before.keys().chain(now.keys()).filter(is_modelled);
        let differs: Vec<_> = keys
            .map(|key| (key, before.get(key), now.get(key)))
            .filter(|(_, before, now)| before != now)
            .collect();
        assert!(differs.is_empty(), "{differs:#?} {}", context());
    }
    assert!(whole > 1_000 && partly > 1_000, "{whole} {partly}");
}

/// A home that a run has made goes with its user, unless somebody has put something into it since.
#[test]
fn a_home_that_is_as_it_was_made_goes_with_an_undo() {
    for (put, stays) in [(None, false), (Some("/home/ana/notes"), true)] {
        let mut host = Memory::new(Facts::default());
        let config = parse("[[user]]\nname = \"ana\"\nhome = \"/home/ana\"\n");
        let mut journal = Journal::default();
        assert!(apply(&config, &mut host, &mut journal).succeeded());
        let home = path("/home/ana");
        assert!(host.path(&home).unwrap().is_some());
        for skeleton in ["/etc/skel/.profile", "/home/ana/.profile"] {
            host.put(&file(skeleton, "PATH=x\n", Access::default()));
        }
        if let Some(at) = put {
            host.put(&file(at, "mine\n", Access::default()));
        }
        let changes = [Change::new(
            "user:ana".to_owned(),
            journal.changes[&0].clone(),
        )];
        let fates = undo::foresee(&changes, &host);
        assert_eq!(
            matches!(fates[..], [Fate::Stays { .. }]),
            stays,
            "{fates:?}"
        );
        let report = undo::undo(&changes, &mut host, &mut ());
        let is_there = host.path(&home).unwrap().is_some();
        assert_eq!(is_there, stays, "{report:?}");
        let ana = host.user(&UserName::parse("ana").unwrap()).unwrap();
        assert_eq!(ana.is_some(), stays, "nobody's files are left to a number");
    }
}

/// Hears of what is put back while it goes on.
#[derive(Default)]
struct Order(Vec<String>);

impl Witness for Order {
    fn intend(&mut self, intents: &[Intent]) -> io::Result<()> {
        self.0
            .extend(intents.iter().map(|intent| intent.what.clone()));
        Ok(())
    }

    fn tell(&mut self, event: Event) {
        if let Event::Finished(end) = event {
            self.0.push(format!("{} is {:?}", end.block, end.outcome));
        }
    }

    fn settle(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn go_on(&mut self) -> bool {
        true
    }
}

/// Whoever follows an undo hears of each block when it is put back for good, and of each once.
#[test]
fn an_undo_tells_of_each_block_when_it_is_put_back() {
    let mut host = Memory::new(Facts::default());
    let files: String = ["/etc/a", "/etc/b", "/etc/c"]
        .map(|at| format!("[[file]]\npath = \"{at}\"\ncontent = \"\"\n"))
        .concat();
    let config = parse(&files);
    let mut journal = Journal::default();
    assert!(apply(&config, &mut host, &mut journal).succeeded());
    let change = |block: &usize| Change::new(String::new(), journal.changes[block].clone());
    let changes: Vec<Change> = [2, 1, 0].iter().map(change).collect();
    let mut order = Order::default();
    let report = undo::undo(&changes, &mut host, &mut order);
    assert_eq!(report.count(Outcome::Reverted), 3);
    let told = [
        "remove /etc/c",
        "remove /etc/b",
        "remove /etc/a",
        "0 is Reverted",
        "1 is Reverted",
        "2 is Reverted",
    ];
    assert_eq!(order.0, told);
}

//! What leaves a config is an orphan, and pruning removes it: all that hpt made and no config owns, and
//! nothing that was there before hpt. Random configs one after another, on random hosts in memory.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod generator;
mod scaffold;

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use generator::{Random, World, blocks};
use hpt_provisioner::block::Block;
use hpt_provisioner::config::{self, Config, File};
use hpt_provisioner::effect::{Access, Effect, GroupEdit, Transaction, UserEdit, UserShape, Want};
use hpt_provisioner::host::facts::Facts;
use hpt_provisioner::host::memory::Memory;
use hpt_provisioner::ledger::{By, Deeds, Ledger, Stage};
use hpt_provisioner::name::{GroupName, PackageName, PackageVersion, UserName};
use hpt_provisioner::plan::{Plan, Reveal, Verdict, plan};
use hpt_provisioner::report::{Event, Outcome, Report};
use hpt_provisioner::run::{Intent, Witness, apply};
use scaffold::{file, path, scope};

const SEQUENCES: u64 = 600;
/// Printed with a failure; a sequence is this plus its number.
const SEED: u64 = 0x6f72_7068;

const WORLD: World = World {
    names: &["ana", "bo", "web"],
    paths: &[
        "/etc/a", "/etc/b", "/srv/d", "/srv/d/x", "/srv/d/e", "/opt/l",
    ],
    packages: &["nginx", "git"],
    versions: &[("nginx", "2.0")],
    sysctls: &["vm.swappiness"],
    modules: &["dummy"],
    units: &["nginx"],
    timers: &["nginx"],
    programs: &["/bin/a"],
    repositories: &["https://h/a"],
    without: &[
        "archive", "clone", "edit", "exec", "firewall", "hostname", "kmod", "mount", "service",
        "swap", "sync", "sysctl", "timezone", "line",
    ],
};

/// A host that has some of these names, and the directories that blocks rely on.
fn host(r: &mut Random) -> Memory {
    let mut host = Memory::new(Facts::default());
    let dirs = [
        "/etc",
        "/srv",
        "/opt",
        "/home",
        "/etc/sudoers.d",
        "/etc/cron.d",
        "/etc/security",
        "/etc/security/limits.d",
        "/etc/systemd",
        "/etc/systemd/system",
        "/usr",
        "/usr/sbin",
    ];
    let dir = |at: &str| Effect::MakeDir {
        path: path(at),
        access: Access::default(),
    };
    for at in dirs {
        host.put(&dir(at));
    }
    for at in ["/usr/sbin/visudo", "/etc/hosts"] {
        host.put(&file(at, "127.0.0.1 localhost\n", Access::default()));
    }
    for name in WORLD.names {
        if r.chance(30) {
            host.put(&Effect::Group(GroupEdit::Add {
                name: GroupName::parse(name).unwrap(),
                gid: None,
                system: false,
            }));
        }
        if r.chance(30) {
            host.put(&Effect::User(UserEdit::Add {
                name: UserName::parse(name).unwrap(),
                as_: UserShape {
                    home: Some(path(&format!("/home/{name}"))),
                    ..UserShape::default()
                },
                system: false,
                create_home: true,
            }));
        }
    }
    for at in ["/srv/d", "/srv/d/e"] {
        if !r.chance(40) {
            break;
        }
        host.put(&dir(at));
    }
    for at in ["/etc/a", "/etc/b", "/etc/cron.d/ana", "/etc/sudoers.d/web"] {
        if r.chance(40) {
            host.put(&file(at, "one\n", Access::default()));
        }
    }
    for package in WORLD.packages {
        if r.chance(40) {
            host.put(&Effect::Packages(Transaction {
                install: vec![Want {
                    name: PackageName::parse(package).unwrap(),
                    version: PackageVersion::parse("1.0").ok(),
                }],
                ..Transaction::default()
            }));
        }
    }
    host
}

/// Keeps what a run has done, as a journal does.
#[derive(Default)]
struct Journal {
    deeds: BTreeMap<usize, hpt_provisioner::ledger::Deed>,
    /// So many intents are kept; the next one is not, and the run stops.
    left: Option<usize>,
}

impl Witness for Journal {
    fn intend(&mut self, intents: &[Intent]) -> io::Result<()> {
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(1).ok_or(io::ErrorKind::StorageFull)?;
        }
        for intent in intents {
            let deed = self.deeds.entry(intent.block).or_default();
            deed.adds |= intent.adds;
            deed.before.extend(intent.before.iter().cloned());
        }
        Ok(())
    }

    fn tell(&mut self, event: Event) {
        if let Event::Finished(end) = event {
            self.deeds.entry(end.block).or_default().outcome = Some(end.outcome);
        }
    }

    fn settle(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn go_on(&mut self) -> bool {
        true
    }
}

fn parse(name: &str, text: &str, prunes: bool) -> Config {
    let file = File {
        name: "site.toml".to_owned(),
        text: format!("name = \"{name}\"\n[settings]\nprune = {prunes}\n{text}"),
    };
    config::parse(vec![file], scope(&[])).unwrap_or_else(|faults| panic!("{faults:#?}\n{text}"))
}

/// A plan, a run and the ledger of it, as a target has them; `dies` leaves the ledger as it was begun.
fn provision(
    mut config: Config,
    mine: &mut Ledger,
    others: &[Ledger],
    host: &mut Memory,
    mut journal: Journal,
) -> (Plan, Report) {
    let left = config.adopt(mine, others, host);
    let planned = plan(&config, host, Reveal::Content);
    if planned.is_empty() {
        if config.prunes {
            mine.forget(&left);
        }
        let report = planned.report();
        return (planned, report);
    }
    let by = By {
        run: "run".to_owned(),
        ..By::default()
    };
    mine.begin(&config, &planned, &left, others, &by);
    let begun: Ledger = serde_json::from_str(&serde_json::to_string(mine).unwrap()).unwrap();
    assert_eq!(begun, *mine, "it is kept as it is");
    let report = apply(&config, host, &mut journal);
    let deeds = journal.deeds.into_iter();
    mine.settle(&Deeds {
        by,
        blocks: deeds
            .map(|(index, deed)| (config.blocks[index].id.clone(), deed))
            .collect(),
    });
    assert!(mine.things.iter().all(|owned| owned.stage == Stage::Held));
    (planned, report)
}

fn names(host: &Memory) -> BTreeSet<String> {
    host.shows().into_keys().collect()
}

/// What this host has no model of (units below others), or that goes with what it belongs to: directories above, homes and what lies in
/// them, copies that `backup` keeps, the shared file of hosts, contents of files.
fn is_aside(name: &str, host: &Memory) -> bool {
    let shown = host.shows();
    let is_dir = shown
        .get(name)
        .is_some_and(|entry| entry.contains("kind: Dir"));
    is_dir
        || name.starts_with("UnitId")
        || name.contains("/home")
        || name.contains(".hpt-backup")
        || name.contains("/etc/hosts")
        || name.starts_with("content of ")
        || name.contains("GroupName")
}

/// Whether what a host shows by this name is one of these things, or lies in one.
fn is_among(things: &BTreeSet<String>, name: &str) -> bool {
    let words = name.rsplit(['"', '\\']);
    let mut words = words.filter(|word| !["", ")"].contains(word));
    let word = words
        .next()
        .map(|word| word.trim_start_matches("content of "));
    word.is_some_and(|word| {
        let is_it = |thing: &String| {
            let path = thing.strip_prefix("path:");
            thing.ends_with(&format!(":{word}"))
                || path.is_some_and(|path| word.starts_with(&format!("{path}/")))
        };
        things.iter().any(is_it)
    })
}

#[test]
fn pruning_removes_what_hpt_made_and_nothing_else() {
    let (mut removed, mut let_go, mut clean) = (0, 0, 0);
    for sequence in 0..SEQUENCES {
        let seed = SEED + sequence;
        let mut r = Random(seed);
        let mut host = host(&mut r);
        let first = names(&host);
        let mut ever_gone = BTreeSet::new();
        // What a block has perhaps removed before another one made it again.
        let mut taken = BTreeSet::new();
        let mut ledgers = [Ledger::new("a"), Ledger::new("b")];
        // What was never wholly hpt's.
        let mut found = BTreeSet::new();
        let mut story = format!("seed {seed:#x}\n");
        for _ in 0..=r.below(4) {
            let which = usize::from(r.chance(30));
            let text = blocks(&mut r, &WORLD).concat();
            let config = parse(["a", "b"][which], &text, r.chance(30));
            let takes_away = config.blocks.iter().filter(|b| b.holdings().is_empty());
            taken.extend(takes_away.flat_map(Block::reads).map(|key| key.words()));
            let others = [ledgers[1 - which].clone()];
            let mut journal = Journal::default();
            if r.chance(20) {
                journal.left = Some(usize::try_from(r.below(4)).unwrap());
            }
            let mine = &mut ledgers[which];
            let (_, report) = provision(config, mine, &others, &mut host, journal);
            story += &format!("--- {which}\n{text}\n{:#?}\n", report.blocks);
            let things = ledgers[which].things.iter().filter(|owned| !owned.made);
            found.extend(things.flat_map(|owned| owned.claims.clone()));
            let now = names(&host);
            ever_gone.extend(first.difference(&now).cloned());
        }
        // Now nothing is any config's, one after the other.
        let before = names(&host);
        for which in [0, 1] {
            let others = [ledgers[1 - which].clone()];
            let shown = |host: &Memory| {
                let config = &mut parse(["a", "b"][which], "", false);
                config.adopt(&ledgers[which], &others, host);
                plan(config, host, Reveal::Content)
            };
            let orphans = shown(&host);
            assert!(orphans.is_empty(), "orphans are not pending\n{story}");
            let_go += orphans.count(Verdict::Orphan);
            let config = parse(["a", "b"][which], "", true);
            let mine = &mut ledgers[which];
            let (plan, report) = provision(config, mine, &others, &mut host, Journal::default());
            story += &format!(
                "--- {which} pruned\n{:#?}\n{:#?}\n",
                plan.blocks, report.blocks
            );
            removed += report.count(Outcome::Changed);
            let failed = report
                .blocks
                .iter()
                .find(|end| end.outcome == Outcome::Failed);
            assert!(failed.is_none(), "{failed:?}\n{story}");
        }
        let now = names(&host);
        let lost: Vec<_> = before.difference(&now).collect();
        for name in &lost {
            let is_taken = is_among(&taken, name);
            let was_first = first.contains(*name) && !ever_gone.contains(*name) && !is_taken;
            assert!(!was_first, "{name} was there before hpt\n{story}");
        }
        let stay = ledgers
            .iter()
            .map(|ledger| ledger.things.len())
            .sum::<usize>();
        if stay > 0 {
            continue; // a directory that holds something, a group that somebody needs
        }
        for name in now.difference(&first) {
            let is_aside = is_among(&found, name) || is_aside(name, &host);
            assert!(is_aside, "{name} is left of hpt\n{story}");
        }
        clean += 1;
    }
    assert!(
        removed > 200 && let_go > 200 && clean > 200,
        "{removed} {let_go} {clean}"
    );
}

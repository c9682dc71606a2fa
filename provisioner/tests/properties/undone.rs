//! What a run has done is undone: the host is as it was, or it is said what stays.

use std::collections::BTreeMap;
use std::io;

use hpt_provisioner::config::Config;
use hpt_provisioner::effect::{Access, Effect};
use hpt_provisioner::host::Observe;
use hpt_provisioner::host::facts::Facts;
use hpt_provisioner::host::memory::Memory;
use hpt_provisioner::name::UserName;
use hpt_provisioner::report::{Event, Outcome};
use hpt_provisioner::run::{Intent, Witness, apply};
use hpt_provisioner::undo::{self, Before, Change, Fate};

use super::generator::{Random, blocks};
use super::hosts::{WORLD, host};
use super::scaffold::{file, path};
use super::{PAIRS, SEED, parse};

/// Remembers what a run replaces.
#[derive(Default)]
pub(crate) struct Journal {
    order: Vec<usize>,
    pub(crate) changes: BTreeMap<usize, Vec<Before>>,
}

impl Journal {
    /// What is undone, as an undo is given it.
    pub(crate) fn newest_first(&self, config: &Config) -> Vec<Change> {
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

/// The way to the host comes back first, whatever a run has done after it.
#[test]
fn an_undo_begins_with_what_an_operator_reaches_the_host_by() {
    let mut host = Memory::new(Facts::default());
    host.put(&Effect::MakeDir {
        path: path("/etc/ssh"),
        access: Access::default(),
    });
    let files: String = ["/etc/a", "/etc/ssh/sshd_config", "/etc/b"]
        .map(|at| format!("[[file]]\npath = \"{at}\"\ncontent = \"\"\n"))
        .concat();
    let config = parse(&files);
    let mut journal = Journal::default();
    assert!(apply(&config, &mut host, &mut journal).succeeded());
    let mut order = Order::default();
    let changes = journal.newest_first(&config);
    let report = undo::undo(&changes, &mut host, &mut order);
    assert!(report.succeeded());
    let removed: Vec<_> = order
        .0
        .iter()
        .filter(|what| what.starts_with("remove"))
        .collect();
    assert_eq!(
        removed,
        [
            "remove /etc/ssh/sshd_config",
            "remove /etc/b",
            "remove /etc/a"
        ]
    );
}

//! One host in memory, and what its configs own there.

use std::collections::BTreeMap;
use std::io;

use crate::config::scope::Scope;
use crate::config::{self, Config, File, Given};
use crate::effect::{Access, Content, Effect, WriteFile};
use crate::host::Observe;
use crate::host::facts::Facts;
use crate::host::memory::Memory;
use crate::ledger::{By, Deed, Deeds, Ledger, Left};
use crate::name::AbsPath;
use crate::plan::{Plan, Reveal, Verdict, plan};
use crate::report::{Event, Outcome};
use crate::run::{Intent, Witness, apply};
use crate::secret::Secret;

pub(super) fn parse(text: &str, given: Given) -> Config {
    let file = File {
        name: "conf/site.toml".to_owned(),
        text: text.to_owned(),
    };
    let secrets = [("key".to_owned(), Secret::new("hunter2hunter2".to_owned()))];
    let scope = Scope {
        facts: Some(Facts::default()),
        secrets: Some(secrets.into()),
        given,
        ..Scope::default()
    };
    config::parse(vec![file], scope).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

pub(super) fn prune() -> Given {
    Given {
        prune: true,
        ..Given::default()
    }
}

pub(super) fn host() -> Memory {
    let mut host = Memory::new(Facts::default());
    for at in ["/etc", "/srv"] {
        host.put(&Effect::MakeDir {
            path: path(at),
            access: Access::default(),
        });
    }
    host
}

pub(super) fn path(text: &str) -> AbsPath {
    AbsPath::parse(text).unwrap()
}

pub(super) fn put(host: &mut Memory, at: &str, text: &str) {
    host.put(&Effect::WriteFile(WriteFile {
        path: path(at),
        content: Content::Inline(text.as_bytes().into()),
        access: Access::default(),
        verify: None,
        secret: false,
    }));
}

pub(super) fn text(host: &Memory, at: &str) -> Option<String> {
    let bytes = host.read(&path(at)).unwrap()?;
    Some(String::from_utf8(bytes.to_vec()).unwrap())
}

pub(super) fn file(at: &str) -> String {
    format!("[[file]]\npath = \"{at}\"\ncontent = \"x\\n\"\n")
}

/// Keeps what a run does, up to a number of intents; then it is killed.
#[derive(Default)]
struct Journal {
    deeds: BTreeMap<usize, Deed>,
    dies_after: Option<usize>,
    kept: usize,
}

impl Journal {
    fn is_dead(&self) -> bool {
        self.dies_after.is_some_and(|most| self.kept >= most)
    }
}

impl Witness for Journal {
    fn intend(&mut self, intents: &[Intent]) -> io::Result<()> {
        if self.is_dead() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.kept += 1;
        for intent in intents {
            let deed = self.deeds.entry(intent.block).or_default();
            deed.adds |= intent.adds;
            deed.before.extend(intent.before.iter().cloned());
        }
        Ok(())
    }

    fn tell(&mut self, event: Event) {
        if let Event::Finished(end) = event
            && !self.is_dead()
        {
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

/// One host, and what its configs own there.
pub(super) struct World {
    pub(super) host: Memory,
    pub(super) ledger: Ledger,
    pub(super) others: Vec<Ledger>,
    pub(super) runs: u64,
}

impl World {
    pub(super) fn new(host: Memory) -> Self {
        Self {
            host,
            ledger: Ledger::new("site"),
            others: Vec::new(),
            runs: 0,
        }
    }

    pub(super) fn plan(&self, text: &str, given: Given) -> (Config, Left, Plan) {
        let mut config = parse(text, given);
        let left = config.adopt(&self.ledger, &self.others, &self.host);
        let plan = plan(&config, &self.host, Reveal::Content);
        (config, left, plan)
    }

    /// The verdicts, with ids and words.
    pub(super) fn orphans(&self, text: &str) -> Vec<(String, String)> {
        let (_, _, plan) = self.plan(text, Given::default());
        let orphans = plan.blocks.into_iter();
        let orphans = orphans.filter(|block| block.verdict == Verdict::Orphan);
        orphans.map(|block| (block.id, block.summary)).collect()
    }

    pub(super) fn run(&mut self, text: &str, given: Given) -> Vec<Outcome> {
        self.run_until(text, given, None)
    }

    pub(super) fn run_until(
        &mut self,
        text: &str,
        given: Given,
        dies: Option<usize>,
    ) -> Vec<Outcome> {
        let (config, left, plan) = self.plan(text, given);
        self.runs += 1;
        let by = By {
            run: format!("run {}", self.runs),
            client: "ana".to_owned(),
            ..By::default()
        };
        self.ledger.begin(&config, &plan, &left, &self.others, &by);
        let mut journal = Journal {
            dies_after: dies,
            ..Journal::default()
        };
        let report = apply(&config, &mut self.host, &mut journal);
        let deeds = journal.deeds.into_iter();
        let id = |index: usize| config.blocks[index].id.clone();
        let deeds = Deeds {
            by,
            blocks: deeds.map(|(index, deed)| (id(index), deed)).collect(),
        };
        self.ledger.settle(&deeds);
        report.blocks.iter().map(|end| end.outcome).collect()
    }

    /// What is owned, and whether hpt made it.
    pub(super) fn owned(&self) -> Vec<(&str, bool)> {
        let things = self.ledger.things.iter();
        things.map(|owned| (owned.name(), owned.made)).collect()
    }
}

//! What the engine promises: a plan says what an apply does, an apply is verified, and a second one
//! changes nothing. On hosts in memory.

mod scaffold;

use std::io;

use hpt_provisioner::config::Config;
use hpt_provisioner::effect::{Access, Command, Effect};
use hpt_provisioner::host::facts::Facts;
use hpt_provisioner::host::memory::Memory;
use hpt_provisioner::host::{Done, Entry, HostError, Mutate, Observe, Progress, Stream};
use hpt_provisioner::name::AbsPath;
use hpt_provisioner::plan::{Plan, Reveal, Verdict, plan};
use hpt_provisioner::report::{Event, Outcome, Report};
use hpt_provisioner::run::{Intent, Witness, apply};
use hpt_provisioner::undo::PreImages;
use scaffold::{config, config_in, file, path, scope};

/// Hears everything, and stops a run after so many blocks.
#[derive(Default)]
struct Listener {
    events: Vec<Event>,
    stop_after: Option<usize>,
}

impl Witness for Listener {
    fn intend(&mut self, _: &[Intent]) -> io::Result<()> {
        Ok(())
    }

    fn settle(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn tell(&mut self, event: Event) {
        self.events.push(event);
    }

    fn go_on(&mut self) -> bool {
        let ended = self
            .events
            .iter()
            .filter(|e| matches!(e, Event::Finished(_)))
            .count();
        self.stop_after.is_none_or(|limit| ended < limit)
    }
}

fn verdicts(plan: &Plan) -> Vec<Verdict> {
    plan.blocks.iter().map(|b| b.verdict).collect()
}

fn outcomes(report: &Report) -> Vec<Outcome> {
    report.blocks.iter().map(|b| b.outcome).collect()
}

fn run(config: &Config, host: &mut dyn Mutate) -> Report {
    apply(config, host, &mut Listener::default())
}

const SITE: &str = r#"
[[group]]
name = "web"
[[user]]
name = "ana"
group = "web"
home = "/home/ana"
shell = "/bin/sh"
[[file]]
path = "/etc/app"
dir = true
owner = "ana"
[[file]]
path = "/etc/app/one"
content = "1\n"
owner = "ana"
group = "web"
mode = "0640"
[[file]]
path = "/etc/app/two"
content = "2\n"
"#;

#[test]
fn a_plan_foresees_what_earlier_blocks_will_have_done() {
    let (config, mut host) = (config(SITE), Memory::new(Facts::default()));
    let first = plan(&config, &host, Reveal::Content);
    assert_eq!(verdicts(&first), [Verdict::Create; 5]);
    assert_eq!(outcomes(&run(&config, &mut host)), [Outcome::Changed; 5]);
    let second = plan(&config, &host, Reveal::Content);
    assert!(second.is_empty(), "{second:#?}");
    assert_eq!(outcomes(&run(&config, &mut host)), [Outcome::Ok; 5]);
}

#[test]
fn a_plan_names_what_is_missing_and_an_apply_stops_there() {
    let config = config(
        "[[file]]\npath = \"/etc/x\"\ncontent = \"\"\n[[file]]\npath = \"/nowhere/x\"\ncontent = \"\"\n[[group]]\nname = \"g\"\n",
    );
    let mut host = Memory::new(Facts::default());
    assert_eq!(
        verdicts(&plan(&config, &host, Reveal::Content)),
        [Verdict::Create, Verdict::Blocked, Verdict::Create]
    );
    let report = run(&config, &mut host);
    assert_eq!(
        outcomes(&report),
        [Outcome::Changed, Outcome::Failed, Outcome::NotRun]
    );
    assert!(!report.succeeded());
}

#[test]
fn a_plan_that_an_apply_is_bound_to_tells_another_host() {
    let (config, mut host) = (config(SITE), Memory::new(Facts::default()));
    let agreed = plan(&config, &host, Reveal::Content);
    host.put(&Effect::MakeDir {
        path: path("/etc/app"),
        access: Access::default(),
    });
    let now = plan(&config, &host, Reveal::Outline);
    let moved = agreed.bound().compare(&now).unwrap_err();
    assert_eq!((moved.planned, moved.now), (agreed.digest, now.digest));
    assert!(
        moved.blocks.contains(&"file:/etc/app".to_owned()),
        "{moved:?}"
    );
    let again = plan(&config, &host, Reveal::Content);
    assert_eq!(again.bound().compare(&now), Ok(()));
}

/// A file of the host that is read only to be shown is no part of what was agreed to.
#[test]
fn what_the_asker_may_see_does_not_change_the_plans_name() {
    let config = config("[[file]]\npath = \"/motd\"\ncontent = \"new\"");
    let mut host = Memory::new(Facts::default());
    assert!(run(&config, &mut host).succeeded());
    let config = self::config("[[file]]\npath = \"/motd\"\ncontent = \"newer\"");
    let shown = plan(&config, &host, Reveal::Content);
    let hidden = plan(&config, &host, Reveal::Outline);
    assert_ne!(shown.blocks, hidden.blocks);
    assert_eq!(shown.digest, hidden.digest);
}

#[test]
fn a_plan_stands_for_the_content_that_it_would_replace() {
    let config = config("[[file]]\npath = \"/etc/motd\"\ncontent = \"longer than before\\n\"\n");
    let mut host = Memory::new(Facts::default());
    let put = |host: &mut Memory, text: &str| {
        host.put(&file("/etc/motd", text, Access::default()));
    };
    put(&mut host, "One.");
    let agreed = plan(&config, &host, Reveal::Content).bound();
    put(&mut host, "Two."); // of the same length, while a person reads the plan
    let moved = agreed.compare(&plan(&config, &host, Reveal::Outline));
    assert_eq!(moved.unwrap_err().blocks, ["file:/etc/motd"]);
}

#[test]
fn a_cancelled_run_stops_between_blocks() {
    let (config, mut host) = (config(SITE), Memory::new(Facts::default()));
    let mut listener = Listener {
        stop_after: Some(1),
        ..Listener::default()
    };
    let report = apply(&config, &mut host, &mut listener);
    assert_eq!(
        report.count(Outcome::NotRun),
        4 - usize::from(report.blocks[1].outcome == Outcome::Changed)
    );
}

#[test]
fn each_block_finishes_once_and_in_order() {
    let (config, mut host) = (config(SITE), Memory::new(Facts::default()));
    let mut listener = Listener::default();
    let report = apply(&config, &mut host, &mut listener);
    let ended: Vec<usize> = listener
        .events
        .iter()
        .filter_map(|e| {
            if let Event::Finished(f) = e {
                Some(f.block)
            } else {
                None
            }
        })
        .collect();
    assert_eq!(ended, (0..report.blocks.len()).collect::<Vec<_>>());
}

/// A host on which some things go wrong. Everything else is the memory host's.
struct Faulty {
    inner: Memory,
    /// Effects on this path report success and do nothing.
    lies_about: Option<AbsPath>,
    /// A command that runs writes this file behind everyone's back.
    command_writes: Option<AbsPath>,
    /// What a command prints.
    prints: Vec<&'static [u8]>,
}

impl Faulty {
    fn new() -> Self {
        let inner = Memory::new(Facts::default());
        Self {
            inner,
            lies_about: None,
            command_writes: None,
            prints: Vec::new(),
        }
    }
}

macro_rules! pass_on {
    ($($name:ident($($arg:ident: $type:ty),*) -> $out:ty;)*) => {
        $(fn $name(&self, $($arg: $type),*) -> $out { self.inner.$name($($arg),*) })*
    };
}

impl Observe for Faulty {
    pass_on! {
        powers() -> hpt_provisioner::host::Powers;
        facts() -> &Facts;
        prefetch(keys: &[hpt_provisioner::host::Key]) -> ();
        path(path: &AbsPath) -> Result<Option<Entry>, HostError>;
        holds_besides(dir: &AbsPath, gone: &[AbsPath]) -> Result<bool, HostError>;
        entries(dir: &AbsPath) -> Result<Vec<String>, HostError>;
        hash(path: &AbsPath) -> Result<Option<hpt_provisioner::host::Hash>, HostError>;
        read(path: &AbsPath) -> Result<Option<std::sync::Arc<[u8]>>, HostError>;
        user(name: &hpt_provisioner::name::UserName) -> Result<Option<hpt_provisioner::host::User>, HostError>;
        group(name: &hpt_provisioner::name::GroupName) -> Result<Option<hpt_provisioner::host::Group>, HostError>;
        user_numbered(uid: u32) -> Result<Option<hpt_provisioner::name::UserName>, HostError>;
        group_numbered(gid: u32) -> Result<Option<hpt_provisioner::name::GroupName>, HostError>;
        primary_users(group: &hpt_provisioner::name::GroupName) -> Result<Vec<hpt_provisioner::name::UserName>, HostError>;
        package(name: &hpt_provisioner::name::PackageName) -> Result<Option<hpt_provisioner::host::Package>, HostError>;
        newer(name: &hpt_provisioner::name::PackageName) -> Result<hpt_provisioner::host::Newer, HostError>;
        objection(wanted: &hpt_provisioner::effect::Transaction) -> Result<Option<String>, HostError>;
        unit(name: &hpt_provisioner::name::UnitId) -> Result<Option<hpt_provisioner::host::Unit>, HostError>;
        checkout(path: &AbsPath) -> Result<Option<hpt_provisioner::host::Checkout>, HostError>;
        setting(setting: &hpt_provisioner::host::setting::Setting) -> Result<Option<String>, HostError>;
        blob(hash: &hpt_provisioner::host::Hash) -> Result<Option<std::sync::Arc<[u8]>>, HostError>;
        has_blob(hash: &hpt_provisioner::host::Hash) -> bool;
        remembers(memo: &hpt_provisioner::host::Memo) -> Result<bool, HostError>;
        fingerprint(secret: &[u8]) -> String;
    }
}

impl Mutate for Faulty {
    fn keep(&mut self, paths: &[&AbsPath]) -> Result<PreImages, HostError> {
        self.inner.keep(paths)
    }

    fn perform(
        &mut self,
        batch: &[Effect],
        tell: &mut dyn FnMut(usize, Progress),
    ) -> Vec<Result<Done, HostError>> {
        for (i, effect) in batch.iter().enumerate() {
            match effect {
                Effect::WriteFile(file) if Some(&file.path) == self.lies_about.as_ref() => {}
                Effect::Run(_) => {
                    for bytes in &self.prints {
                        tell(
                            i,
                            Progress::Output {
                                stream: Stream::Stdout,
                                bytes: bytes.to_vec(),
                            },
                        );
                    }
                    if let Some(path) = self.command_writes.clone() {
                        let at = path.to_string();
                        let effect = file(&at, "overwritten", Access::default());
                        self.inner.put(&effect);
                    }
                }
                effect => self.inner.put(effect),
            }
        }
        batch.iter().map(|_| Ok(Done::default())).collect()
    }

    fn guard(&mut self, _: &Command) -> Result<bool, HostError> {
        Ok(true)
    }

    fn probe(
        &mut self,
        _: &hpt_provisioner::host::probe::Probe,
        _: std::time::Duration,
    ) -> hpt_provisioner::host::probe::Looked {
        hpt_provisioner::host::probe::Looked::default()
    }

    fn reboot(&mut self, _: std::time::Duration) -> Result<(), HostError> {
        Ok(())
    }

    fn pause(&mut self, _: std::time::Duration) {}
}

#[test]
fn a_tool_that_succeeds_and_does_nothing_is_caught() {
    let mut host = Faulty {
        lies_about: Some(path("/etc/app/one")),
        ..Faulty::new()
    };
    let report = run(&config(SITE), &mut host);
    let failed: Vec<_> = report
        .blocks
        .iter()
        .filter(|b| b.outcome == Outcome::Failed)
        .collect();
    assert_eq!(failed.len(), 1, "{report:#?}");
    assert_eq!(failed[0].block, 3);
    assert!(
        failed[0].note.contains("still to be done"),
        "{}",
        failed[0].note
    );
}

#[test]
fn a_block_that_a_later_command_undoes_fails_the_run_by_name() {
    let text = "[[file]]\npath = \"/etc/x\"\ncontent = \"mine\"\n[[exec]]\nscript = \"true\"\nalways = true\n";
    let mut host = Faulty {
        command_writes: Some(path("/etc/x")),
        ..Faulty::new()
    };
    let report = run(&config(text), &mut host);
    assert_eq!(outcomes(&report), [Outcome::Failed, Outcome::Changed]);
    assert!(
        report.blocks[0].note.contains("a later block undid it"),
        "{}",
        report.blocks[0].note
    );
}

#[test]
fn what_a_command_prints_has_no_secret_in_it() {
    let text = "[[exec]]\nscript = \"echo {{ secret.db }}\"\nalways = true\n";
    let config = config_in(text, scope(&[("db", "hunter2")]));
    let mut host = Faulty {
        prints: vec![b"it is hun", b"ter2, they say"],
        ..Faulty::new()
    };
    let mut listener = Listener::default();
    let planned = plan(&config, &host, Reveal::Content);
    assert!(!format!("{planned:?}").contains("hunter2"));
    let report = apply(&config, &mut host, &mut listener);
    assert!(report.succeeded(), "{report:?}");
    let printed: Vec<u8> = listener
        .events
        .iter()
        .flat_map(|e| {
            if let Event::Output { bytes, .. } = e {
                bytes.clone()
            } else {
                Vec::new()
            }
        })
        .collect();
    assert_eq!(
        String::from_utf8_lossy(&printed),
        "it is [secret], they say"
    );
}

#[test]
fn what_a_blocked_block_was_to_make_is_not_said_to_be_missing() {
    let text = "[[user]]\nname = \"ana\"\nhome = \"/none/ana\"\ngroups = [\"nowhere\"]\n[[file]]\npath = \"/etc/x\"\ncontent = \"\"\nowner = \"ana\"\n";
    let plan = plan(
        &config(text),
        &Memory::new(Facts::default()),
        Reveal::Content,
    );
    let (blocked, maybe) = (Verdict::Blocked, Verdict::Maybe);
    assert_eq!(verdicts(&plan), [blocked, maybe], "{plan:#?}");
    let words = "depends on user:ana, which is blocked";
    assert!(
        plan.blocks[1].summary.ends_with(words),
        "{}",
        plan.blocks[1].summary
    );
}

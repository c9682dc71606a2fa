//! Another hpt in the place of this one: a run of its own that stops `hpt serve`, swaps the program and
//! starts it again. It must be confirmed, so that its guardian brings the old program back if the new one
//! does not come to answer (J8).

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;

use hpt_proto::wire::{ApplyEvent, Header, RunRequest, UpgradeRequest};
use hpt_proto::{Begun, Delivery, End, Running, Told};
use hpt_provisioner::config::File;
use hpt_provisioner::host::Hash;
use hpt_provisioner::plan::{Asker, Reveal, plan};
use hpt_provisioner::report::Report;
use hpt_provisioner::request::Request;
use hpt_provisioner::run::apply;
use hpt_provisioner::source::{Blob, Source};
use tokio::sync::mpsc::Sender;
use tonic::Status;

use crate::audit::{Asked, Audit, Entry, Kind};
use crate::confirm::{self, note_end};
use crate::grants::Caller;
use crate::guard::Guardian;
use crate::journal::{Journal, Journals, Standing, cancel_path};
use crate::prepare::{name_of, undecided};
use crate::program::{self, Unfit};
use crate::recorded::Recorded;
use crate::refusal::{bad, blocking, failed};
use crate::run::{RunError, Site};
use crate::runner::Runner;
use crate::service::TargetService;
use crate::state::State;
use crate::systemd::own_unit;
use crate::unit_file::{BadPath, plain};

/// The program before this one is put back by an undo, which goes from the last block to the first: what
/// stops hpt is undone by a start, and what starts it by a stop. Nobody serves while it is swapped, so
/// that nobody but the new program can be asked to confirm the run.
const CONFIG: &str = r#"
[[exec]]
id = "stop hpt"
script = "systemctl stop @UNIT@"
undo = "systemctl restart --no-block @UNIT@"
always = true

[[file]]
path = "@PROGRAM@"
source = "hpt"
owner = "root"
group = "root"
mode = "0755"
on_error = "continue"

[[exec]]
id = "start hpt"
script = "systemctl restart --no-block @UNIT@"
undo = "systemctl stop @UNIT@"
always = true
"#;
const SOURCE: &str = "hpt";
/// What an upgrade is called where runs have the names of their configs.
const NAME: &str = "upgrade.toml";
/// In the directory of the state: the copy that is tried.
const TRIED: &str = "upgrade.hpt";
const NO_UNIT: &str = "hpt is no unit of systemd here, and nobody would start it again";
/// The call that needs the other grant.
const APPLY: &str = "/hpt.v1.Target/Apply";

impl TargetService {
    /// An upgrade, from its first look at the program to its end.
    pub(crate) async fn upgrade_to(
        &self,
        caller: &Caller,
        request: UpgradeRequest,
        tell: Sender<Result<ApplyEvent, Status>>,
    ) -> Result<(), Status> {
        let may = caller.may(APPLY);
        may.map_err(|refused| Status::permission_denied(refused.to_string()))?;
        let (hash, _) = request.parse().map_err(bad)?;
        let place = self.place()?;
        self.see_to_guardians().await?;
        let over = |end| Ok(Told::End(end).into());
        let running = self.name_run(&caller.name);
        let begin = match self.turn_to_begin(&running).await? {
            Ok(turn) => turn,
            Err(holder) => {
                let _ = tell.send(over(End::Busy(holder))).await;
                return Ok(());
            }
        };
        // A run that is not decided may be what has put the program in place that answers.
        let places = self.0.places.clone();
        let open = blocking(move || Ok(undecided(&Journals::open(&places)?, None)?));
        if let Some(holder) = open.await?.map_err(|why: RunError| failed(&why))? {
            let _ = tell.send(over(End::Busy(holder))).await;
            return Ok(());
        }
        let (service, file) = (self.clone(), place.clone());
        let programs = blocking(move || Ok((service.program()?, program::hash_of(file.as_ref())?)));
        let programs = programs.await?.map_err(|why: io::Error| failed(&why))?;
        if programs.0 != programs.1 {
            let why = format!(
                "{place} is another program by now than the one that runs; start that first"
            );
            return Err(unsupported(&why));
        }
        if programs.0 == hash {
            let end = End::report(String::new(), Report::default());
            let _ = tell.send(over(end)).await;
            return Ok(());
        }
        let _hold = self.0.store.hold(vec![hash]);
        if !self.0.store.missing(&[hash]).is_empty() {
            let _ = tell.send(over(End::Missing(vec![hash]))).await;
            return Ok(());
        }
        let version = match self.try_out(hash).await? {
            Ok(version) => version,
            Err(unfit) => {
                let refused = caller.entry(self.0.notes.now(), Kind::RunRefused);
                let refused = refused.with("program", hash.to_hex()).with("why", &unfit);
                self.0.notes.add(refused);
                return Err(Status::invalid_argument(format!(
                    "nothing was changed: {unfit}"
                )));
            }
        };
        tracing::info!(
            "run {} of {} puts hpt {version} in place",
            running.run,
            running.by
        );
        let order = RunRequest {
            upgrade: Some(request),
            unit: true,
            serving: own_unit(),
            ..self.0.places.order(&running, &caller.asked())
        };
        self.run(order, &running, begin, tell).await
    }

    /// Where the program is that systemd starts.
    fn place(&self) -> Result<String, Status> {
        let Runner::Unit { program } = &self.0.runner else {
            return Err(unsupported(NO_UNIT));
        };
        if plain_unit(&own_unit()).is_none() || self.0.places.root != Path::new("/") {
            return Err(unsupported(NO_UNIT));
        }
        let path = plain(program).map_err(|why| unsupported(&why.to_string()))?;
        Ok(path.to_owned())
    }

    /// The version of a program that was sent, if it can be put in place.
    async fn try_out(&self, hash: Hash) -> Result<Result<String, Unfit>, Status> {
        let new = self.0.store.path(&hash);
        let judged = new.clone();
        if let Err(unfit) = blocking(move || program::judge(&judged)).await? {
            return Ok(Err(unfit));
        }
        let at = self.0.places.state.join(TRIED);
        Ok(program::try_out(&new, &at).await)
    }
}

fn unsupported(why: &str) -> Status {
    Status::failed_precondition(format!("nothing was changed: {why}"))
}

/// The name of a unit that a shell takes as it is.
fn plain_unit(name: &str) -> Option<&str> {
    let good = |c: char| c.is_ascii_alphanumeric() || ":-_.@".contains(c);
    (!name.is_empty() && name.chars().all(good)).then_some(name)
}

impl Site {
    /// Puts another program in the place of the one of this process, which the unit of this name starts.
    pub(crate) fn upgrade(
        &self,
        new: Hash,
        window: Duration,
        running: Running,
        asked: &Asked,
        guardian: &Guardian,
        hear: &mut dyn FnMut(Told),
    ) -> Result<End, RunError> {
        let delivery = self.delivery(new, guardian.serving())?;
        let (mut host, config) = self.open(delivery)?;
        let config = match config {
            Ok(config) => config,
            Err(faults) => return Ok(End::Faults(faults)),
        };
        let (_lock, journals) = match self.hold(None, &running)? {
            Ok(held) => held,
            Err(holder) => return Ok(End::Busy(holder)),
        };
        let ask = Asker {
            reveal: Reveal::Outline,
            ask: None,
        };
        let plan = plan(&config, &host, ask);
        if !plan.missing.is_empty() {
            return Ok(End::Missing(plan.missing));
        }
        // What an earlier run left in doubt stays so.
        let in_doubt = Standing::last(&journals)?.map(|last| last.commands_in_doubt());
        let id = running.run.clone();
        let replaces = program::own_hash().map_err(RunError::Program)?;
        let entry = Entry::of_run(Kind::RunBegan, &running, asked)
            .with("program", new.to_hex())
            .with("replaces", replaces.to_hex());
        let recorded = Recorded::new(Audit::open(self.places())?, entry, asked);
        recorded.begin(&journals)?;
        let armed = guardian.arm(self.places(), &id, window);
        armed.map_err(|why| recorded.failed(why))?;
        let begun = Begun {
            running,
            blocks: plan.blocks.into_iter().map(name_of).collect(),
            confirm: window,
            away: Duration::ZERO,
            config: config.name.to_string(),
            undoes: String::new(),
        };
        let of = Header {
            in_doubt: in_doubt.into_iter().flatten().collect(),
            key: recorded.key().to_owned(),
            ..Header::default()
        };
        let cancel = cancel_path(&self.places().run, &id);
        let journal = Journal::begin(&journals, begun, of, cancel, hear);
        let mut journal = journal.map_err(|why| recorded.failed(why))?;
        let report = apply(&config, &mut host, &mut journal);
        let rested = confirm::now();
        let end = recorded.end(report, journal);
        note_end(&journals, &id, rested);
        Ok(end)
    }

    /// What the host is asked to be: with this program where the one of this process is.
    fn delivery(&self, new: Hash, unit: &str) -> Result<Delivery, RunError> {
        let place = fs::read_link("/proc/self/exe").map_err(RunError::Program)?;
        let blobs = State::open(self.places())?.blobs();
        let size = fs::metadata(blobs.join(new.to_hex().as_str()));
        let size = size.map_err(RunError::Program)?.len();
        let bad = |BadPath| RunError::Program(io::Error::new(ErrorKind::InvalidInput, BadPath));
        let text = CONFIG
            .replace("@UNIT@", plain_unit(unit).ok_or(BadPath).map_err(bad)?)
            .replace("@PROGRAM@", plain(&place).map_err(bad)?);
        let file = File {
            name: NAME.to_owned(),
            text,
        };
        let source = Source::File(SOURCE.to_owned());
        Ok(Delivery {
            request: Request {
                files: vec![file],
                sources: [(source, Blob { hash: new, size })].into(),
                ..Request::default()
            },
            ..Delivery::default()
        })
    }
}

//! This machine, or a root directory on it: planned and provisioned in this process.

use std::cell::Cell;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use hpt_agent::Places;
use hpt_agent::audit::Asked;
use hpt_agent::blobs::Store;
use hpt_agent::drift::Drift;
use hpt_agent::journal::name_run;
use hpt_agent::kept::Looked;
use hpt_agent::run::{Order, RunError, Site};
use hpt_agent::state::StateError;
use hpt_proto::wire::{Interrupted, PlanUndoReply, WhyReply};
use hpt_proto::{End, Running, Told};
use hpt_provisioner::host::Hash;
use hpt_provisioner::plan::Reveal;
use signal_hook::consts::SIGINT;
use tokio::sync::oneshot;

use crate::context::{Context, now, runtime};
use crate::env::{Variable, env};
use crate::error::{CommandError, Exit};
use crate::hearing::Heard;
use crate::interrupts::Interrupts;
use crate::site::{How, Job, Planned};
use crate::terminal::{Form, Terminal};

/// Whoever provisions a host without a network, as its journals call them.
const LOCAL: &str = "local";

/// A host that is provisioned without a network.
pub(crate) struct Local {
    name: String,
    places: Places,
    site: Site,
    /// Whether all is in place, and what is kept here is not what was asked for.
    unkept: Cell<bool>,
}

impl Local {
    pub(crate) fn open(context: &Context) -> Result<Self, CommandError> {
        let places = places(context)?;
        let site = Site::new(places.clone());
        let name = match &context.global.root {
            Some(root) => root.display().to_string(),
            None => site.facts().hostname,
        };
        Ok(Self {
            name,
            places,
            site,
            unkept: Cell::default(),
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn about(&self) -> Vec<String> {
        let is_live = self.places.root == Path::new("/");
        let here = if is_live {
            "this host"
        } else {
            "a root directory"
        };
        let system = self.site.facts().os_name;
        [here.to_owned(), system]
            .into_iter()
            .filter(|words| !words.is_empty())
            .collect()
    }

    pub(crate) fn facts_json(&self) -> String {
        serde_json::to_string(&self.site.facts()).expect("facts are plain values")
    }

    pub(crate) fn plan(&self, job: &Job) -> Result<Planned, CommandError> {
        let plan = |site: &Site| site.look(job.delivery().clone(), Reveal::Content);
        let planned = match plan(&self.site) {
            Err(RunError::State(StateError::Io { .. })) => {
                // A plan changes nothing, and leaves nothing behind that the next one would miss.
                let state = tempfile::tempdir().map_err(|why| {
                    let what = format!("cannot make a directory to plan in: {why}");
                    CommandError::new(Exit::Failed, what)
                })?;
                let places = Places {
                    state: state.path().join("state"), // closed to others, as it is made
                    ..self.places.clone()
                };
                plan(&Site::new(places))
            }
            planned => planned,
        };
        let Looked { plan, unkept, .. } = planned.map_err(failed)?;
        self.unkept.set(unkept);
        Ok(plan)
    }

    /// Whether all is in place, and it is not known here yet that this was asked for.
    pub(crate) fn is_unkept(&self) -> bool {
        self.unkept.get()
    }

    /// The last run, if it broke off.
    pub(crate) fn interrupted(&self) -> Option<Interrupted> {
        // Who may not look there may still plan.
        self.site.interrupted().ok().flatten()
    }

    /// Puts blobs where the run will look for them.
    pub(crate) fn keep(&self, missing: &[Hash], job: &Job) -> Result<(), CommandError> {
        let failed = |why: &dyn std::fmt::Display| CommandError::new(Exit::Failed, why);
        let store = Store::open(&self.places).map_err(|why| failed(&why))?;
        for hash in missing {
            let Some(origin) = job.sources.origin(hash) else {
                continue;
            };
            let mut from = origin.open().map_err(|why| failed(&why))?;
            let (found, _) = store.add(&mut from).map_err(|why| failed(&why))?;
            if found != *hash {
                return Err(failed(&"a source was changed while it was read; try again"));
            }
        }
        Ok(())
    }

    pub(crate) fn apply(
        &self,
        job: &Job,
        how: &How,
        hear: &mut dyn FnMut(Heard),
    ) -> Result<End, CommandError> {
        let order = Order {
            delivery: job.delivery().clone(),
            bound: how.bound.clone(),
            running: running(&self.places),
            exec: true,
            rerun: how.rerun.iter().cloned().collect(),
            confirm: None, // there is no session to confirm it over
            asked: Asked::default(),
        };
        let _stops = StopsAtInterrupt::new(&self.site, &order.running.run);
        self.site.execute(order, &mut pass_on(hear)).map_err(failed)
    }
}

/// While this lives ^C on a terminal has a run stop before its next block, and ends this process only the
/// second time.
struct StopsAtInterrupt {
    _run_goes_on: oneshot::Sender<()>,
}

impl StopsAtInterrupt {
    /// `None` where nobody can type it.
    fn new(site: &Site, run: &str) -> Option<Self> {
        if !io::stderr().is_terminal() {
            return None;
        }
        let (sender, mut run_is_over) = oneshot::channel();
        let (site, run) = (site.clone(), run.to_owned());
        let watch = async move {
            let mut interrupts = Interrupts::listen().map_err(|deaf| deaf.to_string())?;
            tokio::select! {
                () = interrupts.next() => site.stop(&run, LOCAL).map_err(|why| why.to_string())?,
                _ = &mut run_is_over => return Ok(()),
            }
            Terminal::new(Form::Words, false)
                .note("it stops before its next block; ^C again ends it in the midst of this one");
            tokio::select! {
                () = interrupts.next() => std::process::exit(128 + SIGINT),
                _ = run_is_over => Ok::<(), String>(()),
            }
        };
        thread::spawn(move || {
            let watched = runtime().map(|runtime| runtime.block_on(watch));
            if let Ok(Err(why)) = watched {
                tracing::warn!("^C does not stop the run: {why}");
            }
        });
        Some(Self {
            _run_goes_on: sender,
        })
    }
}

impl Local {
    /// What hpt has to do with a thing of this host.
    pub(crate) fn why(&self, what: &str) -> Result<WhyReply, CommandError> {
        self.site.why(what, Reveal::Content).map_err(failed)
    }

    /// What has moved since a config was applied, or any.
    pub(crate) fn drift(&self, config: &str) -> Result<Vec<Drift>, CommandError> {
        self.site.drift(config, Reveal::Content).map_err(failed)
    }

    /// What an undo of this run would do, or of the last one that has changed something.
    pub(crate) fn plan_undo(&self, run: &str) -> Result<PlanUndoReply, CommandError> {
        let plan = self.site.plan_undo(run).map_err(failed)?;
        plan.ok_or_else(|| {
            let what = "there is no such run, or none that changed anything";
            CommandError::new(Exit::Failed, what)
        })
    }

    /// Waits until no run holds this host.
    pub(crate) async fn until_free(&self, time: Duration) -> Result<(), CommandError> {
        let (tell, told) = oneshot::channel();
        let places = self.places.clone();
        // A thread of its own, which is left behind when nobody waits any more.
        thread::spawn(move || tell.send(hpt_agent::wait::until_free(&places, time)));
        let waited = told.await.expect("it tells before it ends");
        waited.map(drop).map_err(failed)
    }

    /// Undoes a run.
    pub(crate) fn undo(&self, run: &str, hear: &mut dyn FnMut(Heard)) -> Result<End, CommandError> {
        let running = running(&self.places);
        let _stops = StopsAtInterrupt::new(&self.site, &running.run);
        // There is no session to confirm it over.
        let guardian = None;
        let asked = Asked::default();
        let undone = self
            .site
            .undo(run, running, &asked, guardian, &mut pass_on(hear));
        undone.map_err(failed)
    }
}

/// A run that begins now.
fn running(places: &Places) -> Running {
    let now = now();
    Running {
        run: name_run(now, places),
        by: LOCAL.into(),
        since: now,
    }
}

fn pass_on(hear: &mut dyn FnMut(Heard)) -> impl FnMut(Told) {
    move |told| match told {
        Told::Begun(begun) => hear(Heard::Begun(begun)),
        Told::Event(event) => hear(Heard::Event(event, None)),
        Told::End(_) => {} // it is what the call gives back
    }
}

fn failed(error: RunError) -> CommandError {
    CommandError::new(Exit::Failed, error)
}

/// Where hpt keeps what is its own. For a root directory that is outside of it, so that an image
/// has nothing in it that its config does not ask for; each has a lock of its own.
pub(crate) fn places(context: &Context) -> Result<Places, CommandError> {
    let (state, run) = own_directories()?;
    let root = match &context.global.root {
        Some(root) => root
            .canonicalize()
            .map_err(CommandError::io("use it as a root", root))
            .map_err(|error| error.hint("`--root DIR` is a directory that is there"))?,
        None => "/".into(),
    };
    if root == Path::new("/") {
        return Ok(Places { root, state, run });
    }
    let name = blake3::hash(root.as_os_str().as_encoded_bytes()).to_hex()[..16].to_owned();
    let run = run.join("roots").join(name);
    Ok(Places { root, state, run })
}

/// The system's for root, else the user's own.
fn own_directories() -> Result<(PathBuf, PathBuf), CommandError> {
    if rustix::process::geteuid().is_root() {
        let Places { state, run, .. } = Places::default();
        return Ok((state, run));
    }
    let home = || env(Variable::HOME).map(|home| Path::new(&home).join(".local/state"));
    let state = env(Variable::XDG_STATE_HOME)
        .map(PathBuf::from)
        .or_else(home);
    let state = state
        .ok_or_else(|| CommandError::new(Exit::Failed, "there is no HOME to keep state in"))?;
    let run = env(Variable::XDG_RUNTIME_DIR).map_or_else(|| state.clone(), PathBuf::from);
    Ok((state.join("hpt"), run.join("hpt/run")))
}

#[cfg(test)]
mod tests {
    use hpt_provisioner::config::Given;

    use super::*;
    use crate::args::CommandLine;

    /// Who may not write anywhere may still look.
    #[test]
    fn a_plan_needs_no_state() {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("site.toml");
        std::fs::write(&config, "[[file]]\npath = \"/motd\"\ncontent = \"hi\"\n").unwrap();
        let line = CommandLine::of(["hpt".into(), "check".into(), config.clone().into()]).unwrap();
        let mut context = Context::new(&line.global);
        let config = context.read_config(&[config], Given::default());
        let job = Job::new(config.ok().unwrap(), &mut context).ok().unwrap();
        let places = Places {
            root: dir.path().to_owned(),
            state: "/proc/nowhere/hpt".into(),
            run: "/proc/nowhere/run".into(),
        };
        let local = Local {
            name: "image".into(),
            site: Site::new(places.clone()),
            places,
            unkept: Cell::default(),
        };
        let plan = local.plan(&job).ok().unwrap().unwrap();
        assert_eq!(plan.blocks.len(), 1);
    }
}

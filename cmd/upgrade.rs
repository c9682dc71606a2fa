//! `hpt upgrade`: another hpt in the place of the one on a target, which falls back to the old one unless
//! the new one answers.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hpt_proto::wire::StatusReply;
use hpt_proto::{End, Undone};
use hpt_provisioner::host::Hash;
use hpt_provisioner::report::{Finished, Outcome, Report};
use serde::Serialize;
use tokio::time::{sleep, timeout};

use crate::confirm::SPARE;
use crate::context::Context;
use crate::error::{CommandError, Exit};
use crate::fleet::{Work, each};
use crate::follower::{Ended, no_report};
use crate::interrupts::Interrupts;
use crate::print::style::BOLD;
use crate::provision::{busy, is_undone};
use crate::remote::Remote;
use crate::sources::Sources;
use crate::terminal::visible;
use crate::{upload, wait};

/// This program, whatever has become of its name.
const OWN: &str = "/proc/self/exe";
/// How long one try may take to hear which program answers, and from one to the next.
const TRY: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(200);
/// As many digits of a hash are shown.
const DIGITS: usize = 8;

#[derive(clap::Args)]
#[command(after_help = "\
The target is sent this program if it lacks it, sees that it runs there, stops,
swaps it in and starts it. A new session with the new program ends the upgrade.
If there is none in time, or the host is booted before, the old one is put back.

It is a run: refused while another one holds the host, recorded in the audit,
and `hpt undo` takes it back. It needs the grants apply, exec, attach and
status, and a target that systemd serves.

Examples:
  hpt --target web1 upgrade
  hpt --on 'tag:prod' upgrade --batch 1,10%,100%
  hpt --target web1 upgrade --program ./hpt-0.2.0")]
pub(crate) struct Args {
    /// Another program than this one
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,

    /// How long the new program may take to answer: 30s, 5m
    #[arg(long, value_name = "TIME", value_parser = wait::time, default_value = "30s")]
    confirm: Duration,

    /// Do not ask, of however many targets it is
    #[arg(long)]
    yes: bool,
}

/// What is put in place.
struct New {
    hash: Hash,
    sources: Sources,
    window: Duration,
}

/// The program that answers, by its version and hash.
struct Program {
    version: String,
    /// In digits; empty if it is not told.
    hash: String,
}

/// What has been heard of the new program.
enum Heard {
    Answers,
    /// The run is decided already: it was undone, or somebody else has confirmed it.
    Decided,
    Nothing,
}

#[derive(Serialize)]
struct Upgraded<'a> {
    event: &'static str,
    target: &'a str,
    /// The run that did it; none if all was in place.
    run: &'a str,
    changed: bool,
    version: &'a str,
    program: &'a str,
    version_before: &'a str,
    program_before: &'a str,
    seconds: f64,
}

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    let path = args.program.as_deref().unwrap_or(Path::new(OWN));
    let (hash, sources) = Sources::of_file(path)?;
    let new = New {
        hash,
        sources,
        window: args.confirm,
    };
    each(
        context,
        &[],
        Work::changes("Upgrade", args.yes),
        async |context| of_one(&new, context).await,
    )
}

async fn of_one(new: &New, context: &mut Context) -> Result<Exit, CommandError> {
    let Some(name) = context.global.target.clone() else {
        return Err(CommandError::usage("which target is to be upgraded?")
            .hint("`hpt --target NAME upgrade`"));
    };
    let began = Instant::now();
    Remote::with(&name, context, async |remote, context| {
        let before = Program::of(&remote.status().await?);
        let run = new.put_on(remote, context).await?;
        let now = Program::of(&remote.status().await?);
        if now.hash != new.digits() {
            let what = format!("{name} answers, but with another hpt than the new one");
            return Err(CommandError::new(Exit::Failed, what)
                .hint("what does the unit of hpt start there? `systemctl cat hpt` says so"));
        }
        let terminal = &mut context.terminal;
        terminal.conclude(&line(name.as_str(), &run, &before, &now), began.elapsed());
        terminal.json(&Upgraded {
            event: "upgraded",
            target: name.as_str(),
            run: &run,
            changed: !run.is_empty(),
            version: &now.version,
            program: &now.hash,
            version_before: &before.version,
            program_before: &before.hash,
            seconds: began.elapsed().as_secs_f64(),
        });
        Ok(Exit::Done)
    })
    .await
}

impl New {
    fn digits(&self) -> String {
        self.hash.to_hex().to_string()
    }

    /// Brings it about that the target runs it; by which run. By none if it did already.
    async fn put_on(
        &self,
        remote: &mut Remote,
        context: &mut Context,
    ) -> Result<String, CommandError> {
        let terminal = &mut context.terminal;
        let name = remote.name().to_owned();
        terminal.passing(format_args!("asking {name}"));
        if let Some(member) = &context.member {
            member.begin();
        }
        let mut end = remote.upgrade(self.hash, self.window).await?;
        if let End::Missing(missing) = &end {
            match upload::send(&remote.client, missing, &self.sources, terminal).await {
                Ok(()) => {}
                Err(upload::Failure::Source(error)) => return Err(error),
                Err(upload::Failure::Refused(status)) => return Err(remote.refused(&status)),
            }
            terminal.passing(format_args!("{name} starts its new hpt"));
            end = remote.upgrade(self.hash, self.window).await?;
        }
        let ended = Ended::of(end, Duration::ZERO).map_err(|end| match *end {
            End::Busy(running) => CommandError {
                hints: vec!["nothing was done; try again when that has ended".to_owned()],
                ..busy(&name, &running)
            },
            _ => no_report(&name),
        })?;
        if ended.run.is_empty() {
            return Ok(ended.run);
        }
        self.succeeded(&name, &ended.report)?;
        let undone = match ended.undone {
            Some(undone) => Some(undone),
            None => self.prove(remote, &ended.run).await?,
        };
        match undone {
            None => Ok(ended.run),
            Some(undone) => {
                let what = format!(
                    "the new hpt did not answer within {} s, and run {} has put the old one back",
                    self.window.as_secs(),
                    visible(&undone.by)
                );
                Err(is_undone(&name, &what, &undone))
            }
        }
    }

    /// Whether the swap itself was done. Nothing confirms one that was not.
    fn succeeded(&self, name: &str, report: &Report) -> Result<(), CommandError> {
        let failed = |of: &&Finished| of.outcome == Outcome::Failed;
        let Some(failed) = report.blocks.iter().find(failed) else {
            return Ok(());
        };
        let what = format!("{name} could not swap its hpt: {}", visible(&failed.note));
        Err(CommandError::new(Exit::Failed, what).hint(format!(
            "it goes on with the one that it had, after {} s at most",
            self.window.as_secs()
        )))
    }

    /// Confirms the run as soon as the new program answers a new session. How it was undone, if it was.
    async fn prove(&self, remote: &mut Remote, run: &str) -> Result<Option<Undone>, CommandError> {
        let name = remote.name().to_owned();
        let mut interrupts = Interrupts::listen()?;
        let heard = tokio::select! {
            heard = self.wait(remote) => heard,
            () = interrupts.next() => {
                let what = format!("{name}: interrupted; its old hpt comes back unless run {run} is confirmed");
                return Err(CommandError::new(Exit::Lost, what)
                    .hint(format!("`hpt --target {name} attach` confirms it")));
            }
        };
        match heard {
            Heard::Answers | Heard::Decided => remote.confirm(run, self.window).await,
            Heard::Nothing => {
                let what = format!(
                    "{name} does not answer, neither with the new hpt nor with the old one"
                );
                Err(CommandError::new(Exit::Unreachable, what)
                    .hint("it puts the old one back by itself, and tries until it can"))
            }
        }
    }

    async fn wait(&self, remote: &mut Remote) -> Heard {
        let began = Instant::now();
        while began.elapsed() < self.window + SPARE {
            let asked = timeout(TRY, async {
                remote.reconnect().await.ok()?;
                remote.status().await.ok()
            });
            match asked.await {
                Ok(Some(status)) if Program::of(&status).hash == self.digits() => {
                    return Heard::Answers;
                }
                Ok(Some(status)) if status.confirming.is_none() => return Heard::Decided,
                _ => sleep(PAUSE).await,
            }
        }
        Heard::Nothing
    }
}

/// The hash that a status names, in digits; none if it is none.
pub(crate) fn program(hash: &[u8]) -> String {
    let hash = Hash::from_slice(hash);
    hash.map_or_else(|_| String::new(), |hash| hash.to_hex().to_string())
}

impl Program {
    fn of(status: &StatusReply) -> Self {
        Self {
            version: status.version.clone(),
            hash: program(&status.program),
        }
    }

    /// Its version and the beginning of its hash.
    fn words(&self) -> String {
        let short = self
            .hash
            .get(..DIGITS)
            .unwrap_or("of which no hash is known");
        format!("{} ({short})", visible(&self.version))
    }

    /// Its version, as numbers that tell which one is older.
    fn number(&self) -> Option<Vec<u64>> {
        let parts = self.version.split('.').map(|part| part.parse().ok());
        parts.collect()
    }
}

fn line(name: &str, run: &str, before: &Program, now: &Program) -> String {
    let new = now.words();
    let old = before.words();
    let rest = match (before.number(), now.number()) {
        _ if run.is_empty() => format!("{new} in place"),
        (Some(before), Some(now)) if now < before => {
            format!("{new}, an older one than {old} before")
        }
        _ => format!("{new}, {old} before"),
    };
    format!("{BOLD}{name}{BOLD:#}  hpt {rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_one_is_said_to_be() {
        let program = |version: &str, digit: u8| Program {
            version: version.to_owned(),
            hash: digit.to_string().repeat(64),
        };
        let told = |run, before, now| {
            let line = line("web1", run, &program(before, 1), &program(now, 2));
            anstream::adapter::strip_str(&line).to_string()
        };
        assert_eq!(
            told("x", "0.9.1", "0.10.0"),
            "web1  hpt 0.10.0 (22222222), 0.9.1 (11111111) before"
        );
        assert_eq!(
            told("x", "0.10.0", "0.9.1"),
            "web1  hpt 0.9.1 (22222222), an older one than 0.10.0 (11111111) before"
        );
        assert_eq!(
            told("", "0.1.0", "0.1.0"),
            "web1  hpt 0.1.0 (22222222) in place"
        );
    }
}

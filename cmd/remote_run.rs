//! Runs over the channel: started or found, heard to their end, and taken up again after a cut.

use std::time::Duration;

use hpt_proto::wire::{
    ApplyEvent, ApplyRequest, AttachRequest, CancelRequest, PlanUndoReply, PlanUndoRequest,
    UndoRequest, UpgradeRequest,
};
use hpt_proto::{Begun, End, Running, Told, Undone};
use hpt_provisioner::config::File;
use hpt_provisioner::host::Hash;
use hpt_provisioner::report::{Event, REBOOTS};
use tokio::time::{Instant, sleep};
use tonic::{Code, Status, Streaming};

use crate::confirm::SPARE;
use crate::error::{CommandError, Exit};
use crate::remote::{Remote, was_cut};
use crate::site::{How, Job};
use crate::terminal::visible;

/// How long a lost session is tried to be had again.
const PATIENCE: Duration = Duration::from_secs(30);
/// From one try to the next.
const PAUSE: Duration = Duration::from_millis(500);

/// What a run on a target tells, and to whom.
struct Hearing<'a> {
    /// Is told each event once.
    hear: &'a mut dyn FnMut(Heard),
    /// The files of the config, for faults in them.
    files: &'a [File],
    begun: Option<Begun>,
    /// How many blocks it is about.
    blocks: usize,
    /// What ^C does.
    interrupt: Interrupt,
    /// How many events were heard.
    events: u64,
    /// The last of them said that the host reboots.
    reboots: bool,
    /// That was passed on.
    said_away: bool,
}

/// What ^C does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Interrupt {
    /// The run stops before its next block, and is heard to its end.
    Stops,
    /// It is left to itself.
    Leaves,
}

/// What there is to show.
pub(crate) enum Heard {
    /// The run, and its blocks; also when it is another session's run that is heard from now on.
    Begun(Begun),
    /// What it does, and when, if that is known: so long after the run began.
    Event(Event, Option<Duration>),
    /// The session was lost, and a new one is tried for.
    Lost,
    /// The host reboots, and is waited for.
    Reboots,
    /// There is a new one.
    Found,
    /// ^C: the run stops before its next block; or why it does not.
    Stops(Result<(), String>),
}

impl Heard {
    /// How long the run that begins waits to be confirmed.
    pub(crate) fn window(&self) -> Option<Duration> {
        match self {
            Self::Begun(begun) => Some(begun.confirm),
            _ => None,
        }
    }
}

/// Why a stream did not come to an end.
enum Broken {
    /// The connection did.
    Cut,
    Said(CommandError),
}

impl<'a> Hearing<'a> {
    fn new(files: &'a [File], blocks: usize, hear: &'a mut dyn FnMut(Heard)) -> Self {
        Self {
            hear,
            files,
            begun: None,
            blocks,
            interrupt: Interrupt::Stops,
            events: 0,
            reboots: false,
            said_away: false,
        }
    }
}

impl Remote {
    /// Brings a config about.
    pub(crate) async fn apply(
        &mut self,
        job: &Job,
        how: &How,
        blocks: usize,
        hear: &mut dyn FnMut(Heard),
    ) -> Result<End, CommandError> {
        let request = ApplyRequest {
            request: Some(job.delivery().into()),
            bound: how.bound.as_ref().map(Into::into),
            rerun: how.rerun.clone(),
            confirm: how
                .confirm
                .map(|window| u32::try_from(window.as_secs()).unwrap_or(u32::MAX)),
        };
        tracing::debug!("asking {} to apply", self.name);
        let reply = self.client.apply(request).await;
        let events = reply.map_err(|status| self.refused(&status))?.into_inner();
        let hearing = Hearing::new(&job.files, blocks, hear);
        self.hear_out(hearing, events).await
    }

    /// Hears a run from its beginning on: the one that goes on, or else the last one, or this one.
    pub(crate) async fn attach(
        &mut self,
        run: &str,
        hear: &mut dyn FnMut(Heard),
    ) -> Result<End, CommandError> {
        let events = self.follow(run, 0).await;
        let events = events.map_err(|status| self.refused(&status))?;
        let hearing = Hearing {
            interrupt: Interrupt::Leaves,
            ..Hearing::new(&[], 0, hear)
        };
        self.hear_out(hearing, events).await
    }

    /// What an undo of this run would do, or of the last one that has changed something.
    pub(crate) async fn plan_undo(&mut self, run: &str) -> Result<PlanUndoReply, CommandError> {
        let request = PlanUndoRequest {
            run: run.to_owned(),
        };
        let reply = self.client.plan_undo(request).await;
        Ok(reply.map_err(|status| self.refused(&status))?.into_inner())
    }

    /// Undoes a run.
    pub(crate) async fn undo(
        &mut self,
        run: &str,
        hear: &mut dyn FnMut(Heard),
    ) -> Result<End, CommandError> {
        let request = UndoRequest {
            run: run.to_owned(),
        };
        let reply = self.client.undo(request).await;
        let events = reply.map_err(|status| self.refused(&status))?.into_inner();
        self.hear_out(Hearing::new(&[], 0, hear), events).await
    }

    /// Has a run stop before its next block: this one, or the one that goes on. Or has this one stay as it
    /// is, if its undo fails; then with how it was undone.
    pub(crate) async fn cancel(
        &mut self,
        run: &str,
    ) -> Result<(Running, Option<Undone>), CommandError> {
        let request = CancelRequest {
            run: run.to_owned(),
        };
        let reply = self.client.cancel(request).await;
        let reply = reply.map_err(|status| self.refused(&status))?.into_inner();
        let (by, stays) = (reply.undone_by, reply.stays);
        let undone = (!by.is_empty()).then_some(Undone { by, stays });
        Ok((reply.run.unwrap_or_default().into(), undone))
    }

    /// Puts a program that it has got already in the place of the hpt there.
    pub(crate) async fn upgrade(
        &mut self,
        hash: Hash,
        window: Duration,
    ) -> Result<End, CommandError> {
        let request = UpgradeRequest {
            hash: hash.as_bytes().to_vec(),
            confirm: u32::try_from(window.as_secs()).unwrap_or(u32::MAX),
        };
        let reply = self.client.upgrade(request).await;
        let events = reply.map_err(|status| self.cannot_upgrade(&status))?;
        // What it does is known beforehand; how it ends counts.
        let mut nothing = |_| {};
        let hearing = Hearing {
            // Half of an upgrade is none.
            interrupt: Interrupt::Leaves,
            ..Hearing::new(&[], 0, &mut nothing)
        };
        self.hear_out(hearing, events.into_inner()).await
    }

    fn cannot_upgrade(&self, status: &Status) -> CommandError {
        let error = self.refused(status);
        if status.code() != Code::Unimplemented {
            return error;
        }
        error.hint("bring it a newer hpt once as it came to have this one; `hpt upgrade` does it from then on")
    }

    async fn stop(&self, run: String) -> Result<(), String> {
        let asked = self.client.clone().cancel(CancelRequest { run }).await;
        asked.map_err(|status| visible(status.message()).into_owned())?;
        Ok(())
    }

    async fn follow(&mut self, run: &str, from: u64) -> Result<Streaming<ApplyEvent>, Status> {
        let run = run.to_owned();
        let reply = self.client.attach(AttachRequest { run, from }).await?;
        Ok(reply.into_inner())
    }

    async fn hear_out(
        &mut self,
        mut hearing: Hearing<'_>,
        mut events: Streaming<ApplyEvent>,
    ) -> Result<End, CommandError> {
        loop {
            match self.hear(&mut hearing, &mut events).await {
                Ok(end) => {
                    // What is wrong with it is told at the next contact.
                    let _ = self.audit.clone().look(self.client.clone()).await;
                    return Ok(end);
                }
                Err(Broken::Said(error)) => return Err(error),
                Err(Broken::Cut) => {}
            }
            let begun = hearing.begun.as_ref();
            let begun = begun.map(|begun| {
                // A host that undoes the run comes back when it has.
                let patience = PATIENCE.max(begun.confirm + SPARE).max(begun.away);
                (begun.running.run.clone(), patience)
            });
            let Some((run, patience)) = begun else {
                let what = format!(
                    "{}: the session was lost before a run was heard of",
                    self.name
                );
                let hint = format!("`hpt --target {} status` says whether it began", self.name);
                return Err(CommandError::new(Exit::Lost, what).hint(hint));
            };
            let said = hearing.said_away;
            match (hearing.reboots, said) {
                (false, _) => (hearing.hear)(Heard::Lost),
                (true, false) => (hearing.hear)(Heard::Reboots),
                (true, true) => {} // it goes down still
            }
            hearing.said_away = hearing.reboots;
            events = self.find_again(&run, hearing.events, patience).await?;
            if !hearing.reboots {
                (hearing.hear)(Heard::Found);
            }
        }
    }

    /// A new session with the target, and the rest of what the run tells.
    async fn find_again(
        &mut self,
        run: &str,
        from: u64,
        patience: Duration,
    ) -> Result<Streaming<ApplyEvent>, CommandError> {
        let began = Instant::now();
        loop {
            let found = tokio::select! {
                found = self.try_again(run, from) => found?,
                _ = tokio::signal::ctrl_c() => return Err(self.lost(run, "interrupted")),
            };
            match found {
                Some(events) => return Ok(events),
                None if began.elapsed() > patience => {
                    let why = format!("there was no new session within {} s", patience.as_secs());
                    return Err(self.lost(run, &why));
                }
                None => sleep(PAUSE).await,
            }
        }
    }

    async fn try_again(
        &mut self,
        run: &str,
        from: u64,
    ) -> Result<Option<Streaming<ApplyEvent>>, CommandError> {
        if let Err(why) = self.reconnect().await {
            tracing::debug!("no new session with {}: {why}", self.name);
            return Ok(None);
        }
        match self.follow(run, from).await {
            Ok(events) => Ok(Some(events)),
            Err(status) if was_cut(&status) => Ok(None),
            Err(status) if status.code() == Code::PermissionDenied => {
                let hint = format!(
                    "`hpt --target {} status` tells when it has ended",
                    self.name
                );
                let error = self.lost(run, "this client may not attach to it");
                Err(CommandError {
                    hints: vec![hint],
                    ..error
                })
            }
            Err(status) => Err(self.refused(&status)),
        }
    }

    async fn hear(
        &self,
        hearing: &mut Hearing<'_>,
        events: &mut Streaming<ApplyEvent>,
    ) -> Result<End, Broken> {
        loop {
            let begun = hearing.begun.as_ref();
            let next = tokio::select! {
                next = events.message() => next,
                _ = tokio::signal::ctrl_c(), if begun.is_some() => {
                    let run = begun.map_or_else(String::new, |begun| begun.running.run.clone());
                    if hearing.interrupt == Interrupt::Leaves {
                        return Err(Broken::Said(self.lost(&run, "interrupted")));
                    }
                    hearing.interrupt = Interrupt::Leaves;
                    (hearing.hear)(Heard::Stops(self.stop(run).await));
                    continue;
                }
            };
            let event = match next {
                Ok(Some(event)) => event,
                Ok(None) => return Err(Broken::Cut),
                Err(status) if was_cut(&status) => return Err(Broken::Cut),
                Err(status) if status.code() == Code::Aborted => {
                    return Err(Broken::Said(self.broken(&status)));
                }
                Err(status) => return Err(Broken::Said(self.refused(&status))),
            };
            let at = event.at.map(Duration::from_millis);
            let told = Told::parse(event, hearing.files, hearing.blocks);
            match told.map_err(|bad| Broken::Said(self.bad(bad)))? {
                Told::Begun(begun) if hearing.begun.is_none() => {
                    hearing.blocks = begun.blocks.len();
                    hearing.begun = Some(begun.clone());
                    (hearing.hear)(Heard::Begun(begun));
                }
                Told::Begun(_) => {} // of the run that is heard already
                Told::Event(event) => {
                    hearing.events += 1;
                    hearing.reboots = matches!(&event, Event::Note { text, .. } if text == REBOOTS);
                    (hearing.hear)(Heard::Event(event, at));
                }
                Told::End(end) => return Ok(end),
            }
        }
    }

    fn broken(&self, status: &Status) -> CommandError {
        let (name, words) = (&self.name, visible(status.message()));
        CommandError::new(Exit::InDoubt, format!("{name}: {words}")).hint(format!(
            "`hpt --target {name} status` says how far it had come"
        ))
    }

    fn lost(&self, run: &str, why: &str) -> CommandError {
        let (name, run) = (&self.name, visible(run));
        let what = format!("{name}: {why}; run {run} goes on there");
        CommandError::new(Exit::Lost, what)
            .hint(format!("`hpt --target {name} attach` shows the rest of it"))
    }
}

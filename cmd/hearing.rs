//! A run as it is heard from here: to its end, taken up again after a cut, stopped or left by ^C.

use std::pin::pin;
use std::time::Duration;

use hpt_proto::wire::{ApplyEvent, AttachRequest, CancelRequest};
use hpt_proto::{Begun, End, Told};
use hpt_provisioner::config::File;
use hpt_provisioner::report::{Event, REBOOTS};
use tokio::time::{Instant, sleep};
use tonic::{Code, Response, Status, Streaming};

use crate::confirm::SPARE;
use crate::error::{CommandError, Exit};
use crate::interrupts::Interrupts;
use crate::link::was_cut;
use crate::remote::Remote;
use crate::terminal::visible;

/// How long a lost session is tried to be had again.
const PATIENCE: Duration = Duration::from_secs(30);
/// From one try to the next.
const PAUSE: Duration = Duration::from_millis(500);

/// What a run on a target tells, and to whom.
pub(crate) struct Hearing<'a> {
    /// Is told each event once.
    hear: &'a mut dyn FnMut(Heard),
    /// The files of the config, for faults in them.
    files: &'a [File],
    begun: Option<Begun>,
    /// How many blocks it is about.
    blocks: usize,
    interrupts: Interrupts,
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
    /// It was typed: the run stops as soon as it is known.
    Typed,
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
    pub(crate) fn new(
        files: &'a [File],
        blocks: usize,
        hear: &'a mut dyn FnMut(Heard),
    ) -> Result<Self, CommandError> {
        Ok(Self {
            hear,
            files,
            begun: None,
            blocks,
            interrupts: Interrupts::listen()?,
            interrupt: Interrupt::Stops,
            events: 0,
            reboots: false,
            said_away: false,
        })
    }

    /// ^C leaves the run to itself, also the first.
    pub(crate) fn leaving(self) -> Self {
        let interrupt = Interrupt::Leaves;
        Self { interrupt, ..self }
    }
}

impl Remote {
    /// Has a run begin, and does not wait for that any more when ^C says so.
    pub(crate) async fn ask(
        &self,
        hearing: &mut Hearing<'_>,
        call: impl Future<Output = Result<Response<Streaming<ApplyEvent>>, Status>>,
    ) -> Result<Result<Streaming<ApplyEvent>, Status>, CommandError> {
        let mut call = pin!(call);
        loop {
            tokio::select! {
                reply = &mut call => return Ok(reply.map(Response::into_inner)),
                () = hearing.interrupts.next() => self.interrupted(hearing)?,
            }
        }
    }

    /// What ^C comes to: the first is kept until the run is known that it is about.
    fn interrupted(&self, hearing: &mut Hearing<'_>) -> Result<(), CommandError> {
        if hearing.interrupt == Interrupt::Stops {
            hearing.interrupt = Interrupt::Typed;
            return Ok(());
        }
        Err(self.left(hearing, "interrupted"))
    }

    async fn stop(&self, run: String) -> Result<(), String> {
        let asked = self.client.clone().cancel(CancelRequest { run }).await;
        asked.map_err(|status| visible(status.message()).into_owned())?;
        Ok(())
    }

    pub(crate) async fn follow(
        &mut self,
        run: &str,
        from: u64,
    ) -> Result<Streaming<ApplyEvent>, Status> {
        let run = run.to_owned();
        let reply = self.client.attach(AttachRequest { run, from }).await?;
        Ok(reply.into_inner())
    }

    pub(crate) async fn hear_out(
        &mut self,
        mut hearing: Hearing<'_>,
        mut events: Streaming<ApplyEvent>,
    ) -> Result<End, CommandError> {
        loop {
            match self.hear(&mut hearing, &mut events).await {
                Ok(end) => {
                    // What is wrong with it is told at the next contact.
                    tokio::select! {
                        _ = self.audit.clone().look(self.client.clone()) => {}
                        () = hearing.interrupts.next() => {}
                    }
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
                return Err(self.left(&hearing, "the session was lost"));
            };
            let said = hearing.said_away;
            match (hearing.reboots, said) {
                (false, _) => (hearing.hear)(Heard::Lost),
                (true, false) => (hearing.hear)(Heard::Reboots),
                (true, true) => {} // it goes down still
            }
            hearing.said_away = hearing.reboots;
            events = self.find_again(&mut hearing, &run, patience).await?;
            if !hearing.reboots {
                (hearing.hear)(Heard::Found);
            }
        }
    }

    /// A new session with the target, and the rest of what the run tells.
    async fn find_again(
        &mut self,
        hearing: &mut Hearing<'_>,
        run: &str,
        patience: Duration,
    ) -> Result<Streaming<ApplyEvent>, CommandError> {
        let began = Instant::now();
        loop {
            let found = tokio::select! {
                found = self.try_again(run, hearing.events) => found?,
                () = hearing.interrupts.next() => return Err(self.lost(run, "interrupted")),
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
            if let (Interrupt::Typed, Some(begun)) = (hearing.interrupt, &hearing.begun) {
                hearing.interrupt = Interrupt::Leaves;
                // Nor is a host waited for that does not answer this.
                let stopped = tokio::select! {
                    stopped = self.stop(begun.running.run.clone()) => Some(stopped),
                    () = hearing.interrupts.next() => None,
                };
                match stopped {
                    Some(stopped) => (hearing.hear)(Heard::Stops(stopped)),
                    None => self.interrupted(hearing).map_err(Broken::Said)?,
                }
            }
            let next = tokio::select! {
                next = events.message() => next,
                () = hearing.interrupts.next() => {
                    self.interrupted(hearing).map_err(Broken::Said)?;
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

    /// Why no more is heard of a run, which may not even be known.
    fn left(&self, hearing: &Hearing<'_>, why: &str) -> CommandError {
        if let Some(begun) = &hearing.begun {
            return self.lost(&begun.running.run, why);
        }
        let name = &self.name;
        let what = format!("{name}: {why} before a run was heard of");
        CommandError::new(Exit::Lost, what).hint(format!(
            "`hpt --target {name} status` says whether it began"
        ))
    }

    fn lost(&self, run: &str, why: &str) -> CommandError {
        let (name, run) = (&self.name, visible(run));
        let what = format!("{name}: {why}; run {run} goes on there");
        CommandError::new(Exit::Lost, what)
            .hint(format!("`hpt --target {name} attach` shows the rest of it"))
    }
}

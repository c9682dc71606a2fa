//! Following a run by its journal, from any event on, until its end.

use std::io;
use std::time::Duration;

use hpt_proto::wire::apply_event::Event;
use hpt_proto::wire::record::Record as Kind;
use hpt_proto::wire::{ApplyEvent, Begun, Outcome};
use tokio::sync::mpsc::Sender;
use tokio::sync::watch::Receiver;
use tokio::time::sleep;
use tonic::Status;

use super::read::Reader;
use super::{Journals, Standing};
use crate::Places;
use crate::confirm::Confirmation;
use crate::lock;

/// How soon a journal is looked at again that had more to tell, and one that is silent: the pause
/// doubles from the one to the other, where it is also looked whether the run still has a process.
const SOON: Duration = Duration::from_millis(1);
const LATE: Duration = Duration::from_millis(32);

/// Who follows a run, and until when.
pub(crate) struct Follower {
    pub(crate) tell: Sender<Result<ApplyEvent, Status>>,
    /// So many events need not be told.
    pub(crate) from: u64,
    /// Whether the server stops; the run goes on without it.
    pub(crate) stopping: Receiver<bool>,
}

/// How a run was followed.
pub(crate) enum Followed {
    /// To its end.
    Ended,
    /// Not to its end: whoever listened is gone, or the server stops.
    Left,
    /// Its process ended before it did.
    Broken,
    /// There is no such run.
    Unknown,
}

impl Follower {
    /// Tells `Begun`, and then all that the run tells.
    pub(crate) async fn follow(mut self, places: &Places, run: &str) -> io::Result<Followed> {
        let journals = Journals::open(places).map_err(io::Error::other)?;
        let Some(file) = journals.find(run)? else {
            return Ok(Followed::Unknown);
        };
        let mut reader = Reader::new(file);
        let Some((_, begun)) = reader.header()? else {
            return Ok(Followed::Broken);
        };
        if self.tell.send(Ok(opening(begun))).await.is_err() {
            return Ok(Followed::Left);
        }
        let mut was_free = false;
        let mut pause = SOON;
        let mut held = Held::default();
        loop {
            while let Some(mut kind) = reader.next()? {
                pause = SOON;
                if let Kind::Told(event) = &mut kind
                    && is_end(event)
                {
                    put_away(&journals, places, run).await?;
                    add_undone(&journals, run, event);
                }
                for event in held.hear(kind) {
                    let ended = is_end(&event);
                    if !self.pass_on(event).await {
                        return Ok(Followed::Left);
                    }
                    if ended {
                        return Ok(Followed::Ended);
                    }
                }
            }
            if was_free && !is_awaited(&journals, run)? {
                reader.make_durable()?;
                for event in held.let_go() {
                    if !self.pass_on(event).await {
                        return Ok(Followed::Left);
                    }
                }
                return Ok(Followed::Broken);
            }
            // Looked at before the rest is read: what it wrote last is there by then.
            was_free = pause >= LATE && !holds(places, run)?;
            tokio::select! {
                () = sleep(pause) => (),
                _ = self.stopping.wait_for(|stopping| *stopping) => return Ok(Followed::Left),
                () = self.tell.closed() => return Ok(Followed::Left),
            }
            pause = LATE.min(pause * 2);
        }
    }

    /// Tells an event, unless it need not be; whether somebody still listens.
    async fn pass_on(&mut self, event: ApplyEvent) -> bool {
        if !is_end(&event) && self.from > 0 {
            self.from -= 1;
            return true;
        }
        self.tell.send(Ok(event)).await.is_ok()
    }
}

/// What nobody is told of before it is on disk: that a block has changed something, and what comes after.
#[derive(Default)]
struct Held(Vec<ApplyEvent>);

impl Held {
    /// What may be told by now.
    fn hear(&mut self, kind: Kind) -> Vec<ApplyEvent> {
        match kind {
            Kind::Told(event) => {
                // The journal of a run that has an end was put away, and all of it is on disk.
                let waits = !is_end(&event) && (is_kept(&event) || !self.0.is_empty());
                self.0.push(event);
                if waits { Vec::new() } else { self.let_go() }
            }
            Kind::Settled(_) => self.let_go(),
            Kind::Header(_) | Kind::Intents(_) => Vec::new(),
        }
    }

    fn let_go(&mut self) -> Vec<ApplyEvent> {
        std::mem::take(&mut self.0)
    }
}

fn is_kept(event: &ApplyEvent) -> bool {
    let Some(Event::Finished(end)) = &event.event else {
        return false;
    };
    matches!(
        end.outcome(),
        Outcome::Changed | Outcome::Failed | Outcome::Reverted
    )
}

/// Waits until the end of a run is on disk, which it is once its journal is put away; its process may
/// be unable to, and goes then.
async fn put_away(journals: &Journals, places: &Places, run: &str) -> io::Result<()> {
    while !journals.has_ended(run) && holds(places, run)? {
        sleep(SOON).await;
    }
    Ok(())
}

/// Adds to the end of a run how it was undone since.
fn add_undone(journals: &Journals, run: &str, end: &mut ApplyEvent) {
    if let Some(Event::Report(report)) = &mut end.event {
        let confirmation = Confirmation::of(journals, run);
        let undone = confirmation.and_then(|of| of.how_undone());
        report.undone = undone.map(Into::into);
    }
}

fn holds(places: &Places, run: &str) -> io::Result<bool> {
    let holder = lock::holder(places).map_err(io::Error::other)?;
    Ok(holder.is_some_and(|holder| holder.run == run))
}

/// Whether the run goes on when its host is back.
fn is_awaited(journals: &Journals, run: &str) -> io::Result<bool> {
    let standing = Standing::read(journals, run)?;
    Ok(standing.is_some_and(|standing| standing.is_awaited()))
}

fn opening(begun: Begun) -> ApplyEvent {
    ApplyEvent {
        event: Some(Event::Begun(begun)),
        at: None,
    }
}

pub(crate) fn is_end(event: &ApplyEvent) -> bool {
    match event.event {
        Some(
            Event::Report(_)
            | Event::Faults(_)
            | Event::Busy(_)
            | Event::Moved(_)
            | Event::Missing(_)
            | Event::InDoubt(_)
            | Event::Used(_)
            | Event::Unable(_),
        ) => true,
        Some(
            Event::Begun(_)
            | Event::Started(_)
            | Event::Output(_)
            | Event::Note(_)
            | Event::Finished(_),
        )
        | None => false,
    }
}

#[cfg(test)]
mod tests {
    use hpt_proto::wire::{Finished, Report, Settled, Started};

    use super::*;

    fn finished(block: u32, outcome: Outcome) -> Kind {
        told(Event::Finished(Finished {
            block,
            outcome: outcome.into(),
            ..Finished::default()
        }))
    }

    fn told(event: Event) -> Kind {
        Kind::Told(ApplyEvent {
            event: Some(event),
            ..ApplyEvent::default()
        })
    }

    /// J1: between a record's write and the end of its sync the record can be read, and may still be lost.
    #[test]
    fn what_may_be_lost_is_told_to_nobody() {
        let started = || told(Event::Started(Started::default()));
        let mut held = Held::default();
        assert_eq!(held.hear(started()).len(), 1);
        assert_eq!(held.hear(finished(0, Outcome::Ok)).len(), 1);
        assert_eq!(held.hear(finished(1, Outcome::Changed)).len(), 0);
        assert_eq!(held.hear(finished(2, Outcome::Ok)).len(), 0, "out of order");
        assert_eq!(held.hear(Kind::Settled(Settled {})).len(), 2);
        assert_eq!(held.hear(started()).len(), 1);
        assert_eq!(held.hear(finished(3, Outcome::Failed)).len(), 0);
        let end = told(Event::Report(Report::default()));
        assert_eq!(held.hear(end).len(), 2);
    }
}

//! Following a run by its journal, from any event on, until its end.

use std::io;
use std::time::Duration;

use hpt_proto::wire::apply_event::Event;
use hpt_proto::wire::record::Record as Kind;
use hpt_proto::wire::{ApplyEvent, Begun};
use tokio::sync::mpsc::Sender;
use tokio::sync::watch::Receiver;
use tokio::time::sleep;
use tonic::Status;

use super::read::Reader;
use super::{Journals, Standing};
use crate::Places;
use crate::lock;
use crate::undone;

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
        loop {
            while let Some(kind) = reader.next()? {
                pause = SOON;
                let Kind::Told(mut event) = kind else {
                    continue;
                };
                let ended = is_end(&event);
                if ended {
                    put_away(&journals, places, run).await?;
                    undone::add(&journals, run, &mut event)?;
                }
                if !ended && self.from > 0 {
                    self.from -= 1;
                    continue;
                }
                if self.tell.send(Ok(event)).await.is_err() {
                    return Ok(Followed::Left);
                }
                if ended {
                    return Ok(Followed::Ended);
                }
            }
            if was_free && !is_awaited(&journals, run)? {
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
}

/// Waits until the end of a run is on disk, which it is once its journal is put away; its process may
/// be unable to, and goes then.
async fn put_away(journals: &Journals, places: &Places, run: &str) -> io::Result<()> {
    while !journals.has_ended(run) && holds(places, run)? {
        sleep(SOON).await;
    }
    Ok(())
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

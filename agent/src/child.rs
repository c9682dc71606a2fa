//! The process that performs one run for `hpt serve`: an order on standard input, one answer on
//! standard output, and all else in the run's journal. It outlives a server that is restarted (A8, T8).

use std::io::{self, Read, Write};

use bytes::Bytes;
use hpt_proto::wire::apply_event::Event;
use hpt_proto::wire::{ApplyEvent, RunRequest};
use hpt_proto::{BadMessage, Delivery, End, Told};
use prost::Message;
use rustix::fs::Mode;

use crate::Places;
use crate::audit::Asked;
use crate::guard::Guardian;
use crate::run::{Order, RunError, Site};

/// The longest message between the two processes, in bytes: a gRPC message and a little.
const LONGEST: usize = 5 << 20;
/// The most that is said of why a run could not begin, in characters.
const WORDS: usize = 1000;

/// Why a run was not performed.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// The order did not arrive.
    #[error("this verb is for `hpt serve`, which writes an order to its standard input: {0}")]
    Order(io::Error),
    /// The order says something impossible.
    #[error(transparent)]
    BadOrder(#[from] BadMessage),
    /// The host cannot be provisioned at all.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// All of the hidden verb `hpt run`. Nothing of it is in its arguments or its environment (S1).
///
/// # Errors
/// If there is no run to speak of; a run that fails is not an error here.
pub fn run_child(from: &mut dyn Read, to: &mut dyn Write) -> Result<(), ChildError> {
    // Its own session, so that no terminal or group signal meant for the server reaches it; it may
    // lead one already. Files that a config makes are not narrowed by the server's umask (A6).
    let _ = rustix::process::setsid();
    rustix::process::umask(Mode::from_raw_mode(0o022));
    // A server that is gone changes nothing about the run (J2); the rest it reads in the journal.
    let mut answer = |message: ApplyEvent| {
        let message = framed(&message);
        let _ = to.write_all(&message).and_then(|()| to.flush());
    };
    let mut begun = false;
    let mut hear = |told| {
        if matches!(told, Told::Begun(_)) {
            begun = true;
            answer(told.into());
        }
    };
    let performed = perform(from, &mut hear);
    if !begun {
        answer(match &performed {
            Ok(end) => Told::End(end.clone()).into(),
            Err(why) => unable(why),
        });
    }
    performed.map(drop)
}

/// Why the run could not begin, for the server's log and its client.
fn unable(why: &ChildError) -> ApplyEvent {
    let words: String = why.to_string().chars().take(WORDS).collect();
    ApplyEvent {
        event: Some(Event::Unable(words)),
        at: None,
    }
}

fn perform(from: &mut dyn Read, hear: &mut dyn FnMut(Told)) -> Result<End, ChildError> {
    let request = read_order(from).map_err(ChildError::Order)?;
    let missing = BadMessage("an order without a request");
    let places = places_of(&request);
    let site = Site::new(places).served_by(&request.serving);
    let running = request.running.ok_or(missing)?.into();
    let asked = Asked {
        key: request.key,
        grants: request.grants,
    };
    let guardian = Guardian::new(request.unit, request.serving).map_err(RunError::NoGuardian)?;
    if let Some(upgrade) = &request.upgrade {
        let (new, window) = upgrade.parse()?;
        return Ok(site.upgrade(new, window, running, &asked, &guardian, hear)?);
    }
    Ok(if request.undo.is_empty() {
        let apply = request.apply.ok_or(missing)?;
        let order = Order {
            confirm: Some((apply.window()?, guardian)),
            bound: apply.bound()?,
            delivery: Delivery::try_from(apply.request.ok_or(missing)?)?,
            running,
            exec: request.exec,
            rerun: apply.rerun.into_iter().collect(),
            asked,
        };
        if request.resumed == 0 {
            site.execute(order, hear)?
        } else {
            site.resume(order, request.resumed, hear)?
        }
    } else {
        site.undo(&request.undo, running, &asked, Some(guardian), hear)?
    })
}

pub(crate) fn places_of(order: &RunRequest) -> Places {
    Places {
        root: order.root.clone().into(),
        state: order.state.clone().into(),
        run: order.lock.clone().into(),
    }
}

pub(crate) fn read_order(from: &mut dyn Read) -> io::Result<RunRequest> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let mut order = vec![0; length_of(length)?];
    from.read_exact(&mut order)?;
    RunRequest::decode(Bytes::from(order)).map_err(|_| bad("it is not an order"))
}

/// A message as it travels between the two processes: its length in 4 bytes, then itself.
pub(crate) fn framed(message: &impl Message) -> Vec<u8> {
    let length = message.encoded_len();
    let mut frame = Vec::with_capacity(4 + length);
    frame.extend(
        u32::try_from(length)
            .expect("a message is short")
            .to_be_bytes(),
    );
    message.encode(&mut frame).expect("a Vec has room");
    frame
}

/// The length before a message.
pub(crate) fn length_of(bytes: [u8; 4]) -> io::Result<usize> {
    let length = usize::try_from(u32::from_be_bytes(bytes)).unwrap_or(usize::MAX);
    if length > LONGEST {
        Err(bad("it is too long"))
    } else {
        Ok(length)
    }
}

pub(crate) fn bad(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

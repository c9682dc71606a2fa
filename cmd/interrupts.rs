//! ^C: it goes to whoever listens, and ends this process while nobody does.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use signal_hook::consts::SIGINT;
use signal_hook::flag::register_conditional_default;
use thiserror::Error;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::{CommandError, Exit};

/// Each ^C from the moment on in which this is made.
pub(crate) struct Interrupts(Signal);

/// The system lets nobody wait for signals.
#[derive(Debug, Error)]
#[error("cannot wait for signals: {0}")]
pub(crate) struct NoSignals(io::Error);

/// Who listens.
struct Listeners {
    count: usize,
    /// What the handler looks at, once there is one.
    are_none: Option<Arc<AtomicBool>>,
}

static LISTENERS: Mutex<Listeners> = Mutex::new(Listeners {
    count: 0,
    are_none: None,
});

impl Interrupts {
    pub(crate) fn listen() -> Result<Self, NoSignals> {
        let signal = Listeners::count(1).and_then(|()| signal(SignalKind::interrupt()));
        signal.map(Self).map_err(NoSignals)
    }

    pub(crate) async fn next(&mut self) {
        self.0.recv().await;
    }
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        // Only the first one registers anything.
        let _ = Listeners::count(-1);
    }
}

impl Listeners {
    fn count(change: isize) -> io::Result<()> {
        let mut listeners = LISTENERS.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.count = listeners.count.saturating_add_signed(change);
        let are_none = if let Some(flag) = listeners.are_none.take() {
            flag
        } else {
            // What tokio registers stays, and takes the place of the system's own.
            let flag = Arc::new(AtomicBool::new(true));
            register_conditional_default(SIGINT, Arc::clone(&flag))?;
            flag
        };
        are_none.store(listeners.count == 0, Ordering::SeqCst);
        listeners.are_none = Some(are_none);
        Ok(())
    }
}

impl From<NoSignals> for CommandError {
    fn from(why: NoSignals) -> Self {
        Self::new(Exit::Failed, why)
    }
}

#[cfg(test)]
mod tests {
    use signal_hook::low_level::raise;

    use super::*;

    fn ends_this_process() -> bool {
        let listeners = LISTENERS.lock().unwrap();
        let are_none = listeners.are_none.as_ref().unwrap();
        are_none.load(Ordering::SeqCst)
    }

    #[tokio::test]
    async fn it_ends_this_process_while_nobody_listens() {
        let first = Interrupts::listen().unwrap();
        let mut second = Interrupts::listen().unwrap();
        drop(first);
        assert!(!ends_this_process());
        raise(SIGINT).unwrap(); // between two looks at it
        second.next().await;
        drop(second);
        assert!(ends_this_process());
    }
}

//! One target of many, as its own verb sees the others.

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use hpt_keystore::TargetName;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::error::Exit;
use crate::keys::Reach;
use crate::terminal::Told;

/// One target of many.
pub(crate) struct Member {
    pub(crate) name: TargetName,
    /// Read once for all of them.
    keys: Option<Reach>,
    ask: mpsc::UnboundedSender<Question>,
    begun: Begun,
}

/// Whether a target has begun to be changed: from then on it goes its way to the end.
#[derive(Clone, Default)]
pub(super) struct Begun(Rc<Cell<bool>>);

/// Whether no target is to begin any more, as ^C says.
#[derive(Default)]
pub(super) struct Stop {
    told: Cell<bool>,
    tell: Notify,
}

/// A target that waits for somebody to agree.
pub(super) struct Question {
    pub(super) name: TargetName,
    /// What there is to agree to.
    pub(super) told: Told,
    answer: oneshot::Sender<bool>,
}

/// A target that is done.
pub(super) struct Ended {
    pub(super) name: TargetName,
    /// `None` if it was not begun.
    pub(super) exit: Option<Exit>,
    pub(super) told: Told,
    pub(super) time: Duration,
}

impl Member {
    pub(super) fn new(reach: Reach, ask: mpsc::UnboundedSender<Question>) -> Self {
        Self {
            name: reach.target.name.clone(),
            keys: Some(reach),
            ask,
            begun: Begun::default(),
        }
    }

    /// What it takes to reach it; the first to ask has that.
    pub(crate) fn take_keys(&mut self) -> Option<Reach> {
        self.keys.take()
    }

    /// Whether somebody agrees to what is to be done, when all are known.
    pub(crate) async fn agrees(&self, told: Told) -> bool {
        let (answer, answered) = oneshot::channel();
        let name = self.name.clone();
        let asked = self.ask.send(Question { name, told, answer });
        asked.is_ok() && answered.await.unwrap_or(false)
    }

    /// Says that it is being changed from now on.
    pub(crate) fn begin(&self) {
        self.begun.0.set(true);
    }

    pub(super) fn begun(&self) -> Begun {
        self.begun.clone()
    }
}

impl Stop {
    pub(super) fn tell(&self) {
        self.told.set(true);
        self.tell.notify_waiters();
    }

    pub(super) fn is_told(&self) -> bool {
        self.told.get()
    }

    /// Does this to its end, unless it has not begun to change anything when no target is to begin.
    pub(super) async fn or<T>(&self, begun: &Begun, act: impl Future<Output = T>) -> Option<T> {
        let stopped = async {
            let told = self.tell.notified();
            if !self.is_told() {
                told.await;
            }
            if begun.0.get() {
                pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            done = act => Some(done),
            () = stopped => None,
        }
    }
}

impl Ended {
    pub(super) fn not_begun(name: TargetName) -> Self {
        Self {
            name,
            exit: None,
            told: Told::default(),
            time: Duration::ZERO,
        }
    }
}

impl Question {
    pub(super) fn answer(self, agrees: bool) {
        // Whoever asked may be gone.
        let _ = self.answer.send(agrees);
    }
}

//! One target of many, as its own verb sees the others.

use std::time::Duration;

use hpt_keystore::TargetName;
use hpt_keystore::client::KnownTarget;
use hpt_transport::LocalKey;
use tokio::sync::{mpsc, oneshot};

use crate::error::Exit;
use crate::terminal::Told;

/// One target of many.
pub(crate) struct Member {
    pub(crate) name: TargetName,
    /// Read once for all of them.
    keys: Option<(LocalKey, KnownTarget)>,
    ask: Option<mpsc::UnboundedSender<Question>>,
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
    pub(super) exit: Exit,
    pub(super) told: Told,
    pub(super) time: Duration,
}

impl Member {
    pub(super) fn new(key: LocalKey, target: KnownTarget) -> Self {
        Self {
            name: target.name.clone(),
            keys: Some((key, target)),
            ask: None,
        }
    }

    pub(super) fn asks_by(&mut self, ask: mpsc::UnboundedSender<Question>) {
        self.ask = Some(ask);
    }

    /// The client's key and what it knows of the target; the first to ask has them.
    pub(crate) fn take_keys(&mut self) -> Option<(LocalKey, KnownTarget)> {
        self.keys.take()
    }

    /// Whether somebody agrees to what is to be done, when all are known.
    pub(crate) async fn agrees(&self, told: Told) -> bool {
        let (answer, answered) = oneshot::channel();
        let name = self.name.clone();
        let question = Question { name, told, answer };
        let asked = self.ask.as_ref().map(|ask| ask.send(question));
        matches!(asked, Some(Ok(()))) && answered.await.unwrap_or(false)
    }
}

impl Question {
    pub(super) fn answer(self, agrees: bool) {
        // Whoever asked may be gone.
        let _ = self.answer.send(agrees);
    }
}

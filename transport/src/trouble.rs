//! What the accept loop does about errors that will come again at once (C1).

use std::fs::File;
use std::io;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::{Instant, sleep, timeout_at};

use crate::quiet::Quiet;

/// How long to wait, what to say, and a descriptor to spare.
pub(crate) struct Trouble {
    wait: Duration,
    quiet: Quiet<()>,
    /// Closed when descriptors run out, so that one caller can be turned away.
    spare: Option<File>,
}

impl Trouble {
    const FIRST: Duration = Duration::from_millis(50);
    const MOST: Duration = Duration::from_millis(500);

    pub(crate) fn new() -> Self {
        Self {
            wait: Self::FIRST,
            quiet: Quiet::new(),
            spare: spare(),
        }
    }

    /// Accepting works again.
    pub(crate) fn passed(&mut self) {
        self.wait = Self::FIRST;
    }

    /// Turns one caller away if descriptors ran out, and waits 50 ms, then longer, up to 500 ms.
    pub(crate) async fn pause(&mut self, tcp: &TcpListener, error: &io::Error) {
        if let Some(unsaid) = self.quiet.may_say((), Instant::now()) {
            tracing::warn!(unsaid, "cannot accept connections: {error}");
        }
        if self.spare.take().is_some() {
            let turned_away = timeout_at(Instant::now(), tcp.accept()).await;
            drop(turned_away);
        }
        sleep(self.wait).await;
        self.wait = (self.wait * 2).min(Self::MOST);
        self.spare = spare();
    }
}

fn spare() -> Option<File> {
    File::open("/dev/null").ok()
}

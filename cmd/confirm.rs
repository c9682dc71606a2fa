//! Confirming a run: a session that began after its end is the proof that the host can be reached (J3).

use std::time::Duration;

use hpt_proto::Undone;
use hpt_proto::wire::{ConfirmReply, ConfirmRequest};
use tokio::time::{Instant, sleep, timeout};
use tonic::Code;

use crate::error::{CommandError, Exit};
use crate::interrupts::Interrupts;
use crate::remote::Remote;
use crate::terminal::visible;

/// How long after the window a host is still tried, which tells that it has undone the run.
pub(crate) const SPARE: Duration = Duration::from_secs(10);
/// How long one try may take, and from one to the next.
const TRY: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(300);

impl Remote {
    /// Confirms a run over a new session. What has become of it, if that came too late.
    pub(crate) async fn confirm(
        &mut self,
        run: &str,
        window: Duration,
    ) -> Result<Option<Undone>, CommandError> {
        let began = Instant::now();
        let mut interrupts = Interrupts::listen()?;
        loop {
            let tried = tokio::select! {
                tried = timeout(TRY, self.try_to_confirm(run)) => tried,
                () = interrupts.next() => return Err(self.unconfirmed(run, "interrupted")),
            };
            let why = match tried {
                Ok(Ok(undone)) => return Ok(undone),
                Ok(Err(why)) => why,
                Err(_) => format!("no answer within {} s", TRY.as_secs()),
            };
            if began.elapsed() > window + SPARE {
                return Err(self.unconfirmed(run, &why));
            }
            tracing::debug!("run {run} is not confirmed yet: {why}");
            sleep(PAUSE).await;
        }
    }

    async fn try_to_confirm(&mut self, run: &str) -> Result<Option<Undone>, String> {
        self.reconnect().await.map_err(|why| why.to_string())?;
        let request = ConfirmRequest {
            run: run.to_owned(),
        };
        match self.client.confirm(request).await {
            Ok(reply) => {
                let ConfirmReply { reverted_by, stays } = reply.into_inner();
                let by = reverted_by;
                Ok((!by.is_empty()).then_some(Undone { by, stays }))
            }
            // A right or a pin that the run took away comes back when the run is undone.
            Err(status) => Err(match status.code() {
                Code::FailedPrecondition | Code::NotFound => visible(status.message()).into_owned(),
                _ => status.to_string(),
            }),
        }
    }

    fn unconfirmed(&self, run: &str, why: &str) -> CommandError {
        let (name, run) = (&self.name, visible(run));
        let what = format!("{name}: run {run} is not confirmed: {}", visible(why));
        CommandError::new(Exit::Unreachable, what)
            .hint("the host undoes it by itself when its time has passed, and tries until it can")
    }
}

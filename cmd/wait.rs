//! Waiting for a host that another run holds.

use std::time::{Duration, Instant};

use hpt_proto::Running;

use crate::context::now;
use crate::error::CommandError;
use crate::interrupts::Interrupts;
use crate::print::{json, span};
use crate::site::Site;
use crate::terminal::{Terminal, visible};

/// The longest that a host is waited for, or a run to be confirmed.
pub(crate) const DAY: Duration = Duration::from_hours(24);

/// How long is waited for a host, and since when.
pub(crate) struct Patience {
    time: Duration,
    began: Instant,
    /// Who was told of already.
    told: Option<Running>,
}

impl Patience {
    /// From now on.
    pub(crate) fn new(time: Option<Duration>) -> Self {
        Self {
            time: time.unwrap_or_default(),
            began: Instant::now(),
            told: None,
        }
    }

    /// Waits until the host is free, and says who holds it; false at once if the time has passed.
    pub(crate) async fn wait(
        &mut self,
        site: &mut Site,
        running: &Running,
        terminal: &mut Terminal,
    ) -> Result<bool, CommandError> {
        let left = self.time.saturating_sub(self.began.elapsed());
        if left.is_zero() {
            return Ok(false);
        }
        let mut interrupts = Interrupts::listen()?;
        if self.told.as_ref() != Some(running) {
            let Running { run, by, since } = running;
            let (run, by) = (visible(run), visible(by));
            let since = span(now().saturating_sub(*since));
            terminal.note(format_args!(
                "{} is waited for, {} at most: run {run} of {by} has held it for {since}",
                visible(site.name()),
                span(
                    left.as_millis()
                        .div_ceil(1000)
                        .try_into()
                        .unwrap_or(u64::MAX)
                ),
            ));
            terminal.json(&json::Waiting::new(site.name(), running));
            self.told = Some(running.clone());
        }
        tokio::select! {
            free = site.until_free(left) => free.map(|()| true),
            () = interrupts.next() => Ok(false),
        }
    }
}

/// How `--wait` and `--confirm` spell a time.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    let time = hpt_provisioner::time::parse(text)?;
    if time.is_zero() || time > DAY {
        return Err("it is at least a second and at most a day".to_owned());
    }
    Ok(time)
}

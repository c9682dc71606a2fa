//! What is to be said of a run whose process ended before it did.

use hpt_proto::wire::Interrupted;

use super::{plural, span};
use crate::context::now;
use crate::terminal::visible;

/// As many blocks in doubt as are named.
const NAMED: usize = 10;

/// In one line.
pub(crate) fn line(broken: &Interrupted) -> String {
    let run = broken.run.clone().unwrap_or_default();
    let since = span(now().saturating_sub(run.since));
    let (id, by) = (visible(&run.run), visible(&run.by));
    format!(
        "run {id} of {by}, begun {since} ago, broke off: {} done, {} in doubt, {} not started",
        plural(broken.done.len(), "block"),
        broken.in_doubt.len(),
        broken.not_started
    )
}

/// With the blocks that are in doubt, and what next.
pub(crate) fn words(broken: &Interrupted) -> String {
    let mut words = line(broken);
    for block in broken.in_doubt.iter().take(NAMED) {
        words += &format!("\nin doubt  {}", visible(block));
    }
    let rest = broken.in_doubt.len().saturating_sub(NAMED);
    if rest > 0 {
        words += &format!("\nin doubt  {rest} more");
    }
    words + "\nProvision again: what is done is in place, and the rest follows."
}

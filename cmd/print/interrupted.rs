//! What is to be said of a run whose process ended before it did.

use hpt_proto::wire::Interrupted;

use super::{listed_up_to, plural, span, word};
use crate::context::now;
use crate::terminal::visible;

/// As many blocks are named of each sort.
const NAMED: usize = 5;

/// Which run, how far it had come, and which blocks are done and in doubt.
pub(crate) fn words(broken: &Interrupted) -> String {
    let run = broken.run.clone().unwrap_or_default();
    let since = span(now().saturating_sub(run.since));
    let (id, by) = (visible(&run.run), visible(&run.by));
    let mut words = format!(
        "run {id} of {by}, begun {since} ago, broke off: {} done, {} in doubt, {} not started",
        plural(broken.done.len(), "block"),
        broken.in_doubt.len(),
        broken.not_started
    );
    for (what, ids) in [("done", &broken.done), ("in doubt", &broken.in_doubt)] {
        if !ids.is_empty() {
            words += &format!("\n  {what}: {}", listed_up_to(NAMED, ids));
        }
    }
    words
}

/// What to do about it.
pub(crate) fn next(broken: &Interrupted) -> String {
    let what = "what is done is in place, and the rest follows.";
    if broken.commands.is_empty() {
        return format!("Provision again: {what}");
    }
    let which = match broken.commands.len() {
        1 => "whether its command has run",
        _ => "which of their commands have run",
    };
    format!(
        "See on the host {which}, and provision again with{}: {what}\n\
         Without that nothing is done, for a command might run twice.",
        reruns(&broken.commands)
    )
}

/// The options by which the commands of these blocks may run again.
pub(crate) fn reruns(blocks: &[String]) -> String {
    let ids = blocks.iter().map(|id| format!(" --rerun {}", word(id)));
    ids.collect()
}

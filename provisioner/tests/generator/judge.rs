//! What a plan's verdicts promise, and when no order of applying a config leaves all of it in place.

use hpt_provisioner::config::Config;
use hpt_provisioner::host::Key;
use hpt_provisioner::name::AbsPath;
use hpt_provisioner::plan::Verdict;
use hpt_provisioner::report::Outcome;

/// What a verdict promises of an outcome. `maybe` promises nothing but an end.
pub fn keeps(verdict: Verdict, outcome: Outcome) -> bool {
    match verdict {
        Verdict::Ok => outcome == Outcome::Ok,
        Verdict::Skip | Verdict::Orphan => outcome == Outcome::Skipped,
        Verdict::Blocked => outcome == Outcome::Failed,
        Verdict::Maybe => outcome != Outcome::NotRun,
        Verdict::Create | Verdict::Update | Verdict::Delete | Verdict::Run => {
            outcome == Outcome::Changed
        }
    }
}

/// Whether a block that a second plan judges so leaves nothing to be done. A command runs each
/// time, and what it says that it changes cannot be known before.
pub fn is_settled(verdict: Verdict) -> bool {
    !verdict.is_pending() || matches!(verdict, Verdict::Run | Verdict::Maybe)
}

/// Whether one of the blocks that a second plan leaves to be done wants something of a path, user,
/// group or package of which another block wants something too.
pub fn contradicts_itself(config: &Config, left: &[usize]) -> bool {
    left.iter().any(|i| {
        let keys = config.blocks[*i].reads();
        let meets = |other: &Key| keys.iter().any(|key| overlap(key, other));
        (0..config.blocks.len()).any(|j| j != *i && config.blocks[j].reads().iter().any(meets))
    })
}

/// Whether two keys are one, or one path lies below the other.
fn overlap(one: &Key, other: &Key) -> bool {
    let below = |a: &AbsPath, b: &AbsPath| a.as_path().starts_with(b.as_path());
    match (one, other) {
        (Key::Path(a), Key::Path(b)) => below(a, b) || below(b, a),
        _ => one == other,
    }
}

//! A block's decision in the words of a plan, as far as the asker may see it.

use crate::block::{Block, Decision};
use crate::describe::{Detail, details};
use crate::host::HostError;
use crate::mask::Mask;
use crate::plan::{Mark, Planned, Reveal, Verdict};
use crate::view::View;

/// What a plan says of a block.
pub(super) fn judge(
    block: &Block,
    (file, line): (&str, usize),
    decision: &Result<Decision, HostError>,
    view: &View<'_>,
    reveal: Reveal,
) -> Planned {
    let (verdict, summary, action) = match decision {
        Ok(Decision::InPlace) => (Verdict::Ok, String::new(), None),
        Ok(Decision::Act(action)) => (action.verb.into(), action.summary.clone(), Some(action)),
        Ok(Decision::Ask { action, .. }) => {
            let words = format!(
                "known when applied: {}, if its guard says so",
                action.summary
            );
            (Verdict::Maybe, words, None)
        }
        Ok(Decision::Await { within, what }) => {
            let words = format!(
                "known when applied: waits {} s at most for {what}",
                within.as_secs()
            );
            (Verdict::Maybe, words, None)
        }
        Ok(Decision::Check {
            within, reverts, ..
        }) => {
            let seconds = within.as_secs();
            let else_ = if *reverts {
                ", or the run is reverted"
            } else {
                ""
            };
            let words = format!("must be well within {seconds} s{else_}");
            (Verdict::Run, words, None)
        }
        Ok(Decision::Reboot { why, within }) => {
            let words = format!("{why}; {} s at most", within.as_secs());
            (Verdict::Run, words, None)
        }
        Ok(Decision::Maybe(cause)) => (
            Verdict::Maybe,
            format!("known when applied: depends on {}", cause.0),
            None,
        ),
        Ok(Decision::Blocked(why)) => (Verdict::Blocked, why.clone(), None),
        Ok(Decision::Skip(why)) => (Verdict::Skip, why.clone(), None),
        Ok(Decision::Orphan(words)) => (Verdict::Orphan, words.clone(), None),
        Err(HostError::MissingBlob(source)) => (
            Verdict::Maybe,
            format!("known when {source} has been sent"),
            None,
        ),
        Err(error) => (Verdict::Blocked, error.to_string(), None),
    };
    Planned {
        id: block.id.clone(),
        file: file.to_owned(),
        line,
        verdict,
        summary,
        details: action.map_or_else(Vec::new, |a| details(a, block.sensitive, view, reveal)),
        mark: Mark::default(),
    }
}

/// Takes secrets out of details: a line of a file may stand beside one that an earlier block wrote.
pub(super) fn veil(details: &mut [Detail], mask: &mut Mask) {
    for detail in details {
        match detail {
            Detail::Text(text) => *text = mask.whole(text),
            Detail::Diff { lines, .. } => {
                for line in lines {
                    line.text = mask.whole(&line.text);
                }
            }
        }
    }
}

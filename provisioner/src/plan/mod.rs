//! A plan: what an apply would do, judged against the host and against what earlier blocks will
//! have done. Planning is given only [`Observe`].

mod digest;
mod expected;
mod foresee;
mod judge;

use crate::block::{Action, Block, Decision, Orphan, UNTAGGED, Verb};
use crate::config::Config;
use crate::describe::Detail;
use crate::effect::{Command, Content, Effect};
use crate::fault::Lines;
use crate::host::overlay::{Cause, Overlay};
use crate::host::{Hash, HostError, Observe};
use crate::listing::Listing;
use crate::notices::Notices;
use crate::report::{Finished, Outcome, Report};
use crate::results::{self, Results};
use crate::view::View;

pub use self::digest::{Bound, Digest, Mark, Moved};
pub use self::expected::Expected;
pub(crate) use self::foresee::{foresee, foresee_action};
use self::judge::{judge, veil};

/// What would become of one block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// `=`: it is in place.
    Ok,
    /// `+`: it will be made.
    Create,
    /// `~`: it will be changed.
    Update,
    /// `-`: it will be removed.
    Delete,
    /// `!`: it will run.
    Run,
    /// `?`: known when applied.
    Maybe,
    /// `x`: it cannot work as things are; an apply would fail here.
    Blocked,
    /// It does not apply to this host.
    Skip,
    /// `o`: it left the config, and stays as long as nobody asks for it to go.
    Orphan,
}

impl Verdict {
    /// Whether an apply has anything to do for a block that is judged so.
    pub fn is_pending(self) -> bool {
        !matches!(self, Self::Ok | Self::Skip | Self::Orphan)
    }
}

impl From<Verb> for Verdict {
    fn from(verb: Verb) -> Self {
        match verb {
            Verb::Create => Self::Create,
            Verb::Update => Self::Update,
            Verb::Delete => Self::Delete,
            Verb::Run => Self::Run,
        }
    }
}

/// One block, judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The block's id.
    pub id: String,
    /// The file that it stands in.
    pub file: String,
    /// The line of its header, from 1.
    pub line: usize,
    /// What would become of it.
    pub verdict: Verdict,
    /// A few words, or the whole sentence that says why it is blocked.
    pub summary: String,
    /// What would change, as far as the asker may see it.
    pub details: Vec<Detail>,
    /// Names what would be done and what was read for it.
    pub mark: Mark,
}

impl Planned {
    /// Whether nobody looks at it.
    pub fn is_unseen(&self) -> bool {
        self.verdict == Verdict::Skip && self.summary == UNSEEN
    }

    /// Nobody looks at it.
    pub fn leave_out(&mut self) {
        self.verdict = Verdict::Skip;
        UNSEEN.clone_into(&mut self.summary);
        self.details.clear();
    }

    /// Whether the tags that were chosen leave it out, whichever host it is for.
    pub fn is_untagged(&self) -> bool {
        self.verdict == Verdict::Skip && self.summary == UNTAGGED
    }
}

/// What is said of a block that nobody looks at: a check where nothing else is to be done, and where it
/// is asked what has moved, what acts in each run.
const UNSEEN: &str = "not looked at";

/// What an apply would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Names what was planned and what the host showed; an apply can be bound to it.
    pub digest: Digest,
    /// One for each block, in order.
    pub blocks: Vec<Planned>,
    /// Blobs that an apply needs and that are not on the host yet.
    pub missing: Vec<Hash>,
}

impl Plan {
    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        !self.blocks.iter().any(|b| b.verdict.is_pending())
    }

    /// What an apply would report if it has nothing to do.
    pub fn report(&self) -> Report {
        let finished = |(block, planned): (usize, &Planned)| {
            let (outcome, note) = match planned.verdict {
                Verdict::Skip | Verdict::Orphan => (Outcome::Skipped, planned.summary.clone()),
                _ => (Outcome::Ok, String::new()),
            };
            Finished {
                block,
                outcome,
                note,
                exit: None,
            }
        };
        let blocks = self.blocks.iter().enumerate().map(finished).collect();
        Report {
            blocks,
            reverted: false,
        }
    }

    /// How many blocks are judged so.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.blocks.iter().filter(|b| b.verdict == verdict).count()
    }
}

/// What the asker of a plan may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reveal {
    /// Old content of files too, as diffs; for one who may change them anyway.
    Content,
    /// Names and attributes alone.
    Outline,
}

/// Who asks for a plan: what he may see, and how the guards are run that change nothing.
#[derive(Clone, Copy)]
pub struct Asker<'a> {
    /// What he may see.
    pub reveal: Reveal,
    /// Runs a guard that is `pure`; `None` if he may not have commands run.
    pub ask: Option<&'a Ask<'a>>,
}

/// Runs a guard; whether it exited 0.
pub type Ask<'a> = dyn Fn(&Command) -> Result<bool, HostError> + 'a;

impl From<Reveal> for Asker<'_> {
    fn from(reveal: Reveal) -> Self {
        Self { reveal, ask: None }
    }
}

/// Judges every block of a config on a host.
pub fn plan<'a>(config: &Config, host: &dyn Observe, asker: impl Into<Asker<'a>>) -> Plan {
    expect(config, host, asker).0
}

/// A plan, and what an apply that is bound to it is held to.
pub fn expect<'a>(
    config: &Config,
    host: &dyn Observe,
    asker: impl Into<Asker<'a>>,
) -> (Plan, Expected) {
    let asker = asker.into();
    host.prefetch(
        &config
            .blocks
            .iter()
            .flat_map(Block::reads)
            .collect::<Vec<_>>(),
    );
    let lines: Vec<Lines> = config
        .files
        .iter()
        .map(|file| Lines::new(&file.text))
        .collect();
    let mut mask = config.mask();
    let mut overlay = Overlay::default();
    let mut digest = blake3::Hasher::new();
    digest.update(&digest::request(env!("CARGO_PKG_VERSION"), config, host));
    let mut expected = Expected::default();
    let mut plan = Plan {
        digest: Digest([0; 32]),
        blocks: Vec::new(),
        missing: Vec::new(),
    };
    let mut notices = Notices::default();
    let mut pending = None;
    let mut results = Results::default();
    let mut checks = Vec::new();
    for (index, block) in config.blocks.iter().enumerate() {
        let view = View::new(host, &overlay, &config.scope, &block.own).after(&results);
        let decision = notices.decide(config, index, &view);
        let decision = decision.and_then(|found| answer(found, asker, pending.as_ref()));
        let decision = decision.map(|found| perhaps_needed(found, block, pending.as_ref()));
        if let Ok(Decision::Act(action)) = &decision {
            read_replaced(action, &view);
        }
        let place = match block.orphan().map(Orphan::place) {
            Some(place) => place,
            None => (
                config.files[block.place.file].name.as_str(),
                lines[block.place.file].of(block.place.span.start),
            ),
        };
        let reads = view.into_reads();
        // What is read for the asker's eyes alone must not go into the digest: a view of its own.
        let shown = View::new(host, &overlay, &config.scope, &block.own);
        let mut planned = judge(block, place, &decision, &shown, asker.reveal);
        veil(&mut planned.details, &mut mask);
        if !planned.verdict.is_pending() {
            // What it comes to is known; of any other that is told by the run alone.
            let result = results.of(block);
            result.rev = results::commit(block, &shown).unwrap_or_default();
            let is_out = planned.verdict == Verdict::Skip;
            result.left_out = is_out.then(|| planned.summary.clone());
        }
        let is_check = matches!(decision, Ok(Decision::Check { .. }));
        checks.extend(is_check.then_some(index));
        if planned.verdict.is_pending() && !is_check {
            pending.get_or_insert_with(|| Cause(block.id.clone()));
            missing(config, block, &decision, host, &mut plan.missing);
        }
        let sealed = digest::seal(block, &planned, &decision, &reads, host);
        expected.add(&decision, reads, host);
        digest.update(&sealed);
        planned.mark = Mark::of(&sealed);
        plan.blocks.push(planned);
        foresee(&mut overlay, block, &decision, host);
        if let Some(sure) = planned_change(&decision) {
            notices.add(block, sure);
            if sure {
                notices.done(config, index);
            }
        }
    }
    plan.digest = Digest(*digest.finalize().as_bytes());
    if pending.is_none() {
        for check in checks {
            plan.blocks[check].leave_out();
        }
    }
    (plan, expected)
}

/// Runs the guard of a block that says it is pure. What it looks at is not known to hpt, so that its
/// answer holds only while no earlier block is to change anything.
fn answer(
    decision: Decision,
    asker: Asker<'_>,
    pending: Option<&Cause>,
) -> Result<Decision, HostError> {
    match (decision, asker.ask, pending) {
        (
            Decision::Ask {
                guard,
                wants,
                pure: true,
                action,
            },
            Some(ask),
            None,
        ) => Ok(if ask(&guard)? == wants {
            Decision::Act(action)
        } else {
            Decision::InPlace
        }),
        (decision, ..) => Ok(decision),
    }
}

/// A reboot that is not needed yet may be when the blocks before it have run.
fn perhaps_needed(decision: Decision, block: &Block, pending: Option<&Cause>) -> Decision {
    match (decision, pending) {
        (Decision::InPlace, Some(cause)) if block.reboots().is_some() => {
            Decision::Maybe(cause.clone())
        }
        (decision, _) => decision,
    }
}

/// Whether a block that is judged so changes something: surely, perhaps, or not (`None`).
fn planned_change(decision: &Result<Decision, HostError>) -> Option<bool> {
    match decision {
        Ok(Decision::Act(action)) => Some(!action.perhaps),
        Ok(Decision::Ask { .. } | Decision::Maybe(_)) | Err(HostError::MissingBlob(_)) => {
            Some(false)
        }
        _ => None,
    }
}

/// Reads what an action would replace, whatever the block needed to know of it to decide: a plan
/// stands for that content, and an apply bound to it must not replace another.
pub(crate) fn read_replaced(action: &Action, view: &View<'_>) {
    for effect in &action.effects {
        if let Effect::WriteFile(file) = effect {
            // What cannot be read is no regular file; its entry is recorded already.
            let _ = view.hash(&file.path);
        }
    }
}

/// Adds the blobs that this block needs and the host lacks. Of a tree, the files that it would write.
fn missing(
    config: &Config,
    block: &Block,
    decision: &Result<Decision, HostError>,
    host: &dyn Observe,
    missing: &mut Vec<Hash>,
) {
    let mut add = |hash: &Hash| {
        if !host.has_blob(hash) && !missing.contains(hash) {
            missing.push(*hash);
        }
    };
    for need in block.needs() {
        let Some(blob) = config.scope.blobs.get(&need.source) else {
            continue;
        };
        add(&blob.hash);
        if !need.tree {
            continue;
        }
        if let Ok(Decision::Act(action)) = decision {
            for effect in &action.effects {
                if let Effect::WriteFile(file) = effect
                    && let Content::Blob { hash, .. } = &file.content
                {
                    add(hash);
                }
            }
        } else if let Ok(Some(bytes)) = host.blob(&blob.hash)
            && let Ok(listing) = Listing::parse(&String::from_utf8_lossy(&bytes))
        {
            listing.blobs().for_each(|blob| add(&blob.hash));
        }
    }
}

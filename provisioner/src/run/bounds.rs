//! A run that is bound to a plan: each block is looked at again at its moment, and does no more than
//! was planned, from what was seen then (rules 5 to 7).

use std::collections::{BTreeMap, HashSet};

use super::Run;
use super::batch::Waiting;
use crate::block::{Action, Decision};
use crate::effect::Effect;
use crate::host::overlay::Overlay;
use crate::host::{Hash, HostError, Key, Observe};
use crate::name::AbsPath;
use crate::plan::{Expected, foresee_action};
use crate::view::{Reads, is_absence, look};

/// Why a block is not run: the host has moved since the plan. A whole sentence.
pub(super) struct Drift {
    pub(super) why: String,
    /// Whether it is about a file, which a command may have changed that does not say so.
    pub(super) of_file: bool,
}

/// What is left of a plan to be held to.
pub(super) struct Bounds {
    expected: Expected,
    /// What the blocks so far may have changed: what the plan saw there says nothing any more.
    ours: Overlay,
    /// What they left there for certain.
    left: BTreeMap<Key, Hash>,
}

impl Bounds {
    pub(super) fn new(expected: Expected) -> Self {
        Self {
            expected,
            ours: Overlay::default(),
            left: BTreeMap::new(),
        }
    }

    /// Whether the host shows something else there than the plan saw, or than this run has left.
    fn has_moved(&self, key: &Key, now: &Hash) -> bool {
        if let Some(left) = self.left.get(key) {
            return left != now;
        }
        let planned = self.expected.seen.get(key);
        planned.is_some_and(|seen| seen != now && !self.ours.answers(key, is_absence(seen)))
    }

    /// Whether what a block is about to do is what was planned.
    fn judge(
        &self,
        index: usize,
        action: &Action,
        reads: &Reads,
        host: &dyn Observe,
    ) -> Result<(), Drift> {
        if let Some((key, _)) = reads.iter().find(|(key, now)| self.has_moved(key, now)) {
            return Err(Drift::of(key));
        }
        if self.expected.blocks[index].holds(action, host) {
            return Ok(());
        }
        let summary = &action.summary;
        Err(Drift {
            why: format!("the host has moved since the plan, in which this is not: {summary}"),
            of_file: false,
        })
    }

    /// These blocks are about to act.
    fn begin<'a>(
        &mut self,
        blocks: impl Iterator<Item = (&'a crate::block::Block, &'a Action)>,
        host: &dyn Observe,
    ) {
        let mut now = Overlay::default();
        for (block, action) in blocks {
            foresee_action(&mut now, block, action, host);
            foresee_action(&mut self.ours, block, action, host);
        }
        self.left
            .retain(|key, seen| !now.answers(key, is_absence(seen)));
    }

    /// A block has acted, and the host shows this now. What it was sure to change stays so.
    fn end(&mut self, action: &Action, reads: Reads) {
        let wrote = |path: &AbsPath| {
            let mut paths = action.effects.iter().filter_map(Effect::path);
            paths.any(|p| p == path)
        };
        for (key, seen) in reads {
            let is_its_own = match &key {
                Key::Path(path) | Key::Content(path) => wrote(path),
                Key::User(_) | Key::Group(_) => self.ours.answers(&key, false),
                _ => false,
            };
            if is_its_own {
                self.left.insert(key, seen);
            }
        }
    }
}

impl Drift {
    fn of(key: &Key) -> Self {
        let what = words(key);
        Self {
            why: format!("the host has moved since the plan: {what} is not as it was then"),
            of_file: matches!(key, Key::Path(_) | Key::Content(_)),
        }
    }
}

impl Run<'_> {
    /// Whether a block still does what was planned, if the run is bound to a plan.
    pub(super) fn judge(
        &self,
        index: usize,
        decision: &Result<Decision, HostError>,
        reads: &Reads,
    ) -> Result<(), Drift> {
        let (Some(bounds), Ok(Decision::Act(action) | Decision::Ask { action, .. })) =
            (&self.bounds, decision)
        else {
            return Ok(());
        };
        bounds.judge(index, action, reads, &*self.host)
    }

    /// What is read from here on shows the host as it is by then, if the run is bound to a plan.
    pub(super) fn refresh(&mut self) {
        if self.bounds.is_some() {
            self.host.refresh();
        }
    }

    /// Looks once more at what a block was decided from, just before it acts.
    pub(super) fn verify(&self, reads: &Reads) -> Result<(), Drift> {
        if self.bounds.is_none() {
            return Ok(());
        }
        let same = |key: &Key, seen: &Hash| {
            matches!(key, Key::Memo(_)) || look(&*self.host, key).is_ok_and(|now| now == *seen)
        };
        match reads.iter().find(|(key, seen)| !same(key, seen)) {
            Some((key, _)) => Err(Drift::of(key)),
            None => Ok(()),
        }
    }

    /// Once more for the paths that a step of the block is about, but for those that an earlier step
    /// has changed.
    pub(super) fn verify_paths<'p>(
        &mut self,
        paths: impl Iterator<Item = &'p AbsPath>,
        changed: &HashSet<AbsPath>,
        reads: &Reads,
    ) -> Result<(), Drift> {
        if self.bounds.is_none() {
            return Ok(());
        }
        let keys = paths
            .filter(|path| !changed.contains(*path))
            .flat_map(|path| [Key::Path(path.clone()), Key::Content(path.clone())]);
        let known = keys.filter_map(|key| Some((key.clone(), *reads.get(&key)?)));
        let known = known.collect();
        self.refresh();
        self.verify(&known)
    }

    /// These blocks are about to act, as was planned.
    pub(super) fn begin_bound(&mut self, blocks: &[Waiting]) {
        let Some(bounds) = &mut self.bounds else {
            return;
        };
        let acting = blocks
            .iter()
            .filter_map(|(index, action)| Some((&self.config.blocks[*index], action.as_ref()?)));
        bounds.begin(acting, &*self.host);
    }

    /// A block has acted, and this was read of it afterwards.
    pub(super) fn end_bound(&mut self, action: &Action, reads: Reads) {
        if let Some(bounds) = &mut self.bounds {
            bounds.end(action, reads);
        }
    }
}

/// What a key is called.
fn words(key: &Key) -> String {
    match key {
        Key::Path(path) | Key::Content(path) => path.to_string(),
        Key::Entries(dir) | Key::Names(dir) => format!("what lies in {dir}"),
        Key::User(name) => format!("the user {name}"),
        Key::Group(name) => format!("the group {name}"),
        Key::UserNumber(uid) => format!("the user with the number {uid}"),
        Key::GroupNumber(gid) => format!("the group with the number {gid}"),
        Key::PrimaryUsers(group) => format!("whose first group {group} is"),
        Key::Package(name) => format!("the package {name}"),
        Key::Newer(name) => format!("the newest version of {name}"),
        Key::Unit(unit) => unit.to_string(),
        Key::Checkout(path) => format!("the clone at {path}"),
        Key::Setting(setting) => setting.to_string(),
        Key::Memo(_) => "what hpt remembers".to_owned(),
    }
}

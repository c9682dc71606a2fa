//! What the blocks of a run have come to, for the blocks after them: the namespace `result`.

use std::collections::BTreeMap;

use crate::block::Block;
use crate::host::overlay::Fate;
use crate::host::{HostError, Key};
use crate::view::View;

/// What has become of blocks, by their ids.
#[derive(Default, Clone)]
pub(crate) struct Results(pub(crate) BTreeMap<String, Outcome>);

/// What has become of one block.
#[derive(Default, Clone)]
pub(crate) struct Outcome {
    /// Whether it changed something.
    pub(crate) changed: bool,
    /// Whether it failed; the run goes on then only where `on_error` says so.
    pub(crate) failed: bool,
    /// The exit code of its command, if one ran.
    pub(crate) exit: Option<i32>,
    /// The first 64 KiB that its command wrote to standard output, without secrets, and without
    /// white space around it.
    pub(crate) stdout: Option<String>,
    /// The commit of the working tree that it keeps, 40 hexadecimal digits.
    pub(crate) rev: Option<String>,
    /// Why it was not run, if it was left out: the words of a plan.
    pub(crate) left_out: Option<String>,
}

impl Results {
    /// Those of no block.
    pub(crate) const fn none() -> Self {
        Self(BTreeMap::new())
    }

    /// What an earlier block came to.
    pub(crate) fn of(&mut self, block: &Block) -> &mut Outcome {
        self.0.entry(block.id.clone()).or_default()
    }
}

/// The commit of the working tree that a block keeps, if it keeps one.
///
/// # Errors
/// If the host cannot be read.
pub(crate) fn commit(block: &Block, view: &View<'_>) -> Result<Option<String>, HostError> {
    let Some(Key::Checkout(path)) = block.about() else {
        return Ok(None);
    };
    Ok(match view.checkout(&path)? {
        Fate::Is(Some(tree)) => tree.head,
        _ => None,
    })
}

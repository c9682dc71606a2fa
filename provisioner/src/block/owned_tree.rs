//! A directory all of whose content one block gives to an owner: no other block makes anything there
//! for somebody else, which neither of them could keep so.

use std::borrow::Cow;

use crate::block::{Block, Body, Decision, Part};
use crate::effect::{Access, Effect};
use crate::host::overlay::Fate;
use crate::name::{AbsPath, GroupName, UserName};
use crate::view::View;

/// The directory of a `[[file]]` with `recurse`, and whose all of it is to be.
pub struct OwnedTree {
    path: AbsPath,
    owner: Option<UserName>,
    group: Option<GroupName>,
    /// The block, by its index among the config's.
    block: usize,
    id: String,
}

impl OwnedTree {
    /// The tree that a block owns, with its path.
    pub(crate) fn of(block: &Block) -> Option<(AbsPath, Self)> {
        let Part::In(body) = &block.part else {
            return None;
        };
        let Body::File(file) = body.as_ref() else {
            return None;
        };
        let (path, access) = file.gives_all()?;
        let tree = Self {
            path: path.clone(),
            owner: access.owner,
            group: access.group,
            block: block.index,
            id: block.id.clone(),
        };
        Some((path.clone(), tree))
    }
}

/// A decision, unless it makes something for one owner that another block gives to another.
pub(super) fn guard(decision: Decision, block: &Block, view: &View<'_>) -> Decision {
    let trees = &view.scope().owned;
    let Decision::Act(action) = &decision else {
        return decision;
    };
    if trees.is_empty() {
        return decision;
    }
    for made in action
        .effects
        .iter()
        .filter_map(|effect| Made::by(effect, view))
    {
        let above = std::iter::successors(made.first_tree(), AbsPath::parent);
        let above = above.filter_map(|path| trees.get(&path));
        for tree in above.filter(|tree| tree.block != block.index) {
            if let Some((wanted, is)) = made.contradicts(tree, block.index) {
                return Decision::Blocked(format!(
                    "{} gives all that {} holds to {wanted}, and {} makes {} for {is}; give both the same, or leave `recurse` out of the first",
                    tree.id, tree.path, block.id, made.path
                ));
            }
        }
    }
    decision
}

/// What an effect makes, or gives to somebody.
struct Made<'a> {
    path: &'a AbsPath,
    access: Cow<'a, Access>,
    /// Whether it is new, and root's unless `access` says otherwise.
    is_new: bool,
    /// Whether it is all that lies below the path.
    is_tree: bool,
}

impl<'a> Made<'a> {
    fn by(effect: &'a Effect, view: &View<'_>) -> Option<Self> {
        let is_new = |path| matches!(view.path(path), Ok(Fate::Is(None)));
        let (path, access, is_new, is_tree) = match effect {
            Effect::WriteFile(file) => {
                let path = &file.path;
                (path, Cow::Borrowed(&file.access), is_new(path), false)
            }
            Effect::MakeDir { path, access } => (path, Cow::Borrowed(access), is_new(path), false),
            Effect::SetAccess { path, access } => (path, Cow::Borrowed(access), false, false),
            Effect::Unpack(job) => (&job.dest, Cow::Borrowed(&job.access), true, true),
            Effect::Clone(job) => {
                let access = Access {
                    owner: job.owner.clone(),
                    ..Access::default()
                };
                // The group of a user who is named is that user's, and not known here.
                (&job.dest, Cow::Owned(access), job.owner.is_none(), true)
            }
            _ => return None,
        };
        Some(Self {
            path,
            access,
            is_new,
            is_tree,
        })
    }

    /// The first directory of which it may be a part.
    fn first_tree(&self) -> Option<AbsPath> {
        if self.is_tree {
            Some(self.path.clone())
        } else {
            self.path.parent()
        }
    }

    /// Whose it should be for the sake of a tree, and whose this block makes it. What is root's only
    /// because nobody says otherwise can be given away by a block that comes later.
    fn contradicts(&self, tree: &OwnedTree, block: usize) -> Option<(String, String)> {
        let born = (self.is_new && tree.block < block).then_some("root");
        let differ = |wanted: Option<&str>, is: Option<&str>| {
            let (wanted, is) = wanted.zip(is.or(born))?;
            (wanted != is).then(|| (wanted.to_owned(), is.to_owned()))
        };
        let owner = self.access.owner.as_ref().map(UserName::as_str);
        let group = self.access.group.as_ref().map(GroupName::as_str);
        let in_group = |(wanted, is)| (format!("the group {wanted}"), format!("the group {is}"));
        differ(tree.owner.as_ref().map(UserName::as_str), owner)
            .or_else(|| differ(tree.group.as_ref().map(GroupName::as_str), group).map(in_group))
    }
}

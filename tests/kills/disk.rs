//! A disk that loses what was not synced: the order in which a run changed it and had it synced, and
//! what it may hold if the power goes at some moment of that.
//!
//! An entry is there for sure when its directory was synced, a content and its mode when the file was.
//! Of the rest all may be lost; or names and modes are there up to some moment, for a journal keeps their
//! order, and contents are there, torn or gone as it comes.

use std::collections::BTreeMap;
use std::ops::Range;

use super::tree::{Entry, Tree, What};

/// A file, a directory or a link, whatever its names.
pub type Node = usize;

/// One step of a run, as far as a disk or somebody else notices it.
pub enum Step {
    Change(Change),
    /// What was asked of this node is on the disk.
    Sync(Node),
    /// So is all below this tree.
    SyncAll(TreeName),
    /// What it printed.
    Told(String),
}

/// What is changed.
pub enum Change {
    /// A name in a directory.
    Enter(Node, String, Node),
    Leave(Node, String),
    Move {
        from: (Node, String),
        to: (Node, String),
    },
    Write(Node, usize, Vec<u8>),
    Length(Node, usize),
    Mode(Node, u32),
    Owner(Node, Option<u32>, Option<u32>),
}

/// Where it lies; each may be a file system of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TreeName {
    Root,
    State,
}

#[derive(Clone)]
struct Body {
    tree: TreeName,
    entry: Entry,
    names: BTreeMap<String, Node>,
}

/// What was there before a run, and its steps.
pub struct Disk {
    /// Each node as it was made, or as it was before the run.
    before: Vec<Body>,
    /// As whoever asks the kernel sees them.
    now: Vec<Body>,
    pub steps: Vec<Step>,
}

/// How much of what was not synced a disk holds all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Nothing.
    All,
    /// Every name and mode, no content.
    Contents,
    /// All up to some moment.
    Tail,
    /// Names and modes up to some moment; of each content all up to a moment of its own, and half of its
    /// last write.
    Torn,
}

pub const LOSSES: [Loss; 4] = [Loss::All, Loss::Contents, Loss::Tail, Loss::Torn];

impl Disk {
    /// Both trees, as they lie there durably.
    pub fn new(root: &Tree, state: &Tree) -> Self {
        let mut disk = Self {
            before: Vec::new(),
            now: Vec::new(),
            steps: Vec::new(),
        };
        for (name, tree) in [(TreeName::Root, root), (TreeName::State, state)] {
            disk.node(
                name,
                Entry::dir(if name == TreeName::Root { 0o755 } else { 0o700 }),
            );
            for path in tree.names() {
                let node = disk.node(name, tree.get(path).unwrap().clone());
                let (dir, last) = path.rsplit_once('/').unwrap_or(("", path));
                let dir = disk.find(name, dir).unwrap();
                disk.now[dir].names.insert(last.to_owned(), node);
            }
        }
        disk.before.clone_from(&disk.now);
        disk
    }

    /// A node that has no name yet.
    pub fn node(&mut self, tree: TreeName, entry: Entry) -> Node {
        let names = BTreeMap::new();
        let body = Body { tree, entry, names };
        self.before.push(body.clone());
        self.now.push(body);
        self.now.len() - 1
    }

    pub fn length(&self, node: Node) -> usize {
        self.content(node).len()
    }

    /// The node of this path below a tree, as it stands after all steps so far.
    pub fn find(&self, tree: TreeName, path: &str) -> Option<Node> {
        let mut parts = path.split('/').filter(|part| !part.is_empty());
        parts.try_fold(self.top(tree), |at, part| {
            self.now[at].names.get(part).copied()
        })
    }

    /// What a file holds, read by whoever does not ask the disk.
    pub fn content(&self, node: Node) -> Vec<u8> {
        self.now[node].entry.clone().content().clone()
    }

    /// The next step.
    pub fn change(&mut self, change: Change) {
        change.make(&mut self.now, 1);
        self.steps.push(Step::Change(change));
    }

    fn top(&self, tree: TreeName) -> Node {
        let top = self.now.iter().position(|body| body.tree == tree);
        top.unwrap()
    }

    /// How many steps a disk or a reader of the output notices.
    pub fn moments(&self) -> Range<usize> {
        0..self.steps.len() + 1
    }

    /// What was printed until then.
    pub fn told(&self, moment: usize) -> String {
        let told = self.steps[..moment].iter().filter_map(|step| match step {
            Step::Told(text) => Some(text.as_str()),
            _ => None,
        });
        told.collect()
    }

    /// What both trees, the root and the state, hold if the power goes after so many steps.
    pub fn after_loss(
        &self,
        moment: usize,
        loss: Loss,
        random: &mut dyn FnMut(usize) -> usize,
    ) -> (Tree, Tree) {
        let steps = &self.steps[..moment];
        let kept = random(moment + 1);
        let cuts: Vec<_> = self.before.iter().map(|_| random(moment + 1)).collect();
        let mut bodies = self.before.clone();
        for (at, step) in steps.iter().enumerate() {
            let Step::Change(change) = step else {
                continue;
            };
            let cut = change.content_of().map(|node| cuts[node]);
            let survives = match loss {
                Loss::All => false,
                Loss::Contents => cut.is_none(),
                Loss::Tail => at < kept,
                Loss::Torn => at < cut.unwrap_or(kept),
            };
            if survives || self.is_synced(change, &steps[at..]) {
                change.make(&mut bodies, 1);
            } else if loss == Loss::Torn && cut == Some(at) {
                change.make(&mut bodies, 2);
            }
        }
        let shown = |tree| {
            let mut shown = BTreeMap::new();
            show(&bodies, self.top(tree), "", &mut shown);
            Tree::new(shown)
        };
        (shown(TreeName::Root), shown(TreeName::State))
    }

    fn is_synced(&self, change: &Change, later: &[Step]) -> bool {
        let nodes = change.nodes();
        later.iter().any(|step| match step {
            Step::Sync(node) => nodes.contains(node),
            Step::SyncAll(tree) => self.before[nodes[0]].tree == *tree,
            _ => false,
        })
    }
}

impl Change {
    /// The nodes of which one must be synced for it to last.
    fn nodes(&self) -> Vec<Node> {
        match self {
            Self::Enter(node, ..)
            | Self::Leave(node, _)
            | Self::Write(node, ..)
            | Self::Length(node, _)
            | Self::Mode(node, _)
            | Self::Owner(node, ..) => vec![*node],
            Self::Move { from, to } if from.0 == to.0 => vec![from.0],
            Self::Move { from, to } => vec![from.0, to.0],
        }
    }

    /// The file whose content it changes.
    fn content_of(&self) -> Option<Node> {
        match self {
            Self::Write(node, ..) | Self::Length(node, _) => Some(*node),
            _ => None,
        }
    }

    /// Makes it; of what is written, the given part.
    fn make(&self, bodies: &mut [Body], part: usize) {
        match self {
            Self::Enter(dir, name, node) => {
                bodies[*dir].names.insert(name.clone(), *node);
            }
            Self::Leave(dir, name) => {
                bodies[*dir].names.remove(name);
            }
            Self::Move { from, to } => {
                if let Some(node) = bodies[from.0].names.remove(&from.1) {
                    bodies[to.0].names.insert(to.1.clone(), node);
                }
            }
            Self::Write(node, at, bytes) => {
                let bytes = &bytes[..bytes.len() / part];
                let content = bodies[*node].entry.content();
                content.resize(content.len().max(at + bytes.len()), 0);
                content[*at..at + bytes.len()].copy_from_slice(bytes);
            }
            Self::Length(node, length) => bodies[*node].entry.content().resize(*length, 0),
            Self::Mode(node, mode) => bodies[*node].entry.mode = *mode,
            Self::Owner(node, user, group) => {
                let (old_user, old_group) = bodies[*node].entry.owner;
                bodies[*node].entry.owner = (user.unwrap_or(old_user), group.unwrap_or(old_group));
            }
        }
    }
}

impl Entry {
    fn dir(mode: u32) -> Self {
        Self {
            what: What::Dir,
            mode,
            owner: (0, 0),
        }
    }

    fn content(&mut self) -> &mut Vec<u8> {
        match &mut self.what {
            What::File(content) => content,
            _ => panic!("only files are written to"),
        }
    }
}

fn show(bodies: &[Body], dir: Node, below: &str, shown: &mut BTreeMap<String, Entry>) {
    for (name, node) in &bodies[dir].names {
        let path = format!("{below}{name}");
        if bodies[*node].entry.what == What::Dir {
            show(bodies, *node, &format!("{path}/"), shown);
        }
        shown.insert(path, bodies[*node].entry.clone());
    }
}

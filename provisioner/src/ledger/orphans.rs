//! What left a config: found by comparing it with the ledger, and judged as blocks after its own.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Ledger, Owned, Thing};
use crate::block::{Block, Body, Decision, Failure, KINDS, Orphan, OrphanFate, Part};
use crate::config::Config;
use crate::fault::Place;
use crate::host::overlay::Overlay;
use crate::host::{Key, Observe};
use crate::name::AbsPath;
use crate::view::View;

/// What becomes of what left a config.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Left {
    /// What the run is to remove, with the id of the block that does.
    pub leaving: BTreeMap<Thing, String>,
    /// What is gone already, or another config's, or let go.
    pub forgotten: BTreeSet<Thing>,
}

impl Config {
    /// Adds what the config owns on a host and has no block for any more: shown, or removed if the
    /// config is to prune, newest first, after its blocks and before its handlers.
    pub fn adopt(&mut self, mine: &Ledger, others: &[Ledger], host: &dyn Observe) -> Left {
        let mut left = Left::default();
        // A part of a config does not tell what left it.
        if !self.scope.given.tags.is_empty() {
            return left;
        }
        let claims = Claims::of(self);
        let mut orphans = Vec::new();
        let mut ids: BTreeSet<String> = self.blocks.iter().map(|b| b.id.clone()).collect();
        for owned in mine.things.iter().rev() {
            let relied_on = match claims.of_thing(owned) {
                Use::Kept => continue,
                Use::InPart(claim) => Some(claim),
                Use::None => None,
            };
            let thing = owned.thing();
            let removal = owned.removal();
            let is_others = others.iter().any(|other| other.get(&thing).is_some());
            if is_others || self.is_gone(owned, removal.as_ref(), host) {
                left.forgotten.insert(thing);
                continue;
            }
            let mut id = owned.id.clone();
            while !ids.insert(id.clone()) {
                id = if id == owned.id {
                    owned.own_id()
                } else {
                    format!("{id} (orphan)")
                };
            }
            let how = if owned.is_changed(host) {
                "left the config; changed since hpt wrote it"
            } else {
                "left the config"
            };
            let fate = match relied_on {
                Some(claim) => {
                    OrphanFate::Stays(format!("{how}, and stays: a block is still about {claim}"))
                }
                None => fate(owned, how, removal, self.prunes),
            };
            match fate {
                OrphanFate::Removed(_) => drop(left.leaving.insert(thing, id.clone())),
                OrphanFate::LetGo(_) => drop(left.forgotten.insert(thing)),
                OrphanFate::Stays(_) => {}
            }
            orphans.push(self.orphan(owned, id, how, fate));
        }
        self.insert(orphans);
        left
    }

    /// Whether nothing of it is there any more.
    fn is_gone(&self, owned: &Owned, removal: Option<&Body>, host: &dyn Observe) -> bool {
        let Some(body) = removal else {
            let path = owned.name().strip_prefix("path:");
            let path = path.and_then(|path| AbsPath::parse(path).ok());
            return path.is_some_and(|path| matches!(host.path(&path), Ok(None)));
        };
        let (overlay, own) = (Overlay::default(), toml::Table::new());
        let view = View::new(host, &overlay, &self.scope, &own);
        matches!(body.decide(&view), Ok(Decision::InPlace))
    }

    fn orphan(&self, owned: &Owned, id: String, how: &'static str, fate: OrphanFate) -> Block {
        let kind = KINDS.iter().find(|kind| **kind == owned.kind);
        let handlers = self.blocks.iter().enumerate();
        let notified = handlers
            .filter(|(_, block)| block.kind == "handler" && owned.notify.contains(&block.id));
        Block {
            id,
            index: 0,
            kind: kind.copied().unwrap_or("orphan"),
            place: Place {
                file: 0,
                span: 0..0,
            },
            desc: None,
            sensitive: owned.sensitive,
            notify: notified.map(|(index, _)| index).collect(),
            confirm: None,
            failure: Failure {
                retries: 0,
                delay: Duration::ZERO,
                timeout: None,
                on_error: Orphan::ON_ERROR,
            },
            own: toml::Table::new(),
            part: Part::Orphan(Box::new(Orphan {
                file: owned.file.clone(),
                line: owned.line,
                how,
                fate,
            })),
        }
    }

    /// Puts blocks before the handlers.
    fn insert(&mut self, mut new: Vec<Block>) {
        let count = new.len();
        let is_handler = |block: &Block| block.kind == "handler";
        let at = self.blocks.iter().position(is_handler);
        let at = at.unwrap_or(self.blocks.len());
        for block in self.blocks.iter_mut().chain(&mut new) {
            for handler in block.notify.iter_mut().filter(|handler| **handler >= at) {
                *handler += count;
            }
        }
        self.blocks.splice(at..at, new);
        for (index, block) in self.blocks.iter_mut().enumerate() {
            block.index = index;
        }
    }
}

/// `how` it stands with it in the first place, in words.
fn fate(owned: &Owned, how: &str, removal: Option<Body>, prunes: bool) -> OrphanFate {
    let why = match (&removal, owned.made) {
        (None, _) => format!("hpt does not remove what [[{}]] brings", owned.kind),
        (Some(_), false) => "was there before hpt, at least in part".to_owned(),
        (Some(_), true) => String::new(),
    };
    match (removal, owned.made, prunes) {
        (Some(body), true, true) => OrphanFate::Removed(Box::new(body)),
        (Some(_), true, false) => OrphanFate::Stays(format!("{how}; --prune removes it")),
        (_, _, true) => OrphanFate::LetGo(format!("{why}: let go, not removed")),
        (_, _, false) => OrphanFate::Stays(format!("{how}; {why}: --prune lets it go")),
    }
}

/// What the blocks of a config still make of a thing.
enum Use {
    /// One of them is about it, or relies on it.
    Kept,
    /// One is about this part of it.
    InPart(String),
    /// Nothing.
    None,
}

/// What the blocks of a config are about, or rely on.
struct Claims<'a> {
    /// Everything that they look at, in words.
    keys: BTreeSet<String>,
    /// The paths among it, and all above them.
    paths: &'a BTreeSet<AbsPath>,
    /// What they bring.
    things: BTreeSet<Thing>,
    /// The ids of blocks that this run knows nothing else of.
    closed: BTreeSet<&'a str>,
    /// How names begin that only the run will know.
    begins: Vec<String>,
    /// The kinds of blocks of which not even that is known.
    kinds: BTreeSet<&'a str>,
}

impl<'a> Claims<'a> {
    fn of(config: &'a Config) -> Self {
        let mut this = Self {
            keys: BTreeSet::new(),
            paths: &config.scope.claimed,
            things: BTreeSet::new(),
            closed: BTreeSet::new(),
            begins: Vec::new(),
            kinds: BTreeSet::new(),
        };
        for block in &config.blocks {
            let reads = block.reads();
            match &block.part {
                Part::Out(_) => drop(this.closed.insert(&block.id)),
                Part::Late(late) if late.guess().is_none() => {
                    this.closed.insert(&block.id);
                    this.kinds.insert(block.kind);
                }
                Part::Late(_) => {
                    let words = reads.iter().map(Key::words);
                    let begins = words.filter_map(|words| Some(words.split_once("{{")?.0.into()));
                    this.begins.extend(begins);
                }
                Part::In(_) | Part::Orphan(_) => {}
            }
            this.keys.extend(reads.iter().map(Key::words));
            for holding in block.holdings() {
                let name = holding.claims.first().map_or_else(String::new, Key::words);
                this.things.insert((name, holding.part));
            }
        }
        this
    }

    /// What they still make of a thing.
    fn of_thing(&self, owned: &Owned) -> Use {
        let (name, part) = owned.thing();
        if self.closed.contains(owned.id.as_str()) || self.kinds.contains(owned.kind.as_str()) {
            return Use::Kept;
        }
        let begins = |claim: &String| self.begins.iter().any(|begin| claim.starts_with(begin));
        if owned.claims.iter().any(begins) {
            return Use::Kept;
        }
        if part.is_some() {
            // A line is nobody else's but of who writes the whole file.
            let is_whole = name.starts_with("path:") && self.things.contains(&(name.clone(), None));
            let is_kept = is_whole || self.things.contains(&(name, part));
            return if is_kept { Use::Kept } else { Use::None };
        }
        let mut used = owned.claims.iter().filter(|claim| self.relies_on(claim));
        match used.next() {
            None => Use::None,
            Some(claim) if *claim == name => Use::Kept,
            Some(claim) => Use::InPart(claim.clone()),
        }
    }

    fn relies_on(&self, claim: &str) -> bool {
        let path = claim.strip_prefix("path:");
        let path = path.and_then(|path| AbsPath::parse(path).ok());
        self.keys.contains(claim) || path.is_some_and(|path| self.paths.contains(&path))
    }
}

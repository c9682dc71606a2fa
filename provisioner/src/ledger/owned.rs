//! One thing that a config owns on a host.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Deeds;
use crate::block::{Block, Body, Holding, KINDS, Part};
use crate::config::Config;
use crate::host::Observe;
use crate::mask::Mask;
use crate::name::AbsPath;
use crate::plan::Planned;
use crate::report::Outcome;
use crate::undo::Lay;

/// What a thing is known by: its first claim, and which part of that it is.
pub type Thing = (String, Option<String>);

/// One thing that a config owns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owned {
    /// What it is, such as `path:/etc/motd`, `user:ana`; the others are part of it.
    pub claims: Vec<String>,
    /// Which part of the first, where blocks share that: a line of a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// The block that brought it.
    pub id: String,
    /// The blocks before it that are about the same thing, by their ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<String>,
    /// The word in its `[[...]]`.
    pub kind: String,
    /// The file that it stood in.
    pub file: String,
    /// The line of its header, from 1.
    pub line: usize,
    /// Who changed it last.
    pub last: By,
    /// Whether hpt made it, of which nothing was there before.
    pub made: bool,
    /// Whether nothing of it may be shown.
    #[serde(default)]
    pub sensitive: bool,
    /// The ids of the handlers that hear of its changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notify: Vec<String>,
    /// The block that takes it away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removal: Option<Removal>,
    /// What was left there last, if it is a path; `None` if that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<Lay>,
    /// Where a run stands with it.
    #[serde(default, skip_serializing_if = "Stage::is_held")]
    pub stage: Stage,
}

/// A run, and who asked for it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct By {
    /// Its id.
    pub run: String,
    /// The name of the client, or "local".
    pub client: String,
    /// The fingerprint of the client's key; empty on the host itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// When it began, in unix seconds.
    pub time: u64,
}

/// A block that takes a thing away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    /// The word in its `[[...]]`.
    pub kind: String,
    /// Its fields in TOML.
    pub fields: String,
}

/// Where a run stands with a thing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// It is owned.
    #[default]
    Held,
    /// A run is about to bring it.
    Begun,
    /// A run is about to remove it, by the block with this id.
    Leaving(String),
}

impl Stage {
    fn is_held(&self) -> bool {
        *self == Self::Held
    }
}

impl Owned {
    /// What a block is about to bring; `None` if its name is a secret, or not known yet.
    pub(super) fn new(
        holding: &Holding,
        block: &Block,
        planned: &Planned,
        config: &Config,
        mask: &mut Mask,
        by: &By,
    ) -> Option<Self> {
        let mut is_open = |text: &str| mask.whole(text) == text;
        let claims: Vec<String> = holding.claims.iter().map(crate::host::Key::words).collect();
        let is_late = matches!(block.part, Part::Late(_));
        let is_known = |claim: &String| !(is_late && claim.contains("{{"));
        if !claims.iter().all(|claim| is_known(claim) && is_open(claim)) {
            return None;
        }
        let removal = holding.remnant.as_ref().map(|remnant| Removal {
            kind: remnant.kind.to_owned(),
            fields: remnant.fields.to_string(),
        });
        // A part that is a secret has no other name than its block's, and nothing that removes it.
        let part = holding.part.clone();
        let is_plain = part.as_deref().is_none_or(&mut is_open)
            && removal.as_ref().is_none_or(|by| is_open(&by.fields));
        let (part, removal) = match part {
            Some(_) if !is_plain => (Some(block.id.clone()), None),
            part => (part, removal.filter(|_| is_plain)),
        };
        let handlers = block.notify.iter();
        Some(Self {
            claims,
            part,
            id: block.id.clone(),
            also: Vec::new(),
            kind: block.kind.to_owned(),
            file: planned.file.clone(),
            line: planned.line,
            last: by.clone(),
            made: false,
            sensitive: block.sensitive,
            notify: handlers.map(|at| config.blocks[*at].id.clone()).collect(),
            removal,
            left: None,
            stage: Stage::Begun,
        })
    }

    /// What it is known by.
    pub fn thing(&self) -> Thing {
        (self.name().to_owned(), self.part.clone())
    }

    /// Whether it is known by this.
    pub fn is(&self, (name, part): &Thing) -> bool {
        self.name() == name && self.part == *part
    }

    /// Its first claim.
    pub fn name(&self) -> &str {
        self.claims.first().map_or("", String::as_str)
    }

    /// The id of a block of its kind that is about it, whatever its own was.
    pub(super) fn own_id(&self) -> String {
        let name = self.name();
        let name = name.split_once(':').map_or(name, |(_, name)| name);
        let part = self.part.as_deref().map(|part| format!(" {part}"));
        format!("{}:{name}{}", self.kind, part.unwrap_or_default())
    }

    /// The block that takes it away; `None` if nothing does, or this hpt cannot read it.
    pub(super) fn removal(&self) -> Option<Body> {
        let removal = self.removal.as_ref()?;
        let kind = KINDS.iter().find(|kind| **kind == removal.kind)?;
        let fields = toml::de::Deserializer::parse(&removal.fields).ok()?;
        let body = Body::deserialize(kind, fields).ok()?;
        let mut is_good = true;
        body.check(&mut |_, _| is_good = false);
        is_good.then_some(body)
    }

    /// As its block stands in the config by now; `again` if it is one more block of the same run.
    pub(super) fn describe(&mut self, now: Self, again: bool) {
        let was = std::mem::replace(self, now);
        self.last = was.last;
        self.made = was.made;
        self.left = was.left;
        self.stage = was.stage;
        if again {
            self.also = was.also;
            self.also.push(was.id);
        }
    }

    /// Notes what a run has left there. Where other blocks have as well, nobody knows what is whose; nor
    /// what there is of a block that was broken off.
    pub(super) fn note_left(&mut self, deeds: &Deeds, writers: &BTreeMap<String, usize>) {
        let all = writers.get(self.name()).copied().unwrap_or_default();
        let ids = self.also.iter().chain([&self.id]);
        let own: Vec<_> = ids
            .filter_map(|id| deeds.of(id))
            .filter_map(|deed| Some((deed, deed.leaves(self.name())?)))
            .collect();
        match own.last() {
            Some((deed, left)) if own.len() == all && deed.is_good() => {
                self.left = Some((*left).clone());
            }
            None if all == 0 => {}
            _ => self.left = None,
        }
    }

    /// Whether there is something else at its path than what was written there.
    pub(super) fn is_changed(&self, host: &dyn Observe) -> bool {
        let path = self.name().strip_prefix("path:");
        let path = path.and_then(|path| AbsPath::parse(path).ok());
        let (Some(path), Some(left)) = (path, &self.left) else {
            return false;
        };
        matches!(left.holds(&path, host), Ok(false))
    }

    /// Notes what a run has done with it. What is `made` by hpt was not there before. Whether it is owned.
    pub(super) fn settle(&mut self, deeds: &Deeds, made: &BTreeSet<String>) -> bool {
        let stage = std::mem::take(&mut self.stage);
        if let Stage::Leaving(id) = &stage {
            let outcome = deeds.of(id).and_then(|deed| deed.outcome);
            return !matches!(outcome, Some(Outcome::Changed | Outcome::Ok));
        }
        let ids = self.also.iter().chain([&self.id]);
        let Some(deed) = deeds.of_all(ids.map(String::as_str)) else {
            return stage != Stage::Begun;
        };
        let touched = match &self.part {
            Some(_) => deed.touches().then_some(deed.adds),
            None if deed.is_opaque() => Some(false),
            None => deed.made(&self.claims, made),
        };
        if let Some(made) = touched {
            self.made |= made;
            self.last = deeds.by.clone();
        }
        let is_there = matches!(deed.outcome, Some(Outcome::Changed | Outcome::Ok));
        // Of a block that broke off, what had begun to change is owned.
        stage != Stage::Begun || is_there || touched.is_some()
    }
}

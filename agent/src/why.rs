//! What hpt has to do with a thing of this host: whose it is by the ledgers, and what runs have made of
//! it by their journals.

use std::collections::BTreeSet;
use std::sync::Arc;

use hpt_proto::convert::{to_detail, to_outcome};
use hpt_proto::wire::{Asked, Outcome, Owned as Wire, Running, Version, WhyReply};
use hpt_provisioner::describe::Detail;
use hpt_provisioner::diff;
use hpt_provisioner::host::{Hash, Observe};
use hpt_provisioner::ledger::{By, Ledger, Owned};
use hpt_provisioner::name::{AbsPath, GroupName, UserName};
use hpt_provisioner::plan::Reveal;
use hpt_provisioner::undo::{Before, Lay};

use crate::journal::{Doing, Doings, Journals};
use crate::ledger::Ledgers;
use crate::run::{RunError, Site};

/// Versions whose content is shown.
const SHOWN: usize = 20;
/// Lines of them all.
const LINES: usize = 2000;

impl Site {
    /// Whose this is, and what runs have made of it, newest first: a thing as the ledger names it, or a
    /// block by its id.
    ///
    /// # Errors
    /// If the ledgers or the journals cannot be read.
    pub fn why(&self, what: &str, reveal: Reveal) -> Result<WhyReply, RunError> {
        let journals = Journals::at(self.places());
        let ledgers = Ledgers::of(self.places(), journals.clone());
        let books = ledgers.read().map_err(RunError::Ledger)?;
        let mut reply = WhyReply::default();
        let mut about = About {
            what,
            ids: BTreeSet::new(),
        };
        let mut reveal = reveal;
        let mut names = Vec::new();
        for book in &books {
            for owned in &book.things {
                if owned.id != what && !owned.claims.iter().any(|claim| claim == what) {
                    continue;
                }
                if owned.sensitive {
                    reveal = Reveal::Outline;
                }
                about.ids.insert(owned.id.clone());
                names.push(owned.name().to_owned());
                reply.owned.push(to_owned(book, owned));
            }
        }
        // Who asks without any state here is told of nothing anyhow.
        if let Some(host) = self.host().ok().filter(|_| !reply.owned.is_empty()) {
            for (owned, name) in reply.owned.iter_mut().zip(names) {
                owned.gone = is_gone(&name, &host);
            }
        }
        let mut seen = Vec::new();
        for run in journals.ids()?.iter().rev() {
            let Some(doings) = Doings::of(&journals, run)? else {
                continue; // it never began
            };
            let blocks = doings.blocks.iter().rev();
            seen.extend(blocks.filter_map(|doing| about.seen(doing, &doings.by)));
        }
        if reveal == Reveal::Content && !seen.is_empty() {
            show(&mut seen, &self.host()?);
        }
        reply.versions = seen.into_iter().map(|seen| seen.version).collect();
        Ok(reply)
    }
}

/// What is asked for.
struct About<'a> {
    what: &'a str,
    /// The blocks that own it.
    ids: BTreeSet<String>,
}

/// A version, and what lay there before it.
struct Seen {
    version: Version,
    files: Vec<Before>,
}

impl About<'_> {
    /// What a run has made of it by one of its blocks, if anything.
    fn seen(&self, doing: &Doing, by: &By) -> Option<Seen> {
        let (block, deed) = (&doing.block, &doing.deed);
        if doing.what.is_empty() || !self.is_about(&block.id, &deed.before) {
            return None;
        }
        let is_block = block.id == self.what;
        let files = deed.before.iter();
        let files = files.filter(|before| is_block || self.names(before));
        let outcome = deed.outcome.map_or(Outcome::Unspecified, to_outcome);
        Some(Seen {
            version: Version {
                by: Some(asked(by)),
                id: block.id.clone(),
                file: block.file.clone(),
                line: block.line,
                outcome: outcome.into(),
                what: doing.what.clone(),
                details: Vec::new(),
            },
            files: files.cloned().collect(),
        })
    }

    fn is_about(&self, id: &str, before: &[Before]) -> bool {
        if id == self.what || before.iter().any(|before| self.names(before)) {
            return true;
        }
        // What a command, an archive or a clone did is known by its block alone.
        self.ids.contains(id) && before.iter().all(|before| before.thing().is_none())
    }

    fn names(&self, before: &Before) -> bool {
        before
            .thing()
            .is_some_and(|(key, _)| key.words() == self.what)
    }
}

fn asked(by: &By) -> Asked {
    Asked {
        run: Some(Running {
            run: by.run.clone(),
            by: by.client.clone(),
            since: by.time,
        }),
        key: by.key.clone(),
    }
}

fn to_owned(book: &Ledger, owned: &Owned) -> Wire {
    Wire {
        config: book.name.clone(),
        id: owned.id.clone(),
        file: owned.file.clone(),
        line: u32::try_from(owned.line).unwrap_or(u32::MAX),
        last: Some(asked(&owned.last)),
        made: owned.made,
        part: owned.part.clone().unwrap_or_default(),
        gone: false,
    }
}

/// Whether nothing is there of a thing by this name, if that can be told.
fn is_gone(name: &str, host: &dyn Observe) -> bool {
    let Some((sort, name)) = name.split_once(':') else {
        return false;
    };
    match sort {
        "path" => AbsPath::parse(name).is_ok_and(|path| matches!(host.path(&path), Ok(None))),
        "user" => UserName::parse(name).is_ok_and(|user| matches!(host.user(&user), Ok(None))),
        "group" => GroupName::parse(name).is_ok_and(|group| matches!(host.group(&group), Ok(None))),
        _ => false,
    }
}

/// The file that a secret was written to, if that is what this was.
fn secret_file<'a>(version: &Version, before: &'a Before) -> Option<&'a AbsPath> {
    match before {
        Before::Path { path, .. }
            if before.wrote().is_none() && version.what.contains(&format!("write {path}")) =>
        {
            Some(path)
        }
        _ => None,
    }
}

/// Adds what changed in files, where what they held before and after is kept. Of a file that a secret
/// was written to nothing is shown: what was put there since may still have it.
fn show(seen: &mut [Seen], host: &dyn Observe) {
    let mut left = LINES;
    let all = seen.iter();
    let secret = all.flat_map(|s| s.files.iter().filter_map(|b| secret_file(&s.version, b)));
    let secret: BTreeSet<AbsPath> = secret.cloned().collect();
    for seen in seen.iter_mut().take(SHOWN) {
        for before in &seen.files {
            let Before::Path { path, was, .. } = before else {
                continue;
            };
            if secret.contains(path) {
                continue;
            }
            let old: Option<Arc<[u8]>> = match was {
                Lay::Absent => Some(Vec::new().into()),
                Lay::File { hash, .. } => Hash::from_hex(hash).ok().and_then(|h| kept(&h, host)),
                _ => None,
            };
            let wrote = before.wrote().and_then(|hash| Hash::from_hex(hash).ok());
            let new = match wrote {
                Some(hash) if host.hash(path).ok().flatten() == Some(hash) => {
                    host.read(path).ok().flatten()
                }
                Some(hash) => kept(&hash, host),
                None => None,
            };
            let (Some(old), Some(new)) = (old, new) else {
                continue;
            };
            let Some(lines) = diff::lines(&old, &new).filter(|lines| lines.len() <= left) else {
                continue;
            };
            left -= lines.len();
            let path = path.to_string();
            let detail = Detail::Diff { path, lines };
            seen.version.details.push(to_detail(&detail));
        }
    }
}

/// What the host keeps under this hash.
fn kept(hash: &Hash, host: &dyn Observe) -> Option<Arc<[u8]>> {
    host.blob(hash).ok().flatten()
}

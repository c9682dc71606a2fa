//! A config: texts in, blocks in document order out, or every fault with its place.

mod common;
mod document;
mod fields;
mod fix;
mod for_each;
mod format;
mod frame;
mod gather;
mod given;
mod ids;
mod include;
mod instance;
mod late;
pub mod limits;
mod name;
mod names;
mod needed;
mod params;
mod reader;
mod renamed;
mod renderer;
pub mod resource;
pub mod scope;
mod sealed;
mod secrets;
mod settings;
mod spelling;
mod tree;
mod values;
pub(crate) mod vars;
mod when;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use toml::de::DeTable;

use crate::block::Block;
use crate::block::owned_tree::OwnedTree;
use crate::fault::{Fault, Place};
use crate::host::Key;
use crate::mask::Mask;
use crate::name::{AbsPath, UnitId, UnitName, UnitScope, UserName};
use crate::source::{Need, Source};

pub use self::common::OnError;
pub use self::fix::fix;
pub use self::format::format;
pub use self::gather::{Gathered, Wanted, gather};
pub use self::given::Given;
pub use self::include::{Sort, is_taken};
pub use self::late::Late;
pub use self::name::ConfigName;
use self::reader::Reader;
use self::resource::Resources;
use self::scope::Scope;
pub use self::vars::{Level, Setting};
pub use self::words::not_toml;

/// One file of a config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its name, for a person.
    pub name: String,
    /// Its text.
    pub text: String,
}

impl File {
    /// The directory to which the paths in it are relative.
    pub fn dir(&self) -> &Path {
        Path::new(include::directory(&self.name))
    }
}

/// A whole config, every field of it valid.
pub struct Config {
    /// The files that it was read from.
    pub files: Vec<File>,
    /// In the order in which they are executed.
    pub blocks: Vec<Block>,
    /// Buckets, repositories and secrets by name.
    pub resources: Resources,
    /// The values it was judged with.
    pub scope: Scope,
    /// Whether handlers of what was changed run after a block has failed; `[settings]`.
    pub flush_on_fail: bool,
    /// In what time a run over the channel must be confirmed, if the config says so; `[settings]`.
    pub confirm: Option<Duration>,
    /// By which name the host knows what is this config's: its `name`, or else that of its file.
    pub name: ConfigName,
    /// Whether what left the config is removed, or let go.
    pub prunes: bool,
    /// What works, but should be written otherwise.
    pub warnings: Vec<Fault>,
}

impl Config {
    /// What hides the secrets of this config in whatever is shown.
    pub(crate) fn mask(&self) -> Mask {
        let named = self.scope.secrets.iter().flat_map(|all| all.values());
        let written = self.blocks.iter().flat_map(Block::secrets);
        Mask::new(named.chain(written))
    }
}

/// What a check on the workstation finds out, where facts and secrets are not known.
pub struct Outline {
    /// Buckets, repositories and secrets by name.
    pub resources: Resources,
    /// The sources that must be fetched, each once, in order.
    pub needs: Vec<(Need, Place)>,
    /// The values that the config's own files set, the weakest first.
    pub settings: Vec<Setting>,
    /// How long is waited for a host that another run holds, if the config says so; `[settings]`.
    pub lock_wait: Option<Duration>,
    /// What works, but should be written otherwise.
    pub warnings: Vec<Fault>,
}

/// Parses the files of a config with all that is known of the host. Files are executed one after another.
///
/// # Errors
/// Every fault found, warnings too, in the order of their places.
pub fn parse(files: Vec<File>, scope: Scope) -> Result<Config, Vec<Fault>> {
    let reader = Reader::of(&files, scope);
    let (blocks, faults) = (reader.blocks, sorted(reader.faults));
    if faults.iter().any(Fault::is_error) {
        return Err(faults);
    }
    let (resources, mut scope) = (reader.resources, reader.scope);
    scope.shared = shared(&blocks, &scope);
    scope.claimed = claimed(&blocks);
    scope.trees = trees(&blocks);
    scope.keyed = keyed(&blocks);
    scope.owned = blocks.iter().filter_map(OwnedTree::of).collect();
    scope.allow_no_sudoer = reader.settings.allow_no_sudoer;
    scope.units = units(&blocks);
    let name = match reader.name {
        Some(name) => name,
        None => ConfigName::of_file(files.first().map_or("", |file| file.name.as_str())),
    };
    // A part of a config does not tell what left it.
    let prunes = (reader.settings.prune || scope.given.prune) && scope.given.tags.is_empty();
    Ok(Config {
        name,
        prunes,
        files,
        blocks,
        resources,
        scope,
        flush_on_fail: reader.settings.flush_on_fail,
        confirm: reader.settings.confirm,
        warnings: faults,
    })
}

/// The paths that blocks are about, and all above them.
fn claimed(blocks: &[Block]) -> BTreeSet<AbsPath> {
    let paths = blocks
        .iter()
        .flat_map(Block::reads)
        .filter_map(|key| match key {
            Key::Path(path) | Key::Content(path) | Key::Checkout(path) => Some(path),
            _ => None,
        });
    let mut claimed = BTreeSet::new();
    for path in paths {
        for path in std::iter::successors(Some(path), AbsPath::parent) {
            if !claimed.insert(path) {
                break; // so are those above it
            }
        }
    }
    claimed
}

/// The directories all of whose content is a block's.
fn trees(blocks: &[Block]) -> Vec<AbsPath> {
    let trees = blocks
        .iter()
        .filter(|block| ["archive", "clone", "sync"].contains(&block.kind));
    let paths = trees.filter_map(|block| match block.about() {
        Some(Key::Path(path) | Key::Checkout(path)) => Some(path),
        _ => None,
    });
    paths.collect()
}

/// The users whose keys a block may keep.
fn keyed(blocks: &[Block]) -> BTreeSet<UserName> {
    let keep = blocks
        .iter()
        .filter(|block| ["authorized_key", "user"].contains(&block.kind));
    let users = keep.flat_map(Block::reads).filter_map(|key| match key {
        Key::User(name) => Some(name),
        _ => None,
    });
    users.collect()
}

/// The host's own units that blocks start, stop or enable.
fn units(blocks: &[Block]) -> BTreeSet<UnitName> {
    let units = blocks.iter().flat_map(Block::reads);
    let units = units.filter_map(|key| match key {
        Key::Unit(UnitId {
            scope: UnitScope::System,
            name,
        }) => Some(name),
        _ => None,
    });
    units.collect()
}

/// The blobs that more than one block needs.
fn shared(blocks: &[Block], scope: &Scope) -> BTreeSet<[u8; 32]> {
    let mut seen = BTreeSet::new();
    let needs: Vec<Need> = blocks.iter().flat_map(Block::needs).collect();
    if needs.iter().any(|need| need.tree) {
        // A tree's files are not known here, and any of them may be another block's too.
        return scope
            .blobs
            .values()
            .map(|blob| *blob.hash.as_bytes())
            .collect();
    }
    let needs = needs.into_iter();
    let hashes = needs.filter_map(|need| {
        scope
            .blobs
            .get(&need.source)
            .map(|blob| *blob.hash.as_bytes())
    });
    hashes.filter(|hash| !seen.insert(*hash)).collect()
}

/// Checks the files of a config without a host: what depends on facts or secrets is left to the target.
///
/// # Errors
/// Every fault found, warnings too, in the order of their places.
pub fn check(files: &[File], target: &str, given: &Given) -> Result<Outline, Vec<Fault>> {
    let scope = Scope {
        target: target.to_owned(),
        given: given.clone(),
        ..Scope::default()
    };
    let mut reader = Reader::of(files, scope);
    let mut needs: BTreeMap<Source, (Need, Place)> = BTreeMap::new();
    for block in &reader.blocks {
        for need in block.needs() {
            if let Some(pin) = need.source.sha256()
                && need.sha256.as_deref() != Some(pin)
            {
                let what = format!("`sha256` is not what {} says", need.source);
                let fault = Fault::error(what, block.place.clone());
                reader
                    .faults
                    .push(fault.hint("write it once, there or here"));
            }
            let entry = needs.entry(need.source.clone());
            let (known, place) = entry.or_insert_with(|| (need.clone(), block.place.clone()));
            if known.tree != need.tree {
                let what = format!("{} is asked for both as a file and as a tree", need.source);
                let fault = Fault::error(what, block.place.clone());
                reader.faults.push(
                    fault
                        .other(place.clone(), "first asked for here")
                        .hint("a directory goes to [[sync]], a file to [[file]] with `source`"),
                );
            }
            known.read |= need.read;
            known.secret |= need.secret;
            if known.sha256.is_some() && need.sha256.is_some() && known.sha256 != need.sha256 {
                let what = format!("{} is asked for with two different sha256", need.source);
                let fault = Fault::error(what, block.place.clone());
                reader.faults.push(
                    fault
                        .other(place.clone(), "first asked for here")
                        .hint("write the same `sha256` twice, as `sha256sum` prints it"),
                );
            }
            known.sha256 = known.sha256.take().or(need.sha256);
        }
    }
    for (need, place) in needs.values() {
        if reader.faults.len() >= limits::FAULTS && reader.faults.iter().any(Fault::is_error) {
            break;
        }
        reader
            .resources
            .check_source(need, place, &mut reader.faults);
    }
    let (settings, lock_wait) = (reader.settings(), reader.settings.lock_wait);
    let faults = sorted(reader.faults);
    if faults.iter().any(Fault::is_error) {
        return Err(faults);
    }
    let mut needs: Vec<_> = needs.into_values().collect();
    needs.sort_by_key(|(_, place)| place.order());
    Ok(Outline {
        resources: reader.resources,
        needs,
        settings,
        lock_wait,
        warnings: faults,
    })
}

/// The values that the files of a config set, the weakest first; whatever is wrong with its blocks.
///
/// # Errors
/// Every fault of the files' other parts.
pub fn settings(files: &[File], given: &Given) -> Result<Vec<Setting>, Vec<Fault>> {
    let scope = Scope {
        given: given.clone(),
        ..Scope::default()
    };
    let reader = Reader::skim(files, scope);
    let settings = reader.settings();
    let faults = sorted(reader.faults);
    if faults.iter().any(Fault::is_error) {
        return Err(faults);
    }
    Ok(settings)
}

fn sorted(mut faults: Vec<Fault>) -> Vec<Fault> {
    faults.sort_by_key(|fault| fault.place.as_ref().map(Place::order));
    faults
}

/// Where the values of a table's keys stand.
fn spans(table: &DeTable<'_>, file: usize) -> BTreeMap<String, Place> {
    let place = |span| Place { file, span };
    let entries = table.iter();
    entries
        .map(|(key, value)| (key.get_ref().to_string(), place(value.span())))
        .collect()
}

/// The word that was probably meant, if any is near.
pub(crate) fn nearest<'a>(word: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    words
        .take(200) // a hint is not worth a search of thousands
        .map(|w| (strsim::damerau_levenshtein(word, w), w))
        .min()
        .filter(|(distance, w)| *distance <= w.len().max(word.len()).div_ceil(3))
        .map(|(_, w)| w)
}

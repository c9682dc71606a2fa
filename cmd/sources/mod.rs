//! The sources of a config, resolved on this machine: each becomes a blob, known by its hash.

mod bucket;
pub(crate) mod file;
mod git;
mod http;
mod sign;
pub(crate) mod tree;

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hpt_provisioner::fault::Place;
use hpt_provisioner::host::Hash;
use hpt_provisioner::source::{Blob, Need, Source};

use self::tree::Tree;
use crate::config::Checked;
use crate::error::{CommandError, Exit};
use crate::once::Once;
use crate::print::plural;
use crate::secrets::Secrets;
use crate::terminal::Terminal;

/// The largest source, in bytes.
const LARGEST: u64 = 2 << 30;
/// A content that travels within a request is at most so long; so is what planning reads.
const LONGEST_LENT: u64 = 1 << 20;
/// What of a request may be contents, in bytes; the rest of its 4 MiB is the config.
const LENT: u64 = 2 << 20;
/// What is lent only so that a plan can show it as a diff, in bytes.
const LENT_FOR_DIFFS: u64 = 256 << 10;
/// From here on files are read and hashed on more threads than one.
const MANY: usize = 256;

/// What was fetched for a config already.
#[derive(Clone, Default)]
pub(crate) struct Fetched {
    blobs: Once<(Source, Option<String>), (Hash, u64, Content)>,
    trees: Once<Source, Tree>,
}

/// All sources of a config.
pub(crate) struct Sources {
    pub(crate) blobs: BTreeMap<Source, Blob>,
    origins: HashMap<Hash, Origin>,
}

/// A source where it is on this machine.
#[derive(Clone)]
pub(crate) struct Origin {
    pub(crate) size: u64,
    content: Content,
    /// It must travel within requests: planning reads it, or it is secret.
    lent: bool,
}

/// How its bytes are had.
#[derive(Clone)]
enum Content {
    /// A file that somebody may still change; the hash tells.
    File(PathBuf),
    /// A file without a name, fetched for this run.
    Fetched(Arc<File>),
    /// Short, and read already.
    Memory(Arc<[u8]>),
}

impl Origin {
    /// Its bytes from the beginning.
    pub(crate) fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(match &self.content {
            Content::File(path) => Box::new(File::open(path)?),
            Content::Fetched(file) => Box::new(FromStart {
                file: Arc::clone(file),
                at: 0,
            }),
            Content::Memory(bytes) => Box::new(io::Cursor::new(Arc::clone(bytes))),
        })
    }

    /// All of its bytes; for those that are short.
    fn bytes(&self) -> Result<Arc<[u8]>, CommandError> {
        if let Content::Memory(bytes) = &self.content {
            return Ok(Arc::clone(bytes));
        }
        let mut bytes = Vec::new();
        let read = self
            .open()
            .and_then(|mut from| from.read_to_end(&mut bytes));
        read.map_err(|why| {
            CommandError::new(Exit::Failed, format!("cannot read a source again: {why}"))
        })?;
        Ok(bytes.into())
    }
}

/// Reads a shared file from its beginning, whoever else reads it.
struct FromStart {
    file: Arc<File>,
    at: u64,
}

impl Read for FromStart {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let got = self.file.read_at(into, self.at)?;
        self.at += u64::try_from(got).expect("a length fits 64 bits");
        Ok(got)
    }
}

impl Sources {
    /// Finds, fetches and hashes every source of a config.
    pub(crate) fn resolve(
        config: &Checked,
        secrets: &Secrets,
        fetched: &Fetched,
        terminal: &mut Terminal,
    ) -> Result<Self, CommandError> {
        let mut this = Self {
            blobs: BTreeMap::new(),
            origins: HashMap::new(),
        };
        let mut local = Vec::new();
        for (need, place) in &config.outline.needs {
            if let Some(path) = config.outline.resources.local(&need.source) {
                if need.tree {
                    this.add_tree(need, directory(&path, place))
                        .map_err(CommandError::at(&config.files, place))?;
                } else {
                    local.push((need, place, path));
                }
                continue;
            }
            terminal.passing(format_args!("fetching {}", need.source));
            let added = if need.tree {
                let fetch = || fetch_tree(need, config, secrets);
                this.add_tree(need, fetched.trees.ask(need.source.clone(), fetch))
            } else {
                let what = (need.source.clone(), need.sha256.clone());
                let fetch = || fetch(need, config, secrets);
                this.add(need, fetched.blobs.ask(what, fetch))
            };
            added.map_err(CommandError::at(&config.files, place))?;
        }
        for (need, place, found) in hash_all(&local) {
            this.add(need, found)
                .map_err(CommandError::at(&config.files, place))?;
        }
        // Counted and not named: a URL may hold what opens it.
        tracing::debug!("{} resolved", plural(this.blobs.len(), "source"));
        Ok(this)
    }

    /// One file of this machine, as a blob of its own, and its hash.
    pub(crate) fn of_file(path: &Path) -> Result<(Hash, Self), CommandError> {
        let need = Need {
            source: Source::File(path.display().to_string()),
            sha256: None,
            secret: false,
            read: false,
            tree: false,
        };
        let mut this = Self {
            blobs: BTreeMap::new(),
            origins: HashMap::new(),
        };
        this.add(&need, file::find(&need, path))?;
        let blob = this.blobs.values().next().expect("it was just added");
        Ok((blob.hash, this))
    }

    fn add(&mut self, need: &Need, found: Found) -> Result<(), CommandError> {
        let (hash, size, content) = found?;
        let lent = need.read || need.secret;
        if lent && size > LONGEST_LENT {
            let what = format!(
                "{} is {size} bytes long; a template, key or sensitive source has at most 1 MiB",
                need.source
            );
            return Err(CommandError::new(Exit::Config, what));
        }
        self.blobs.insert(need.source.clone(), Blob { hash, size });
        let origin = self.origins.entry(hash).or_insert(Origin {
            size,
            content,
            lent,
        });
        origin.lent |= lent;
        Ok(())
    }

    /// Adds the list of a tree, and what it lists.
    fn add_tree(
        &mut self,
        need: &Need,
        found: Result<Tree, CommandError>,
    ) -> Result<(), CommandError> {
        let tree = found?;
        let text = tree.text(&need.source.to_string())?;
        let size = u64::try_from(text.len()).expect("a length fits 64 bits");
        let list = (blake3::hash(&text), size, Content::Memory(text));
        self.add(need, Ok(list))?;
        for (Blob { hash, size }, content) in tree.contents {
            self.origins.entry(hash).or_insert(Origin {
                size,
                content,
                lent: false,
            });
        }
        Ok(())
    }

    /// Where a blob's bytes are; `None` for a hash that is none of this config's.
    pub(crate) fn origin(&self, hash: &Hash) -> Option<&Origin> {
        self.origins.get(hash)
    }

    /// Contents that travel within the request for a plan: those it reads, secrets, and as many of
    /// the others as it takes to show diffs of a small config.
    pub(crate) fn lend(&self) -> Result<HashMap<Hash, Arc<[u8]>>, CommandError> {
        let mut lent = HashMap::new();
        let mut room = LENT;
        for (hash, origin) in self.origins.iter().filter(|(_, origin)| origin.lent) {
            let Some(rest) = room.checked_sub(origin.size) else {
                let what = "the templates, keys and sensitive sources of this config have more than 2 MiB together";
                return Err(CommandError::new(Exit::Config, what).hint("split the config"));
            };
            room = rest;
            lent.insert(*hash, origin.bytes()?);
        }
        let short: Vec<_> = self
            .origins
            .iter()
            .filter(|(_, origin)| !origin.lent)
            .collect();
        let all: u64 = short.iter().map(|(_, origin)| origin.size).sum();
        if all <= LENT_FOR_DIFFS.min(room) {
            for (hash, origin) in short {
                lent.insert(*hash, origin.bytes()?);
            }
        }
        Ok(lent)
    }
}

type Found = Result<(Hash, u64, Content), CommandError>;

fn fetch(need: &Need, config: &Checked, secrets: &Secrets) -> Found {
    match &need.source {
        Source::File(_) => unreachable!("files are hashed where they are"),
        Source::Https(url) => http::get_https(url, need.sha256.as_deref()),
        Source::Bucket {
            bucket: name, path, ..
        } => {
            let resources = &config.outline.resources;
            let base = resources.bases.get(name);
            if let Some(url) = base.and_then(|base| base.https(path)) {
                return http::get_https(&url, need.sha256.as_deref());
            }
            match (resources.buckets.get(name), resources.repos.get(name)) {
                (Some(bucket), _) => bucket::get(bucket, path, secrets, need.sha256.as_deref()),
                (None, Some(repo)) => git::show(repo, path, need.sha256.as_deref()),
                (None, None) => unreachable!("a check finds the bucket of every source"),
            }
        }
    }
}

/// Lists a directory of this machine, and hashes its files.
fn directory(path: &Path, place: &Place) -> Result<Tree, CommandError> {
    let mut tree = Tree::default();
    let files = tree::walk(path, &mut tree)?;
    let none = Need {
        source: Source::File(path.display().to_string()),
        sha256: None,
        secret: false,
        read: false,
        tree: false,
    };
    let local: Vec<_> = files
        .iter()
        .map(|(_, path, _)| (&none, place, path.clone()))
        .collect();
    let found = hash_all(&local);
    for ((below, path, executable), (_, _, found)) in files.into_iter().zip(found) {
        let (hash, size, _) = found?;
        tree.add(below, executable, Blob { hash, size }, Content::File(path));
    }
    Ok(tree)
}

fn fetch_tree(need: &Need, config: &Checked, secrets: &Secrets) -> Result<Tree, CommandError> {
    let Source::Bucket {
        bucket: name, path, ..
    } = &need.source
    else {
        unreachable!("a tree is a directory or lies in a bucket or repository");
    };
    let resources = &config.outline.resources;
    match (resources.buckets.get(name), resources.repos.get(name)) {
        (Some(bucket), _) => bucket::tree(bucket, path, secrets),
        (None, Some(repo)) => git::tree(repo, path),
        (None, None) => unreachable!("a check finds the bucket of every source"),
    }
}

/// A source that is a file of this machine, and where the config names it.
type Local<'a> = (&'a Need, &'a Place, PathBuf);

/// Hashes files, many of them on several threads.
fn hash_all<'a>(files: &[Local<'a>]) -> Vec<(&'a Need, &'a Place, Found)> {
    let one = |(need, place, path): &Local<'a>| (*need, *place, file::find(need, path));
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get().min(4));
    if files.len() < MANY || threads == 1 {
        return files.iter().map(one).collect();
    }
    let share = files.len().div_ceil(threads);
    std::thread::scope(|scope| {
        let work = |files: &'_ [Local<'a>]| files.iter().map(one).collect::<Vec<_>>();
        let running: Vec<_> = files
            .chunks(share)
            .map(|files| scope.spawn(move || work(files)))
            .collect();
        let done = running
            .into_iter()
            .map(|thread| thread.join().expect("hashing does not panic"));
        done.flatten().collect()
    })
}

/// Copies what a stranger sends to a file without a name, hashes it on the way, and compares.
fn keep(from: &mut dyn Read, what: &str, sha256: Option<&str>) -> Found {
    use sha2::Digest as _;
    let failed =
        |why: io::Error| CommandError::new(Exit::Failed, format!("cannot fetch {what}: {why}"));
    let mut file = tempfile::tempfile().map_err(failed)?;
    let mut blake = blake3::Hasher::new();
    let mut sha = sha2::Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    let mut size = 0;
    loop {
        let got = from.read(&mut buffer).map_err(failed)?;
        if got == 0 {
            break;
        }
        size += u64::try_from(got).expect("a length fits 64 bits");
        if size > LARGEST {
            return Err(failed(io::Error::other("it is larger than 2 GiB")));
        }
        blake.update(&buffer[..got]);
        if sha256.is_some() {
            sha.update(&buffer[..got]);
        }
        io::Write::write_all(&mut file, &buffer[..got]).map_err(failed)?;
    }
    if let Some(wanted) = sha256 {
        let found = hex(&sha.finalize());
        if !found.eq_ignore_ascii_case(wanted) {
            return Err(wrong_sha256(what, wanted, &found));
        }
    }
    Ok((blake.finalize(), size, Content::Fetched(Arc::new(file))))
}

fn wrong_sha256(what: &str, wanted: &str, found: &str) -> CommandError {
    let words = format!("{what} is not what the config says: its sha256 is {found}, not {wanted}");
    CommandError::new(Exit::Failed, words).hint("if the new content is right, change `sha256`")
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes what is written");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_fetched_must_be_what_was_meant() {
        let sha = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let (hash, size, content) = keep(&mut &b"abc"[..], "x", Some(sha)).ok().unwrap();
        assert_eq!((hash, size), (blake3::hash(b"abc"), 3));
        let origin = Origin {
            size,
            content,
            lent: false,
        };
        for _ in 0..2 {
            let mut text = String::new();
            origin.open().unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text, "abc");
        }
        assert!(keep(&mut &b"abd"[..], "x", Some(sha)).is_err());
    }
}

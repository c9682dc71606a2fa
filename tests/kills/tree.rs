//! What lies below a directory: every entry with its content, owner and mode.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, lchown, symlink};
use std::path::Path;

/// By path below the directory.
#[derive(Clone, PartialEq, Eq)]
pub struct Tree(BTreeMap<String, Entry>);

#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    pub what: What,
    pub mode: u32,
    pub owner: (u32, u32),
}

#[derive(Clone, PartialEq, Eq)]
pub enum What {
    File(Vec<u8>),
    Link(String),
    Dir,
}

impl Tree {
    pub fn new(entries: BTreeMap<String, Entry>) -> Self {
        Self(entries)
    }

    pub fn of(dir: &Path) -> Self {
        let mut all = BTreeMap::new();
        add(dir, "", &mut all);
        Self(all)
    }

    /// Puts all of it into a directory that is empty.
    pub fn lay(&self, dir: &Path) {
        for (name, entry) in &self.0 {
            let path = dir.join(name);
            match &entry.what {
                What::Dir => fs::create_dir(&path).unwrap(),
                What::File(content) => fs::write(&path, content).unwrap(),
                What::Link(to) => symlink(to, &path).unwrap(),
            }
            lchown(&path, Some(entry.owner.0), Some(entry.owner.1)).unwrap();
            if !matches!(entry.what, What::Link(_)) {
                fs::set_permissions(&path, fs::Permissions::from_mode(entry.mode)).unwrap();
            }
        }
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.0.get(name)
    }

    /// The names of what differs.
    pub fn differing<'a>(&'a self, other: &'a Self) -> Vec<&'a str> {
        let mut names: Vec<_> = self.names().chain(other.names()).collect();
        names.sort_unstable();
        names.dedup();
        names.retain(|name| self.get(name) != other.get(name));
        names
    }
}

impl What {
    /// Whether it is the other, or its beginning with zeros for the rest.
    pub fn is_part_of(&self, other: &Self) -> bool {
        let (Self::File(part), Self::File(whole)) = (self, other) else {
            return self == other;
        };
        let same = part.iter().zip(whole).take_while(|(a, b)| a == b).count();
        part.len() <= whole.len() && part[same..].iter().all(|byte| *byte == 0)
    }
}

fn add(dir: &Path, below: &str, all: &mut BTreeMap<String, Entry>) {
    // A process that outlives its run may take an entry away meanwhile.
    let Ok(entries) = fs::read_dir(dir) else {
        return;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        let name = format!("{below}{}", path.file_name().unwrap().display());
        let Ok(meta) = fs::symlink_metadata(&path) else {
            continue;
        };
        let what = if meta.is_dir() {
            What::Dir
        } else if meta.is_symlink() {
            What::Link(fs::read_link(&path).unwrap().display().to_string())
        } else {
            What::File(fs::read(&path).unwrap_or_default())
        };
        if meta.is_dir() {
            add(&path, &format!("{name}/"), all);
        }
        let mode = meta.mode() & 0o7777;
        let owner = (meta.uid(), meta.gid());
        all.insert(name, Entry { what, mode, owner });
    }
}

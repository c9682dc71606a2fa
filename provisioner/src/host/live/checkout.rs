//! What a git working tree says of itself: its HEAD and its origin, read from its own files.

use std::path::Path;

use super::files::{self, MOST_READ};
use super::paths::Tree;
use crate::host::{Checkout, HostError};
use crate::name::AbsPath;

/// References that name references are followed so far.
const MOST_HOPS: usize = 5;

/// packed-refs of a repository with very many tags has some MiB.
const MOST_REFS: u64 = 64 << 20;

/// Reads the working tree at a path; `None` if there is none.
pub(super) fn read(tree: &Tree, path: &AbsPath) -> Result<Option<Checkout>, HostError> {
    let git = Git {
        tree,
        dir: format!("{}/.git", path.to_string().trim_end_matches('/')),
    };
    let Some(head) = git.read("HEAD", MOST_READ)? else {
        return Ok(None);
    };
    let config = git.read("config", MOST_READ)?.unwrap_or_default();
    let branch = head
        .trim()
        .strip_prefix("ref: refs/heads/")
        .map(str::to_owned);
    let head = git.resolve(head.trim())?;
    let unmoved = head.is_some() && value(&config, "[hpt]", "commit") == head;
    Ok(Some(Checkout {
        origin: value(&config, "[remote \"origin\"]", "url"),
        rev: value(&config, "[hpt]", "rev").filter(|_| unmoved),
        head,
        branch,
    }))
}

struct Git<'a> {
    tree: &'a Tree,
    dir: String,
}

impl Git<'_> {
    /// A file below `.git`; `None` if there is none, or no name could have been meant.
    fn read(&self, name: &str, most: u64) -> Result<Option<String>, HostError> {
        let Ok(path) = AbsPath::parse(&format!("{}/{name}", self.dir)) else {
            return Ok(None);
        };
        let Some(spot) = self.tree.spot(&path)? else {
            return Ok(None);
        };
        if !spot.stat().is_ok_and(|stat| stat.is_some()) {
            return Ok(None);
        }
        let bytes = files::read_up_to(&spot, &path, most)?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// The commit that the content of HEAD or of a reference stands for.
    fn resolve(&self, content: &str) -> Result<Option<String>, HostError> {
        let mut content = content.to_owned();
        for _ in 0..MOST_HOPS {
            let Some(name) = content.strip_prefix("ref: ") else {
                return Ok(is_commit(&content).then_some(content));
            };
            content = match self.read(name, MOST_READ)? {
                Some(loose) => loose.trim().to_owned(),
                None => match self.packed(name)? {
                    Some(commit) => commit,
                    None => return Ok(None),
                },
            };
        }
        Ok(None)
    }

    fn packed(&self, name: &str) -> Result<Option<String>, HostError> {
        let refs = self.read("packed-refs", MOST_REFS)?.unwrap_or_default();
        let commit = |line: &str| {
            let (commit, of) = line.split_once(' ')?;
            (of == name && Path::new(of).is_relative()).then(|| commit.to_owned())
        };
        Ok(refs.lines().find_map(commit))
    }
}

/// A SHA-1 or SHA-256 in hexadecimal.
fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// The value of a key in a section of `.git/config`.
fn value(config: &str, section: &str, wanted: &str) -> Option<String> {
    let mut inside = false;
    for line in config.lines().map(str::trim) {
        if line.starts_with('[') {
            inside = line.eq_ignore_ascii_case(section);
        } else if inside
            && let Some((key, value)) = line.split_once('=')
            && key.trim().eq_ignore_ascii_case(wanted)
        {
            return Some(value.trim().trim_matches('"').to_owned());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn at(head: &str, files: &[(&str, &str)]) -> Option<Checkout> {
        let dir = tempfile::tempdir().unwrap();
        let git = dir.path().join("app/.git");
        fs::create_dir_all(git.join("refs/heads")).unwrap();
        fs::write(git.join("HEAD"), head).unwrap();
        for (name, text) in files {
            fs::write(git.join(name), text).unwrap();
        }
        read(
            &Tree::open(dir.path()).unwrap(),
            &AbsPath::parse("/app").unwrap(),
        )
        .unwrap()
    }

    #[test]
    fn head_is_found_loose_packed_and_detached() {
        let (a, b) = ("a".repeat(40), "b".repeat(40));
        let config = "[core]\n\turl = no\n[remote \"origin\"]\n\turl = https://x/y\n\tfetch = z\n";
        let packed = format!("# pack-refs\n{b} refs/heads/main\n^{a}\n");
        let refs = [("config", config), ("packed-refs", packed.as_str())];
        let seen = at("ref: refs/heads/main\n", &refs).unwrap();
        assert_eq!((seen.head, seen.branch.as_deref()), (Some(b), Some("main")));
        assert_eq!(seen.origin.as_deref(), Some("https://x/y"));
        let loose = [("refs/heads/main", a.as_str()), refs[1]];
        assert_eq!(
            at("ref: refs/heads/main\n", &loose).unwrap().head.as_ref(),
            Some(&a)
        );
        let detached = at(&format!("{a}\n"), &[]).unwrap();
        assert_eq!(
            (detached.head, detached.branch, detached.origin),
            (Some(a), None, None)
        );
    }

    #[test]
    fn an_unborn_or_hostile_head_resolves_to_nothing() {
        for head in [
            "ref: refs/heads/main\n",
            "ref: ../../../etc/passwd\n",
            "ref: HEAD\n",
            "x",
            "",
        ] {
            assert_eq!(at(head, &[]).unwrap().head, None, "{head:?}");
        }
    }

    #[test]
    fn no_working_tree_is_no_error() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::open(dir.path()).unwrap();
        assert_eq!(
            read(&tree, &AbsPath::parse("/none").unwrap()).unwrap(),
            None
        );
    }
}

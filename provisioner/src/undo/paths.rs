//! The changes that put back what lay at a path.

use super::reverse::{Around, Irreversible, lost};
use super::{Lay, Rights};
use crate::effect::{Access, Content, Effect, WriteFile};
use crate::host::{Entry, EntryKind, HostError, Observe, Owner};
use crate::name::{AbsPath, Mode};

/// Whether a path is as it was before the run already.
///
/// # Errors
/// If it is neither that nor as the run left it: somebody has changed it since.
pub(super) fn is_undone(
    path: &AbsPath,
    was: &Lay,
    left: &[Lay],
    wrote: Option<&str>,
    host: &dyn Observe,
    around: &Around,
) -> Result<bool, Irreversible> {
    let changed = || Irreversible::Changed(path.to_string());
    if left.is_empty() {
        // All that an earlier hpt has kept, if it has.
        let Some(wrote) = wrote.filter(|_| is_file(path, host).unwrap_or(false)) else {
            return Ok(false);
        };
        let now = host.hash(path)?;
        let is_left = now.is_none_or(|now| now.to_hex().as_str() == wrote);
        return if is_left { Ok(false) } else { Err(changed()) };
    }
    if let Some(then) = around.lies.get(path) {
        for left in left {
            if left.shows_after(then, path, host)? {
                return Ok(false);
            }
        }
        return if was == then {
            Ok(true)
        } else {
            Err(changed())
        };
    }
    if was.shows(path, host)? {
        return Ok(true);
    }
    for left in left {
        if left.shows(path, host)? {
            return Ok(false);
        }
    }
    Err(changed())
}

fn is_file(path: &AbsPath, host: &dyn Observe) -> Result<bool, HostError> {
    let entry = host.path(path)?;
    Ok(entry.is_some_and(|entry| matches!(entry.kind, EntryKind::File { .. })))
}

pub(super) fn restore(
    path: &AbsPath,
    was: &Lay,
    host: &dyn Observe,
    around: &Around,
) -> Result<Vec<Effect>, Irreversible> {
    let path = path.clone();
    let now = host.path(&path)?;
    Ok(match was {
        Lay::Absent => match now {
            None => Vec::new(),
            Some(entry)
                if entry.kind == EntryKind::Dir && host.holds_besides(&path, &around.paths)? =>
            {
                return Err(lost(format!("{path} holds other files by now")));
            }
            Some(_) => vec![Effect::Remove {
                path,
                recursive: false,
            }],
        },
        Lay::Home => match now {
            None => Vec::new(),
            Some(entry) if entry.kind != EntryKind::Dir => {
                return Err(Irreversible::Changed(path.to_string()));
            }
            Some(_) if holds_no_more(&path, &skeleton(), host, around)? => vec![Effect::Remove {
                path,
                recursive: true,
            }],
            Some(_) => {
                let why = format!("{path} holds more by now than a new home does");
                return Err(lost(why));
            }
        },
        Lay::File {
            hash, size, access, ..
        } => {
            let damaged = || lost(format!("the journal has no hash of {path}"));
            let hash = blake3::Hash::from_hex(hash).map_err(|_| damaged())?;
            if !host.has_blob(&hash) {
                return Err(lost(format!("what {path} held is kept no longer")));
            }
            vec![Effect::WriteFile(WriteFile {
                access: access.named(now.as_ref(), host)?,
                content: Content::Blob {
                    hash,
                    size: *size,
                    only: false,
                },
                verify: None,
                secret: false, // what is secret is not kept
                path,
            })]
        }
        Lay::Dir { access } => vec![Effect::MakeDir {
            access: access.named(now.as_ref(), host)?,
            path,
        }],
        Lay::Rights { access } => match now {
            None => return Err(lost(format!("{path} is gone"))),
            Some(_) => vec![Effect::SetAccess {
                access: access.named(now.as_ref(), host)?,
                path,
            }],
        },
        Lay::Link { to } => vec![Effect::Link {
            path,
            to: to.clone(),
        }],
        // What holds a secret is not kept, and only said to be left.
        Lay::Secret { .. } => return Err(lost(format!("{path} held a secret"))),
        Lay::Lost { why } => return Err(lost(format!("{path}: {why}"))),
    })
}

/// The names of attributes that a file had and will not have when it is put back: a file that is written
/// anew has those of the one in its place, but for capabilities.
pub(super) fn lost_attributes<'a>(
    path: &AbsPath,
    was: &'a Lay,
    host: &dyn Observe,
) -> Result<Vec<&'a str>, HostError> {
    let Lay::File { attributes, .. } = was else {
        return Ok(Vec::new());
    };
    let stays = is_file(path, host)?;
    let is_lost = |name: &&str| !stays || name.starts_with("security.");
    Ok(attributes
        .iter()
        .map(String::as_str)
        .filter(is_lost)
        .collect())
}

/// Whether a directory holds nothing that another does not hold too, and what was removed.
pub(super) fn holds_no_more(
    dir: &AbsPath,
    other: &AbsPath,
    host: &dyn Observe,
    around: &Around,
) -> Result<bool, HostError> {
    for name in host.entries(dir)? {
        let [Ok(path), Ok(like)] = [dir, other].map(|dir| dir.join(&name)) else {
            return Ok(false);
        };
        if around.paths.contains(&path) {
            continue;
        }
        let kinds = [&path, &like].map(|path| Ok(host.path(path)?.map(|entry| entry.kind)));
        let [mine, theirs]: [Result<_, HostError>; 2] = kinds;
        let same = match (mine?, theirs?) {
            (Some(EntryKind::Dir), Some(EntryKind::Dir)) => {
                holds_no_more(&path, &like, host, around)?
            }
            (Some(EntryKind::File { .. }), Some(EntryKind::File { .. })) => {
                host.hash(&path)? == host.hash(&like)?
            }
            (mine, theirs) => mine == theirs,
        };
        if !same {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What new homes hold.
pub(super) fn skeleton() -> AbsPath {
    AbsPath::parse("/etc/skel").expect("a plain path")
}

impl Rights {
    /// By the names that the host has for the numbers, where those of what lies there differ.
    fn named(&self, now: Option<&Entry>, host: &dyn Observe) -> Result<Access, Irreversible> {
        let (uid, gid) = (self.uid, self.gid);
        // What is made anew belongs to root.
        let is_owned = now.map_or(uid == 0, |now| now.owner == Owner::Id(uid));
        let is_grouped = now.map_or(gid == 0, |now| now.group == Owner::Id(gid));
        let owner = || -> Result<_, Irreversible> {
            let name = host.user_numbered(uid)?;
            name.ok_or_else(|| lost(format!("no user has the number {uid} any more")))
        };
        let group = || -> Result<_, Irreversible> {
            let name = host.group_numbered(gid)?;
            name.ok_or_else(|| lost(format!("no group has the number {gid} any more")))
        };
        Ok(Access {
            owner: (!is_owned).then(owner).transpose()?,
            group: (!is_grouped).then(group).transpose()?,
            mode: self.mode.parse::<Mode>().ok(),
        })
    }
}

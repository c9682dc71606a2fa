//! The changes that make one thing again what it was.

use super::before::NEVER;
use super::{Again, Before, GroupWas, Lay, Rights, UserWas};
use crate::effect::{
    Access, Content, Effect, Expiry, GroupEdit, Transaction, UnitJob, UserEdit, UserShape, Want,
    WriteFile,
};
use crate::host::setting::Setting;
use crate::host::{Entry, EntryKind, HostError, Observe, Owner};
use crate::name::{AbsPath, Day, GroupName, Mode, PackageName, PackageVersion, UnitId, UserName};

/// What newer things have removed by then, where it is only foreseen.
#[derive(Default)]
pub(super) struct Removed {
    paths: Vec<AbsPath>,
    packages: Vec<PackageName>,
}

impl Removed {
    pub(super) fn add(&mut self, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::Remove { path, .. } => self.paths.push(path.clone()),
                Effect::Packages(transaction) => {
                    self.packages.extend(transaction.remove.iter().cloned());
                }
                _ => {}
            }
        }
    }
}

/// How one thing becomes again what it was.
#[derive(Default)]
pub(super) struct Reversal {
    /// What is done first, newest first among the things of a run.
    pub(super) first: Vec<Effect>,
    /// What is done when everything is in its place again, oldest first.
    pub(super) then: Vec<Effect>,
}

/// Why one thing cannot become again what it was.
#[derive(Debug, thiserror::Error)]
pub(super) enum Irreversible {
    /// It was not kept, or cannot be had again.
    #[error("{0}")]
    Gone(String),
    /// It is not what the run made of it.
    #[error("{0} has changed since the run")]
    Changed(AbsPath),
    /// The host cannot be read.
    #[error(transparent)]
    Host(#[from] HostError),
}

/// What makes one thing again what it was.
///
/// # Errors
/// If that is not possible.
pub(super) fn reverse(
    before: &Before,
    host: &dyn Observe,
    removed: &Removed,
) -> Result<Reversal, Irreversible> {
    let first = |effects: Vec<Effect>| Reversal {
        first: effects,
        then: Vec::new(),
    };
    match before {
        Before::Path { path, was, wrote } => {
            if let Some(wrote) = wrote
                && is_file(path, host)?
                && host
                    .hash(path)?
                    .is_some_and(|now| now.to_hex().as_str() != wrote)
            {
                return Err(Irreversible::Changed(path.clone()));
            }
            restore(path, was, host, removed).map(first)
        }
        Before::Package {
            name,
            installed,
            version,
            held,
            wanted,
        } => {
            let was = installed.then_some((version.as_ref(), *held));
            package(name, was, *wanted, host, removed).map(first)
        }
        Before::Held { name, held } => {
            let mut transaction = Transaction::default();
            let list = if *held {
                &mut transaction.hold
            } else {
                &mut transaction.unhold
            };
            list.push(name.clone());
            Ok(first(vec![Effect::Packages(transaction)]))
        }
        Before::Group { name, was } => group(name, was.as_ref(), host).map(first),
        Before::User {
            password: true,
            name,
            ..
        } => Err(lost(format!("the password that {name} had was not kept"))),
        Before::User {
            name, was: None, ..
        } => Ok(match host.user(name)? {
            Some(_) => first(vec![Effect::User(UserEdit::Remove {
                name: name.clone(),
                remove_home: false,
            })]),
            None => Reversal::default(),
        }),
        Before::User {
            name,
            was: Some(was),
            ..
        } => user(name, was, host).map(first),
        Before::Unit {
            unit: id,
            running,
            enabled,
            masked,
            again,
        } => unit(id, [*running, *enabled, *masked], *again, host),
        Before::Setting { setting, was } => reverse_setting(setting, was.as_ref(), host),
        Before::Gone { why } => Err(lost(why.clone())),
    }
}

/// `was` says whether it ran, started at boot, and could not be started at all.
fn unit(
    id: &UnitId,
    was: [bool; 3],
    again: Option<Again>,
    host: &dyn Observe,
) -> Result<Reversal, Irreversible> {
    let [running, enabled, masked] = was;
    let mut reversal = Reversal::default();
    let Some(now) = host.unit(id)? else {
        return Ok(reversal);
    };
    let job = |job| Effect::Unit {
        unit: id.clone(),
        job,
    };
    if !running && !now.is_stopped() {
        reversal.first.push(job(UnitJob::Stop));
    }
    if !enabled && now.is_enabled() {
        reversal.first.push(job(UnitJob::Disable));
    }
    if masked != now.is_masked() {
        let word = if masked {
            UnitJob::Mask
        } else {
            UnitJob::Unmask
        };
        reversal.then.push(job(word));
    }
    if enabled && !now.is_enabled() {
        reversal.then.push(job(UnitJob::Enable));
    }
    match again {
        Some(Again::Reload) if running => reversal.then.push(job(UnitJob::Reload)),
        Some(Again::Restart) if running => reversal.then.push(job(UnitJob::Restart)),
        _ if running && !now.is_running() => reversal.then.push(job(UnitJob::Start)),
        _ => {}
    }
    Ok(reversal)
}

fn reverse_setting(
    setting: &Setting,
    was: Option<&String>,
    host: &dyn Observe,
) -> Result<Reversal, Irreversible> {
    let mut reversal = Reversal::default();
    if host.setting(setting)?.as_ref() == was {
        return Ok(reversal);
    }
    // What ends does so before the files that it stands on go.
    let list = if was.is_none() {
        &mut reversal.first
    } else {
        &mut reversal.then
    };
    list.push(Effect::Set {
        setting: setting.clone(),
        value: was.cloned(),
    });
    Ok(reversal)
}

fn group(
    name: &GroupName,
    was: Option<&GroupWas>,
    host: &dyn Observe,
) -> Result<Vec<Effect>, Irreversible> {
    let now = host.group(name)?;
    let (was, now) = match (was, now) {
        (None, None) => return Ok(Vec::new()),
        (None, Some(_)) => {
            let name = name.clone();
            return Ok(vec![Effect::Group(GroupEdit::Remove { name })]);
        }
        (Some(was), None) => {
            let add = GroupEdit::Add {
                name: name.clone(),
                gid: was.gid,
                system: false,
            };
            let members = GroupEdit::AddMembers {
                name: name.clone(),
                members: was.members.clone(),
            };
            let edits = [Some(add), (!was.members.is_empty()).then_some(members)];
            return Ok(edits.into_iter().flatten().map(Effect::Group).collect());
        }
        (Some(was), Some(now)) => (was, now),
    };
    let mut effects = Vec::new();
    if let Some(gid) = was.gid.filter(|gid| now.gid != Some(*gid)) {
        let name = name.clone();
        effects.push(Effect::Group(GroupEdit::SetGid { name, gid }));
    }
    for member in now
        .members
        .iter()
        .filter(|member| !was.members.contains(member))
    {
        let to = UserShape {
            leave: vec![name.clone()],
            ..UserShape::default()
        };
        let name = member.clone();
        effects.push(Effect::User(UserEdit::Modify { name, to }));
    }
    Ok(effects)
}

fn user(name: &UserName, was: &UserWas, host: &dyn Observe) -> Result<Vec<Effect>, Irreversible> {
    let now = host.user(name)?;
    let now = now.ok_or_else(|| lost(format!("{name} is gone")))?;
    let path = |text: &str, what: &str| {
        AbsPath::parse(text).map_err(|_| lost(format!("{name} had no {what} that can be set")))
    };
    let expires = match was.expires.as_deref() {
        None => None,
        Some(NEVER) => Some(Expiry::Never),
        Some(day) => Day::parse(day).ok().map(Expiry::On),
    };
    let to = UserShape {
        uid: was.uid.filter(|uid| now.uid != Some(*uid)),
        group: (was.group != now.group)
            .then(|| was.group.clone())
            .flatten(),
        comment: (was.comment != now.comment).then(|| was.comment.clone()),
        home: (was.home != now.home)
            .then(|| path(&was.home, "home"))
            .transpose()?,
        shell: (was.shell != now.shell)
            .then(|| path(&was.shell, "shell"))
            .transpose()?,
        join: but_not(&was.groups, &now.groups),
        leave: but_not(&now.groups, &was.groups),
        locked: (was.locked != now.locked).then_some(was.locked),
        expires: expires.filter(|expires| now.expires != Some(*expires)),
        password_hash: None,
    };
    Ok(vec![Effect::User(UserEdit::Modify {
        name: name.clone(),
        to,
    })])
}

fn but_not(groups: &[GroupName], others: &[GroupName]) -> Vec<GroupName> {
    groups
        .iter()
        .filter(|group| !others.contains(group))
        .cloned()
        .collect()
}

fn package(
    name: &PackageName,
    was: Option<(Option<&PackageVersion>, bool)>,
    wanted: bool,
    host: &dyn Observe,
    removed: &Removed,
) -> Result<Vec<Effect>, Irreversible> {
    let now = host.package(name)?.filter(|package| package.configured);
    let mut transaction = Transaction::default();
    match (was, now) {
        (None, Some(_)) => {
            transaction.remove.clone_from(&removed.packages);
            transaction.remove.push(name.clone());
            if let Some(why) = host.objection(&transaction)? {
                return Err(lost(why));
            }
            transaction.remove = vec![name.clone()];
        }
        (Some((version, held)), None) => {
            transaction.install.push(Want {
                name: name.clone(),
                version: version.cloned(),
            });
            transaction.hold.extend(held.then(|| name.clone()));
        }
        (Some((version, _)), Some(now)) if wanted && now.version.as_ref() != version => {
            return Err(lost(format!(
                "{name} does not go back to the version before"
            )));
        }
        _ => return Ok(Vec::new()),
    }
    Ok(vec![Effect::Packages(transaction)])
}

fn lost(why: String) -> Irreversible {
    Irreversible::Gone(why)
}

fn is_file(path: &AbsPath, host: &dyn Observe) -> Result<bool, HostError> {
    let entry = host.path(path)?;
    Ok(entry.is_some_and(|entry| matches!(entry.kind, EntryKind::File { .. })))
}

fn restore(
    path: &AbsPath,
    was: &Lay,
    host: &dyn Observe,
    removed: &Removed,
) -> Result<Vec<Effect>, Irreversible> {
    let path = path.clone();
    let now = host.path(&path)?;
    Ok(match was {
        Lay::Absent => match now {
            None => Vec::new(),
            Some(entry)
                if entry.kind == EntryKind::Dir && host.holds_besides(&path, &removed.paths)? =>
            {
                return Err(lost(format!("{path} holds other files by now")));
            }
            Some(_) => vec![Effect::Remove {
                path,
                recursive: false,
            }],
        },
        Lay::File { hash, size, access } => {
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
                secret: true, // nobody said that it may be shown
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
        Lay::Lost { why } => return Err(lost(format!("{path}: {why}"))),
    })
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

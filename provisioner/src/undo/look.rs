//! What an effect is about to replace, as the host shows it.

use std::collections::BTreeMap;

use super::before::{Again, Before, GroupLeft, GroupWas, NEVER, UnitLeft, UserWas};
use super::lay::{Lay, Rights};
use super::left::{self, group_left, user_left};
use crate::effect::{
    Command, Effect, Expiry, GroupEdit, Transaction, UnitJob, UserEdit, WriteFile,
};
use crate::host::setting::Setting;
use crate::host::{Entry, EntryKind, Hash, HostError, Memo, Observe, Unit};
use crate::name::{AbsPath, GroupName, UnitId};

/// The kept content of files that are about to be replaced; or why a file's is not kept.
pub type PreImages = BTreeMap<AbsPath, Result<PreImage, String>>;

/// The kept content of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreImage {
    /// Its hash.
    pub hash: Hash,
    /// Its length in bytes.
    pub size: u64,
    /// The names of the file's extended attributes, such as its ACL, whose values are not kept.
    pub attributes: Vec<String>,
}

/// The file whose content an effect replaces or removes, if that is kept: nothing is where a secret
/// was put, or is about to be.
pub(crate) fn replaces<'e>(effect: &'e Effect, host: &dyn Observe) -> Option<&'e AbsPath> {
    let path = match effect {
        Effect::WriteFile(file) if !file.secret => &file.path,
        Effect::Link { path, .. } | Effect::Remove { path, .. } => path,
        _ => return None,
    };
    let memo = Memo::Secret(path.clone());
    let is_secret = host.remembers(&memo).unwrap_or(true);
    (!is_secret).then_some(path)
}

/// What an effect is about to replace. Of one that may be about a secret less is kept.
pub(crate) fn before(
    effect: &Effect,
    secret: bool,
    host: &dyn Observe,
    kept: &PreImages,
) -> Result<Vec<Before>, HostError> {
    let gone = |why: &str| Before::Gone {
        why: why.to_owned(),
    };
    Ok(match effect {
        Effect::WriteFile(WriteFile { path, .. })
        | Effect::MakeDir { path, .. }
        | Effect::Link { path, .. }
        | Effect::SetAccess { path, .. }
        | Effect::Remove { path, .. } => vec![path_before(effect, path, host, kept)?],
        Effect::Packages(transaction) => packages(transaction, host)?,
        Effect::Group(edit) => vec![group(edit, host)?],
        Effect::User(edit) => {
            let mut all = Vec::new();
            if let UserEdit::Add {
                as_,
                create_home: true,
                ..
            } = edit
                && let Some(home) = &as_.home
            {
                all.push(match path_before(effect, home, host, kept)? {
                    Before::Path {
                        path,
                        was: Lay::Absent,
                        wrote,
                        left,
                    } => Before::Path {
                        path,
                        was: Lay::Home,
                        wrote,
                        left,
                    },
                    there => there,
                });
            }
            if let UserEdit::Add { name, .. } = edit
                && let Ok(name) = GroupName::parse(name.as_str())
            {
                // A group of its name goes with a user, also one that was there before.
                all.push(group_before(&name, host, Some(GroupLeft::default()))?);
            }
            all.push(user(edit, host)?);
            all
        }
        Effect::Unit { unit, job } => unit_before(unit, *job, host)?.into_iter().collect(),
        Effect::Set { setting, value } => {
            let mut all = Vec::new();
            if let Setting::Swap(path) = setting {
                all.push(path_before(effect, path, host, kept)?); // the file is made along with it
            }
            all.push(Before::Setting {
                was: host.setting(setting)?,
                left: match setting {
                    Setting::Sysctl(_) | Setting::Hostname => value.clone(),
                    _ => None,
                },
                setting: setting.clone(),
            });
            all
        }
        Effect::Unpack(_) => vec![gone(
            "what an archive holds was unpacked over what was there",
        )],
        Effect::Clone(job) => {
            let dest = &job.dest;
            let why = match host.path(dest)? {
                None => format!("the clone stays at {dest}, with whatever is in it by now"),
                Some(_) => format!("the working tree {dest} does not go back to its last commit"),
            };
            vec![Before::Gone { why }]
        }
        Effect::Run(command) => vec![command_before(command, secret)],
        Effect::Remember {
            memo: Memo::Once(key),
            ..
        } if !secret => vec![Before::Once {
            had_run: host.remembers(&Memo::Once(key.clone()))?,
            key: key.clone(),
        }],
        Effect::Remember { .. } => Vec::new(),
    })
}

fn command_before(command: &Command, secret: bool) -> Before {
    let why = match &command.undo {
        None => "its command has run",
        Some(_) if secret => "its command has run, and its `undo` may be secret and was not kept",
        Some((interpreter, script)) => {
            let token = getrandom::u64().expect("the kernel has randomness once it runs programs");
            return Before::Command {
                token: format!("{token:016x}"),
                interpreter: interpreter.clone(),
                script: script.expose().to_owned(),
                user: command.user.clone(),
                group: command.group.clone(),
                dir: command.dir.clone(),
                umask: command.umask.to_string(),
            };
        }
    };
    Before::Gone {
        why: why.to_owned(),
    }
}

fn path_before(
    effect: &Effect,
    path: &AbsPath,
    host: &dyn Observe,
    kept: &PreImages,
) -> Result<Before, HostError> {
    let entry = host.path(path)?;
    let left = left::of_path(effect, entry.as_ref(), host)?;
    let was = match entry {
        None => Lay::Absent,
        Some(entry) => lay(effect, path, &entry, host, kept)?,
    };
    Ok(Before::Path {
        path: path.clone(),
        was,
        wrote: None,
        left: left.into_iter().collect(),
    })
}

fn lay(
    effect: &Effect,
    path: &AbsPath,
    entry: &Entry,
    host: &dyn Observe,
    kept: &PreImages,
) -> Result<Lay, HostError> {
    let access = Rights::of(entry, host)?;
    if matches!(effect, Effect::SetAccess { .. }) {
        return Ok(Lay::Rights { access });
    }
    let lost = |why: &str| Lay::Lost {
        why: why.to_owned(),
    };
    Ok(match &entry.kind {
        EntryKind::File { .. } => match kept.get(path) {
            Some(Ok(kept)) => Lay::File {
                hash: kept.hash.to_hex().to_string(),
                size: kept.size,
                access,
                attributes: kept.attributes.clone(),
            },
            Some(Err(why)) => lost(why),
            None if matches!(effect, Effect::MakeDir { .. }) => Lay::Rights { access },
            None => lost("what it held may be secret, and was not kept"),
        },
        EntryKind::Dir if matches!(effect, Effect::Remove { .. }) => {
            if host.holds_besides(path, &[])? {
                lost("the directory held other files")
            } else {
                Lay::Dir { access }
            }
        }
        EntryKind::Dir => Lay::Rights { access },
        EntryKind::Symlink(to) => Lay::Link { to: to.clone() },
        EntryKind::Special => lost("it was a device, a socket or a pipe"),
    })
}

fn packages(transaction: &Transaction, host: &dyn Observe) -> Result<Vec<Before>, HostError> {
    let installs = transaction.install.iter().map(|want| &want.name);
    let others = transaction.upgrade.iter().chain(&transaction.remove);
    let mut all = Vec::new();
    for name in installs.chain(others) {
        let package = host.package(name)?.filter(|package| package.configured);
        all.push(Before::Package {
            name: name.clone(),
            installed: package.is_some(),
            held: package.as_ref().is_some_and(|package| package.held),
            version: package.and_then(|package| package.version),
        });
    }
    for name in transaction.hold.iter().chain(&transaction.unhold) {
        all.push(Before::Held {
            held: host.package(name)?.is_some_and(|package| package.held),
            name: name.clone(),
        });
    }
    Ok(all)
}

fn group(edit: &GroupEdit, host: &dyn Observe) -> Result<Before, HostError> {
    let (GroupEdit::Add { name, .. }
    | GroupEdit::SetGid { name, .. }
    | GroupEdit::AddMembers { name, .. }
    | GroupEdit::Remove { name }) = edit;
    group_before(name, host, Some(group_left(edit)))
}

fn group_before(
    name: &GroupName,
    host: &dyn Observe,
    left: Option<GroupLeft>,
) -> Result<Before, HostError> {
    let was = host.group(name)?.map(|group| GroupWas {
        gid: group.gid,
        members: group.members,
    });
    let name = name.clone();
    Ok(Before::Group { name, was, left })
}

fn user(edit: &UserEdit, host: &dyn Observe) -> Result<Before, HostError> {
    let (name, password) = match edit {
        UserEdit::Add { name, .. } => (name, false),
        UserEdit::Modify { name, to } => (name, to.password_hash.is_some()),
        UserEdit::Remove { name, .. } => (name, true),
    };
    let was = host.user(name)?.map(|user| UserWas {
        uid: user.uid,
        group: user.group,
        comment: user.comment,
        home: user.home,
        shell: user.shell,
        groups: user.groups,
        locked: user.locked,
        expires: user.expires.map(expiry),
    });
    Ok(Before::User {
        name: name.clone(),
        was,
        password,
        left: user_left(edit, host).map(Box::new),
    })
}

/// As it is kept.
pub(super) fn expiry(expires: Expiry) -> String {
    match expires {
        Expiry::Never => NEVER.to_owned(),
        Expiry::On(day) => day.to_string(),
    }
}

fn unit_before(id: &UnitId, job: UnitJob, host: &dyn Observe) -> Result<Option<Before>, HostError> {
    let again = match job {
        UnitJob::Watch(_) => return Ok(None),
        UnitJob::Restart => Some(Again::Restart),
        UnitJob::Reload => Some(Again::Reload),
        UnitJob::Start
        | UnitJob::Stop
        | UnitJob::Enable
        | UnitJob::Disable
        | UnitJob::Mask
        | UnitJob::Unmask => None,
    };
    let unit = host.unit(id)?.unwrap_or_else(Unit::fresh);
    Ok(Some(Before::Unit {
        unit: id.clone(),
        running: unit.is_running(),
        enabled: unit.is_enabled(),
        masked: unit.is_masked(),
        again,
        left: Some(unit_left(job)),
    }))
}

fn unit_left(job: UnitJob) -> UnitLeft {
    let mut left = UnitLeft::default();
    match job {
        UnitJob::Start | UnitJob::Restart => left.running = Some(true),
        UnitJob::Stop => left.running = Some(false),
        UnitJob::Enable => left.enabled = Some(true),
        UnitJob::Disable => left.enabled = Some(false),
        UnitJob::Mask => left.masked = Some(true),
        UnitJob::Unmask => left.masked = Some(false),
        UnitJob::Reload | UnitJob::Watch(_) => {}
    }
    left
}

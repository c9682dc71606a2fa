//! What an effect is about to replace, as the host shows it.

use std::collections::BTreeMap;

use super::before::{Again, Before, GroupWas, Lay, NEVER, Rights, UserWas};
use crate::effect::{
    Command, Effect, Expiry, GroupEdit, Transaction, UnitJob, UserEdit, WriteFile,
};
use crate::host::setting::Setting;
use crate::host::{Entry, EntryKind, Hash, HostError, Memo, Observe, Owner, Unit};
use crate::name::{AbsPath, GroupName, UnitId};

/// The kept content of files that are about to be replaced, as a hash and a length in bytes; or why a
/// file's is not kept.
pub type PreImages = BTreeMap<AbsPath, Result<(Hash, u64), String>>;

/// The files whose content an effect replaces or removes.
pub(crate) fn replaces(effect: &Effect) -> Option<&AbsPath> {
    match effect {
        Effect::WriteFile(file) if !file.secret => Some(&file.path),
        Effect::Link { path, .. } | Effect::Remove { path, .. } => Some(path),
        _ => None,
    }
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
                    } => Before::Path {
                        path,
                        was: Lay::Home,
                        wrote,
                    },
                    there => there,
                });
            }
            if let UserEdit::Add { name, .. } = edit
                && let Ok(name) = GroupName::parse(name.as_str())
            {
                // A group of its name goes with a user, also one that was there before.
                all.push(group_before(&name, host)?);
            }
            all.push(user(edit, host)?);
            all
        }
        Effect::Unit { unit, job } => unit_before(unit, *job, host)?.into_iter().collect(),
        Effect::Set { setting, .. } => {
            let mut all = Vec::new();
            if let Setting::Swap(path) = setting {
                all.push(path_before(effect, path, host, kept)?); // the file is made along with it
            }
            all.push(Before::Setting {
                was: host.setting(setting)?,
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
    let wrote = match effect {
        // No plain hash of a secret is kept (S1).
        Effect::WriteFile(file) if !file.secret => Some(file.content.hash().to_hex().to_string()),
        _ => None,
    };
    let was = match host.path(path)? {
        None => Lay::Absent,
        Some(entry) => lay(effect, path, &entry, host, kept)?,
    };
    let path = path.clone();
    Ok(Before::Path { path, was, wrote })
}

fn lay(
    effect: &Effect,
    path: &AbsPath,
    entry: &Entry,
    host: &dyn Observe,
    kept: &PreImages,
) -> Result<Lay, HostError> {
    let access = Rights::of(entry);
    if matches!(effect, Effect::SetAccess { .. }) {
        return Ok(Lay::Rights { access });
    }
    let lost = |why: &str| Lay::Lost {
        why: why.to_owned(),
    };
    Ok(match &entry.kind {
        EntryKind::File { .. } => match kept.get(path) {
            Some(Ok((hash, size))) => Lay::File {
                hash: hash.to_hex().to_string(),
                size: *size,
                access,
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

impl Rights {
    fn of(entry: &Entry) -> Self {
        let uid = match &entry.owner {
            Owner::Id(id) => *id,
            Owner::Named(_) => 0, // only a plan's model has names
        };
        let gid = match &entry.group {
            Owner::Id(id) => *id,
            Owner::Named(_) => 0,
        };
        let mode = entry.mode.to_string();
        Self { uid, gid, mode }
    }
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
    group_before(name, host)
}

fn group_before(name: &GroupName, host: &dyn Observe) -> Result<Before, HostError> {
    let was = host.group(name)?.map(|group| GroupWas {
        gid: group.gid,
        members: group.members,
    });
    let name = name.clone();
    Ok(Before::Group { name, was })
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
        expires: user.expires.map(|expires| match expires {
            Expiry::Never => NEVER.to_owned(),
            Expiry::On(day) => day.to_string(),
        }),
    });
    let name = name.clone();
    Ok(Before::User {
        name,
        was,
        password,
    })
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
    }))
}

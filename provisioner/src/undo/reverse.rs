//! The changes that make one thing again what it was.

use super::accounts::{group, user};
use super::paths::{is_file, restore};
use super::{Again, Before, Lay};
use crate::effect::{Command, Effect, Program, Transaction, UnitJob, UserEdit, Want};
use crate::host::setting::Setting;
use crate::host::{HostError, Memo, Observe};
use crate::name::{AbsPath, Mode, PackageName, PackageVersion, UnitId};
use crate::secret::Secret;

/// What newer things have removed by then, where it is only foreseen.
#[derive(Default)]
pub(super) struct Removed {
    pub(super) paths: Vec<AbsPath>,
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
                && host.hash(path)?.is_some_and(|now| {
                    let now = now.to_hex();
                    // An undo that is tried again finds what it has put back.
                    now.as_str() != wrote
                        && !matches!(was, Lay::File { hash, .. } if *hash == now.as_str())
                })
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
        } => {
            let was = installed.then_some((version.as_ref(), *held));
            package(name, was, host, removed).map(first)
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
        Before::Command { .. } => command(before, host).map(first),
        Before::Once { key, had_run } => {
            let memo = Memo::Once(key.clone());
            let now = host.remembers(&memo)?;
            let kept = *had_run;
            let effect = (now != kept).then_some(Effect::Remember { memo, kept });
            Ok(first(effect.into_iter().collect()))
        }
        Before::Gone { why } => Err(lost(why.clone())),
    }
}

/// Runs the script that makes a command undone, once.
fn command(before: &Before, host: &dyn Observe) -> Result<Vec<Effect>, Irreversible> {
    let Before::Command {
        token,
        interpreter,
        script,
        user,
        group,
        dir,
        umask,
    } = before
    else {
        return Ok(Vec::new());
    };
    let memo = Memo::Undone(token.clone());
    if host.remembers(&memo)? {
        return Ok(Vec::new());
    }
    let umask: Mode = umask.parse().unwrap_or(Mode::new(0o022));
    let run = Effect::Run(Box::new(Command {
        program: Program::Script {
            interpreter: interpreter.clone(),
            text: Secret::new(script.clone()),
        },
        user: user.clone(),
        group: group.clone(),
        dir: dir.clone(),
        env: Vec::new(),
        stdin: None,
        umask,
        success: vec![0],
        changed_if: None,
        undo: None,
    }));
    Ok(vec![run, Effect::Remember { memo, kept: true }])
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

fn package(
    name: &PackageName,
    was: Option<(Option<&PackageVersion>, bool)>,
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
        (Some((version, _)), Some(now)) if now.version.as_ref() != version => {
            return Err(lost(format!(
                "{name} does not go back to the version before"
            )));
        }
        _ => return Ok(Vec::new()),
    }
    Ok(vec![Effect::Packages(transaction)])
}

pub(super) fn lost(why: String) -> Irreversible {
    Irreversible::Gone(why)
}

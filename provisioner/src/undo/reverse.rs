//! The changes that make one thing again what it was.

use std::collections::{BTreeMap, BTreeSet};

use super::accounts::{group, user};
use super::paths::{is_undone, lost_attributes, restore};
use super::{Again, Before, Lay, UnitLeft};
use crate::block::lifeline;
use crate::effect::{Command, Effect, Program, Transaction, UnitJob, UserEdit, Want};
use crate::host::setting::Setting;
use crate::host::{HostError, Key, Memo, Observe};
use crate::name::{AbsPath, GroupName, Mode, PackageName, PackageVersion, UnitId, UserName};
use crate::secret::Secret;

/// What else the undo of a run is about.
#[derive(Default)]
pub(super) struct Around {
    /// The users that the run has changed, and whom it has had join which groups.
    users: BTreeSet<UserName>,
    joined: BTreeSet<(UserName, GroupName)>,
    /// The homes that it has made.
    homes: BTreeSet<AbsPath>,
    /// The units that it has stopped.
    stopped: BTreeSet<UnitId>,
    /// Whether it has done what hpt cannot see into.
    opaque: bool,
    /// What newer things have removed by then, where that is only foreseen.
    pub(super) paths: Vec<AbsPath>,
    pub(super) gone: BTreeSet<UserName>,
    packages: Vec<PackageName>,
    /// What was put back by then at paths that older changes are about too, where that is only foreseen.
    pub(super) lies: BTreeMap<AbsPath, Lay>,
}

impl Around {
    pub(super) fn of<'a>(all: impl Iterator<Item = &'a Before>) -> Self {
        let mut around = Self::default();
        for before in all {
            match before {
                Before::User { name, left, .. } => {
                    around.users.insert(name.clone());
                    let groups = left.iter().flat_map(|left| &left.joined);
                    around
                        .joined
                        .extend(groups.map(|group| (name.clone(), group.clone())));
                }
                Before::Group { name, left, .. } => {
                    let users = left.iter().flat_map(|left| &left.joined);
                    around
                        .joined
                        .extend(users.map(|user| (user.clone(), name.clone())));
                }
                Before::Unit {
                    unit,
                    left: Some(left),
                    ..
                } if left.running == Some(false) => drop(around.stopped.insert(unit.clone())),
                Before::Path {
                    path,
                    was: Lay::Home,
                    ..
                } => drop(around.homes.insert(path.clone())),
                Before::Command { .. } | Before::Gone { .. } | Before::Package { .. } => {
                    around.opaque = true;
                }
                _ => {}
            }
        }
        around
    }

    pub(super) fn is_own_user(&self, name: &UserName) -> bool {
        self.users.contains(name)
    }

    /// Whether the run has made this home.
    pub(super) fn has_made_home(&self, home: &AbsPath) -> bool {
        self.homes.contains(home)
    }

    /// Whether the run has had this user join this group.
    pub(super) fn has_joined(&self, user: &UserName, group: &GroupName) -> bool {
        self.joined.contains(&(user.clone(), group.clone()))
    }

    /// Whether nothing of the run can have stopped a unit.
    fn has_not_stopped(&self, unit: &UnitId) -> bool {
        !self.opaque && !self.stopped.contains(unit)
    }

    /// Notes what will have become of one thing.
    pub(super) fn foresee(&mut self, before: &Before, effects: &[Effect]) {
        if let Before::Path { path, was, .. } = before {
            self.lies.insert(path.clone(), was.clone());
        }
        for effect in effects {
            match effect {
                Effect::Remove { path, .. } => self.paths.push(path.clone()),
                Effect::User(UserEdit::Remove { name, .. }) => {
                    self.gone.insert(name.clone());
                }
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
    /// What of it stays all the same, and why.
    pub(super) stays: Option<String>,
}

impl Reversal {
    pub(super) fn is_empty(&self) -> bool {
        self.first.is_empty() && self.then.is_empty()
    }
}

/// Why one thing cannot become again what it was.
#[derive(Debug, thiserror::Error)]
pub(super) enum Irreversible {
    /// It was not kept, or cannot be had again.
    #[error("{0}")]
    Gone(String),
    /// It is not what the run made of it.
    #[error("{0} has changed since the run")]
    Changed(String),
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
    around: &Around,
) -> Result<Reversal, Irreversible> {
    let first = |effects: Vec<Effect>| Reversal {
        first: effects,
        ..Reversal::default()
    };
    match before {
        Before::Path {
            path,
            was,
            wrote,
            left,
        } => {
            if is_undone(path, was, left, wrote.as_deref(), host, around)? {
                return Ok(Reversal::default());
            }
            let effects = restore(path, was, host, around)?;
            let lost = lost_attributes(path, was, host)?;
            let stays = format!(
                "{path} had attributes that were not kept: {}",
                lost.join(", ")
            );
            let stays = (!lost.is_empty() && !effects.is_empty()).then_some(stays);
            Ok(Reversal {
                stays,
                ..first(effects)
            })
        }
        Before::Package {
            name,
            installed,
            version,
            held,
        } => {
            let was = installed.then_some((version.as_ref(), *held));
            package(name, was, host, around).map(first)
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
        Before::Group { name, was, left } => {
            group(name, was.as_ref(), left.as_ref(), host, around).map(first)
        }
        Before::User {
            password: true,
            name,
            ..
        } => Err(lost(format!("the password that {name} had was not kept"))),
        Before::User {
            name, was, left, ..
        } => user(name, was.as_ref(), left.as_deref(), host, around).map(first),
        Before::Unit {
            unit: id,
            running,
            enabled,
            masked,
            again,
            left,
        } => {
            let was = [*running, *enabled, *masked];
            unit(id, was, *again, *left, host, around)
        }
        Before::Setting { setting, was, left } => {
            reverse_setting(setting, was.as_ref(), left.as_ref(), host)
        }
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

/// `was` says whether it ran, started at boot, and could not be started at all. What the run has not
/// changed of that is somebody else's to change.
fn unit(
    id: &UnitId,
    was: [bool; 3],
    again: Option<Again>,
    left: Option<UnitLeft>,
    host: &dyn Observe,
    around: &Around,
) -> Result<Reversal, Irreversible> {
    let mut reversal = Reversal::default();
    let Some(now) = host.unit(id)? else {
        return Ok(reversal);
    };
    let [running, enabled, masked] = was;
    let is_ours = |was: bool, made: fn(UnitLeft) -> Option<bool>| {
        left.is_none_or(|left| made(left).is_some_and(|made| made != was))
    };
    let runs = is_ours(running, |left| left.running);
    let starts = is_ours(enabled, |left| left.enabled);
    let job = |job| Effect::Unit {
        unit: id.clone(),
        job,
    };
    if runs && !running && !now.is_stopped() {
        reversal.first.push(job(UnitJob::Stop));
    }
    if starts && !enabled && now.is_enabled() {
        reversal.first.push(job(UnitJob::Disable));
    }
    if is_ours(masked, |left| left.masked) && masked != now.is_masked() {
        let word = if masked {
            UnitJob::Mask
        } else {
            UnitJob::Unmask
        };
        reversal.then.push(job(word));
    }
    if starts && enabled && !now.is_enabled() {
        reversal.then.push(job(UnitJob::Enable));
    }
    // What fails on what the run made of it is not stopped by anybody; and whoever is reached by it
    // wants it back whatever has stopped it.
    let is_left = left.is_some() && around.has_not_stopped(id);
    if again == Some(Again::Restart)
        && running
        && now.active == "inactive"
        && is_left
        && !lifeline::is(&Key::Unit(id.clone()))
    {
        return Err(lost(format!("{id} was stopped since the run")));
    }
    match again {
        Some(Again::Reload) if running => reversal.then.push(job(UnitJob::Reload)),
        Some(Again::Restart) if running => reversal.then.push(job(UnitJob::Restart)),
        _ if runs && running && !now.is_running() => reversal.then.push(job(UnitJob::Start)),
        _ => {}
    }
    Ok(reversal)
}

fn reverse_setting(
    setting: &Setting,
    was: Option<&String>,
    left: Option<&String>,
    host: &dyn Observe,
) -> Result<Reversal, Irreversible> {
    let mut reversal = Reversal::default();
    let now = host.setting(setting)?;
    if now.as_ref() == was {
        return Ok(reversal);
    }
    if left.is_some() && now.as_ref() != left {
        return Err(Irreversible::Changed(setting.to_string()));
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
    around: &Around,
) -> Result<Vec<Effect>, Irreversible> {
    let now = host.package(name)?.filter(|package| package.configured);
    let mut transaction = Transaction::default();
    match (was, now) {
        (None, Some(_)) => {
            transaction.remove.clone_from(&around.packages);
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

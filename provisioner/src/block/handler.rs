//! `[[handler]]`: what is done once, at the end, when a block that notifies it has changed something.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::block::unit::manager;
use crate::block::{Action, Decision, Kind, Verb, program};
use crate::effect::{Command, Effect, Program, UnitJob};
use crate::host::overlay::Fate;
use crate::host::{HostError, Key};
use crate::name::{AbsPath, GroupName, Mode, UnitId, UnitName, UnitScope, UserName};
use crate::secret::Secret;
use crate::view::View;

/// What is done once in a run, after its last block or at a `[[flush]]`, if a block that names it in
/// `notify` has changed something. If the run does not get there, the next one does it.
///
/// ```toml
/// [[handler]]
/// name = "nginx"
/// check = "nginx -t"
/// reload = "nginx"
/// ```
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Handler {
    /// What `notify` calls it: 1 to 64 letters, digits, `-`, `_` and `.`.
    #[serde(deserialize_with = "name")]
    name: String,
    /// A unit that reads its configuration anew; `.service` is understood. Nothing is done if it
    /// does not run, or if another handler restarts it.
    #[serde(default, deserialize_with = "unit")]
    reload: Option<UnitName>,
    /// A unit that is restarted, or started if it does not run, such as `"app"`; `.service` is
    /// understood.
    #[serde(default, deserialize_with = "unit")]
    restart: Option<UnitName>,
    /// Whose unit `reload` or `restart` names: "system", or such as "user:ana" for one that this user's
    /// own systemd runs; "system".
    #[serde(default)]
    scope: UnitScope,
    /// The text of a script for `interpreter`.
    script: Option<Secret>,
    /// A program by its absolute path, such as `"/usr/bin/make"`; no shell reads it.
    cmd: Option<Secret>,
    /// The arguments of `cmd`, each as it is; none.
    #[serde(default)]
    args: Vec<Secret>,
    /// What reads `script` and `check`; /bin/sh.
    interpreter: Option<AbsPath>,
    /// The user that `script`, `cmd` and `check` run as, with that user's groups; root.
    user: Option<UserName>,
    /// The primary group that they run with; the user's own.
    group: Option<GroupName>,
    /// The directory that they run in; /tmp.
    pwd: Option<AbsPath>,
    /// Text for the standard input of `script` or `cmd`; nothing.
    stdin: Option<Secret>,
    /// The mask that files are made with, octal; `"0022"`.
    umask: Option<Mode>,
    /// The exit codes of `script` or `cmd` that mean success, such as `[0, 2]`; 0 alone.
    #[serde(default)]
    success: Vec<i32>,
    /// The environment of `script` or `cmd` besides PATH, HOME, USER, LOGNAME, SHELL and LANG; nothing
    /// else.
    #[serde(default)]
    env: BTreeMap<String, Secret>,
    /// A shell script that runs first, such as "nginx -t"; if it fails, so does the handler, and
    /// nothing is reloaded.
    check: Option<Secret>,
}

fn name<'de, D: serde::Deserializer<'de>>(d: D) -> Result<String, D::Error> {
    let text = String::deserialize(d)?;
    let good = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if text.is_empty() || text.len() > 64 || !text.chars().all(good) {
        let what = "a handler's name is 1 to 64 of letters, digits, `-`, `_` and `.`";
        return Err(serde::de::Error::custom(what));
    }
    Ok(text)
}

fn unit<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Option<UnitName>, D::Error> {
    crate::name::deserialize(d, UnitName::service).map(Some)
}

impl Kind for Handler {
    const NAME: &'static str = "handler";

    fn primary(&self) -> String {
        self.name.clone()
    }

    fn check(&self, complain: &mut dyn FnMut(&'static str, String)) {
        let ways = [
            self.reload.is_some(),
            self.restart.is_some(),
            self.script.is_some(),
            self.cmd.is_some(),
        ];
        if ways.iter().filter(|way| **way).count() != 1 {
            let what = "[[handler]] needs one of `reload`, `restart`, `script` and `cmd`";
            complain("", what.to_owned());
        }
        program::check(self.cmd.as_ref(), &self.args, complain);
        if self.scope != UnitScope::System && self.job().is_none() {
            complain(
                "scope",
                "`scope` goes with `reload` or `restart`".to_owned(),
            );
        }
        let commands = self.script.is_some() || self.cmd.is_some();
        for (key, said) in [
            ("stdin", self.stdin.is_some()),
            ("success", !self.success.is_empty()),
        ] {
            if said && !commands {
                complain(key, format!("`{key}` goes with `script` or `cmd`"));
            }
        }
        let given = [
            ("interpreter", self.interpreter.is_some()),
            ("group", self.group.is_some()),
            ("pwd", self.pwd.is_some()),
            ("umask", self.umask.is_some()),
        ];
        for (key, _) in given
            .iter()
            .filter(|(_, said)| *said && !self.runs_commands())
        {
            complain(key, format!("`{key}` goes with `script`, `cmd` or `check`"));
        }
    }

    fn reads(&self) -> Vec<Key> {
        let unit = self.job().map(|(unit, _)| Key::Unit(unit));
        unit.into_iter().collect()
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, HostError> {
        if self.runs_commands()
            && let Some(other) =
                Decision::without_accounts(self.user.as_ref(), self.group.as_ref(), view)?
        {
            return Ok(other);
        }
        let check = self
            .check
            .iter()
            .map(|text| self.script(text, None, vec![0]));
        let mut effects: Vec<Effect> = check.collect();
        let summary = if let Some((id, job)) = self.job() {
            if let Some(decision) = manager::without(&id.scope, view)? {
                return Ok(decision);
            }
            let unit = match view.unit(&id)? {
                Fate::Unknown(cause) => return Ok(Decision::Maybe(cause)),
                Fate::Is(Some(unit)) => unit,
                Fate::Is(None) => {
                    let why = format!("there is no unit {id} on this host");
                    return Ok(Decision::Blocked(why));
                }
            };
            if job == UnitJob::Reload && !unit.is_running() {
                return Ok(Decision::InPlace);
            }
            let words = if job == UnitJob::Reload {
                format!("reload {id}")
            } else {
                format!("restart {id}")
            };
            effects.push(Effect::Unit { unit: id, job });
            words
        } else {
            if !view.powers().exec {
                let why = "commands run on a host that runs; this is a directory";
                return Ok(Decision::Blocked(why.to_owned()));
            }
            let user = self.user.as_ref();
            let stdin = self.stdin.clone();
            let success = match &self.success[..] {
                [] => vec![0],
                codes => codes.to_vec(),
            };
            effects.push(match (&self.script, &self.cmd) {
                (Some(text), _) => self.script(text, stdin, success),
                (None, cmd) => {
                    let argv = cmd.iter().chain(&self.args).cloned().collect();
                    self.run(Program::Argv(argv), stdin, success)
                }
            });
            user.map_or_else(|| "as root".to_owned(), |name| format!("as {name}"))
        };
        let action = Action::new(Verb::Run, summary, effects);
        Ok(Decision::Act(Action {
            repeats: true,
            ..action
        }))
    }
}

impl Handler {
    /// What systemd is asked to do, if it is.
    pub fn job(&self) -> Option<(UnitId, UnitJob)> {
        let reload = self.reload.as_ref().map(|name| (name, UnitJob::Reload));
        let restart = || self.restart.as_ref().map(|name| (name, UnitJob::Restart));
        let (name, job) = reload.or_else(restart)?;
        let (scope, name) = (self.scope.clone(), name.clone());
        Some((UnitId { scope, name }, job))
    }

    /// Whether it runs a command of the config besides asking systemd.
    pub fn runs_commands(&self) -> bool {
        self.script.is_some() || self.cmd.is_some() || self.check.is_some()
    }

    fn script(&self, text: &Secret, stdin: Option<Secret>, success: Vec<i32>) -> Effect {
        let shell = || AbsPath::parse("/bin/sh").expect("a plain path");
        let program = Program::Script {
            interpreter: self.interpreter.clone().unwrap_or_else(shell),
            text: text.clone(),
        };
        self.run(program, stdin, success)
    }

    fn run(&self, program: Program, stdin: Option<Secret>, success: Vec<i32>) -> Effect {
        let env = self.env.iter();
        Effect::Run(Box::new(Command {
            program,
            user: self.user.clone(),
            group: self.group.clone(),
            dir: self.pwd.clone(),
            env: env.map(|(k, v)| (k.clone(), v.clone())).collect(),
            stdin,
            umask: self.umask.unwrap_or(Mode::new(0o022)),
            success,
            changed_if: None,
            undo: None,
        }))
    }
}

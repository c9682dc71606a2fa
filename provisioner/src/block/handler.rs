//! `[[handler]]`: what is done once, at the end, when a block that notifies it has changed something.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::block::{Action, Decision, Kind, Verb};
use crate::effect::{Command, Effect, Program, UnitJob};
use crate::host::overlay::Fate;
use crate::host::{HostError, Key};
use crate::name::{AbsPath, Mode, UnitName, UserName};
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
    /// The text of a script for `/bin/sh`.
    script: Option<Secret>,
    /// A program by its absolute path, such as `"/usr/bin/make"`; no shell reads it.
    cmd: Option<Secret>,
    /// The arguments of `cmd`, each as it is; none.
    #[serde(default)]
    args: Vec<Secret>,
    /// The user that `script` or `cmd` runs as; root.
    user: Option<UserName>,
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
        if let Some(cmd) = &self.cmd
            && AbsPath::parse(cmd.expose()).is_err()
        {
            let what = "`cmd` is a program's absolute path; a shell's words go into `script`";
            complain("cmd", what.to_owned());
        }
        if self.cmd.is_none() && !self.args.is_empty() {
            complain("args", "`args` belong to a `cmd`".to_owned());
        }
    }

    fn reads(&self) -> Vec<Key> {
        let units = self.reload.iter().chain(&self.restart);
        units.cloned().map(Key::Unit).collect()
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, HostError> {
        let mut effects: Vec<Effect> = self.check.iter().map(|text| self.script(text)).collect();
        let summary = if let Some((name, job)) = self.job() {
            if !view.powers().services {
                let why = "systemd cannot be asked: it does not run here, or hpt is not root";
                return Ok(Decision::Blocked(why.to_owned()));
            }
            let unit = match view.unit(name)? {
                Fate::Unknown(cause) => return Ok(Decision::Maybe(cause)),
                Fate::Is(Some(unit)) => unit,
                Fate::Is(None) => {
                    let why = format!("there is no unit {name} on this host");
                    return Ok(Decision::Blocked(why));
                }
            };
            if job == UnitJob::Reload && !unit.is_running() {
                return Ok(Decision::InPlace);
            }
            let name = name.clone();
            let words = if job == UnitJob::Reload {
                format!("reload {name}")
            } else {
                format!("restart {name}")
            };
            effects.push(Effect::Unit { name, job });
            words
        } else {
            if !view.powers().exec {
                let why = "commands run on a host that runs; this is a directory";
                return Ok(Decision::Blocked(why.to_owned()));
            }
            if let Some(other) = Decision::without_accounts(self.user.as_ref(), None, view)? {
                return Ok(other);
            }
            let user = self.user.as_ref();
            effects.push(match (&self.script, &self.cmd) {
                (Some(text), _) => self.script(text),
                (None, cmd) => {
                    let argv = cmd.iter().chain(&self.args).cloned().collect();
                    self.run(Program::Argv(argv))
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
    pub fn job(&self) -> Option<(&UnitName, UnitJob)> {
        let reload = self.reload.as_ref().map(|name| (name, UnitJob::Reload));
        let restart = || self.restart.as_ref().map(|name| (name, UnitJob::Restart));
        reload.or_else(restart)
    }

    /// Whether it runs a command of the config besides asking systemd.
    pub fn runs_commands(&self) -> bool {
        self.script.is_some() || self.cmd.is_some() || self.check.is_some()
    }

    fn script(&self, text: &Secret) -> Effect {
        self.run(Program::Script {
            interpreter: AbsPath::parse("/bin/sh").expect("a plain path"),
            text: text.clone(),
        })
    }

    fn run(&self, program: Program) -> Effect {
        let env = self.env.iter();
        Effect::Run(Box::new(Command {
            program,
            user: self.user.clone(),
            group: None,
            dir: None,
            env: env.map(|(k, v)| (k.clone(), v.clone())).collect(),
            stdin: None,
            umask: Mode::new(0o022),
            success: vec![0],
            changed_if: None,
        }))
    }
}

//! `[[exec]]`: a command or a script.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::block::{Action, Decision, Kind, Verb};
use crate::effect::{ChangedIf, Command, Effect, Program};
use crate::host::overlay::Fate;
use crate::host::{HostError, Key, Memo};
use crate::name::{AbsPath, GroupName, Mode, UserName};
use crate::secret::Secret;
use crate::view::View;

/// As many characters of a command as its id and a plan's line show.
const SHOWN: usize = 60;

/// A command or a script. It runs every time unless something guards it.
///
/// ```toml
/// [[exec]]
/// script = "/opt/app/bin/migrate"
/// user = "app"
/// once = "migrate-7"
/// ```
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exec {
    /// The text of a script for `interpreter`, of one or more lines. Either this or `cmd`.
    script: Option<Secret>,
    /// A program by its absolute path, such as `"/usr/bin/make"`; no shell reads it.
    cmd: Option<Secret>,
    /// The arguments of `cmd`, each as it is, such as `["-C", "/opt/app"]`; none.
    #[serde(default)]
    args: Vec<Secret>,
    /// The program that reads `script` and the guards, such as `"/bin/bash"`; `/bin/sh`.
    interpreter: Option<AbsPath>,
    /// The user it runs as, with that user's groups; root.
    user: Option<UserName>,
    /// The primary group it runs with; the user's own.
    group: Option<GroupName>,
    /// The directory it runs in, absolute; `/tmp`.
    pwd: Option<AbsPath>,
    /// Its environment besides PATH, HOME, USER, LOGNAME, SHELL and LANG, such as `{ PORT = "8080" }`;
    /// nothing else. Values are never shown.
    #[serde(default)]
    env: BTreeMap<String, Secret>,
    /// A text for its standard input, which is never shown; nothing.
    stdin: Option<Secret>,
    /// It runs only if this path is not there, such as `"/opt/app/bin/serve"`, and is in place when it
    /// is.
    creates: Option<AbsPath>,
    /// It runs only if this path is there, and is in place when it is not.
    removes: Option<AbsPath>,
    /// A script for `interpreter`, such as `"id -u app"`: the block runs only if that fails.
    unless: Option<Secret>,
    /// A script for `interpreter`, such as `"test -e /srv/new"`: the block runs only if that succeeds.
    only_if: Option<Secret>,
    /// It runs only if no command with this text here has run on the host before, and is in place
    /// when one has; such as "migrate-7".
    once: Option<String>,
    /// Whether it is meant to run every time, so that there is no warning about it; false.
    #[serde(default)]
    always: bool,
    /// Paths that it makes or changes, such as `["/etc/app"]`; none. A plan then says of later blocks
    /// about them that they are known when applied.
    #[serde(default)]
    changes: Vec<AbsPath>,
    /// The mask that files are made with, octal; `"0022"`.
    umask: Option<Mode>,
    /// Whether `unless` and `only_if` change nothing, so that a plan may run them to say what it
    /// would do; false. One who asks for a plan needs the grants apply and exec for that.
    #[serde(default)]
    pure: bool,
    /// What makes a run of it a change: an exit code, such as 2, which then means success too; or a
    /// regular expression that is found in a line of its standard output, such as "^updated". Each
    /// run is a change without it. Handlers are notified of changes alone.
    changed_if: Option<ChangedIf>,
    /// A script for `interpreter` that makes undone what the command did, such as "rm -rf /opt/built":
    /// `hpt undo` and the revert of a failed check run it, also where the command failed half-way. It
    /// runs as the same user in the same directory, without `env`, and what it writes is not shown. It is
    /// kept on the host until then, so that of a block with a secret in it nothing is kept, and it cannot
    /// be undone; nothing.
    undo: Option<Secret>,
    /// The exit codes that mean success, such as `[0, 2]`; 0 alone.
    #[serde(default)]
    success: Vec<i32>,
}

impl Kind for Exec {
    const NAME: &'static str = "exec";

    fn primary(&self) -> String {
        let text = self
            .script
            .as_ref()
            .or(self.cmd.as_ref())
            .map_or("", Secret::expose);
        shown(text)
    }

    fn check(&self, complain: &mut dyn FnMut(&'static str, String)) {
        match (&self.script, &self.cmd) {
            (Some(_), Some(_)) => complain(
                "cmd",
                "an exec has either `script` or `cmd`, not both".to_owned(),
            ),
            (None, None) => complain("", "[[exec]] needs `script` or `cmd`".to_owned()),
            (Some(_), None) if !self.args.is_empty() => {
                complain(
                    "args",
                    "`args` goes with `cmd`; a script has its words in it".to_owned(),
                );
            }
            (None, Some(cmd)) if !cmd.expose().starts_with('/') => {
                complain(
                    "cmd",
                    "`cmd` is a program's absolute path; for a shell's words use `script`"
                        .to_owned(),
                );
            }
            _ => {}
        }
        let texts = self
            .script
            .iter()
            .chain(&self.cmd)
            .chain(&self.args)
            .chain(self.env.values())
            .chain(&self.undo);
        if texts.into_iter().any(|text| text.expose().contains('\0')) {
            complain("", "a command holds no NUL".to_owned());
        }
        for name in self.env.keys() {
            let good = |c: u8| c.is_ascii_alphanumeric() || c == b'_';
            let first = name.bytes().next().is_some_and(|c| !c.is_ascii_digit());
            if !first || !name.bytes().all(good) {
                complain(
                    "env",
                    "the name of a variable is letters, digits and `_`".to_owned(),
                );
            } else if name.starts_with("LD_") || name.starts_with("HPT_") {
                complain(
                    "env",
                    "variables named LD_* and HPT_* are not passed on".to_owned(),
                );
            }
        }
        if self.unless.is_some() && self.only_if.is_some() {
            complain(
                "only_if",
                "an exec has either `unless` or `only_if`, not both".to_owned(),
            );
        }
        if self.always && !self.runs_each_time() {
            complain(
                "always",
                "`always` contradicts the guard of this exec".to_owned(),
            );
        }
        if self.pure && self.unless.is_none() && self.only_if.is_none() {
            complain(
                "pure",
                "`pure` is said of `unless` or `only_if`, and there is neither".to_owned(),
            );
        }
    }

    fn reads(&self) -> Vec<Key> {
        self.creates
            .iter()
            .chain(&self.removes)
            .cloned()
            .map(Key::Path)
            .collect()
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, HostError> {
        if !view.powers().exec {
            let why = "commands run on a host that runs; this is a directory";
            return Ok(Decision::Blocked(why.to_owned()));
        }
        for (path, in_place_if_there) in self
            .creates
            .iter()
            .map(|p| (p, true))
            .chain(self.removes.iter().map(|p| (p, false)))
        {
            match view.path(path)? {
                Fate::Is(entry) if entry.is_some() == in_place_if_there => {
                    return Ok(Decision::InPlace);
                }
                Fate::Is(_) => {}
                Fate::Unknown(cause) => return Ok(Decision::Maybe(cause)),
            }
        }
        let once = self.once.clone().map(Memo::Once);
        if let Some(memo) = &once
            && view.remembers(memo)?
        {
            return Ok(Decision::InPlace);
        }
        let (user, group) = (self.user.as_ref(), self.group.as_ref());
        if let Some(other) = Decision::without_accounts(user, group, view)? {
            return Ok(other);
        }
        let mut effects = vec![Effect::Run(Box::new(self.command(self.program())))];
        effects.extend(once.map(|memo| Effect::Remember { memo, kept: true }));
        let action = Action {
            verb: Verb::Run,
            summary: self.words(),
            effects,
            touches: self
                .creates
                .iter()
                .chain(&self.removes)
                .chain(&self.changes)
                .cloned()
                .collect(),
            perhaps: self.changed_if.is_some(),
            adds: false,
            repeats: self.creates.is_none() && self.removes.is_none() && self.once.is_none(),
            alone: false,
        };
        let guard = match (&self.unless, &self.only_if) {
            (Some(guard), _) => Some((guard, false)),
            (_, Some(guard)) => Some((guard, true)),
            _ => None,
        };
        let Some((guard, wants)) = guard else {
            return Ok(Decision::Act(action));
        };
        let script = Program::Script {
            interpreter: self.interpreter(),
            text: guard.clone(),
        };
        Ok(Decision::Ask {
            guard: Box::new(self.command(script)),
            wants,
            pure: self.pure,
            action,
        })
    }
}

/// The beginning of a command, for its id.
pub(super) fn shown(text: &str) -> String {
    let mut lines = text.lines().map(str::trim);
    let line = lines.find(|line| !line.is_empty()).unwrap_or("");
    let shown = line.chars().filter(|c| !c.is_control());
    shown.take(SHOWN).collect()
}

impl Exec {
    /// Whether it says how it is undone.
    pub(crate) fn has_undo(&self) -> bool {
        self.undo.is_some()
    }

    /// Whether the host is asked before it runs.
    pub(crate) fn is_guarded(&self) -> bool {
        self.creates.is_some()
            || self.removes.is_some()
            || self.unless.is_some()
            || self.only_if.is_some()
    }

    /// Whether nothing says when it need not run, nor that it is meant to run each time.
    pub fn is_unguarded(&self) -> bool {
        !self.always && self.runs_each_time()
    }

    /// Whether nothing says when it need not run.
    pub(crate) fn runs_each_time(&self) -> bool {
        let paths = self.creates.is_some() || self.removes.is_some() || self.once.is_some();
        !paths && self.unless.is_none() && self.only_if.is_none()
    }

    fn interpreter(&self) -> AbsPath {
        let shell = || AbsPath::parse("/bin/sh").expect("a plain path");
        self.interpreter.clone().unwrap_or_else(shell)
    }

    fn program(&self) -> Program {
        match (&self.script, &self.cmd) {
            (Some(text), _) => Program::Script {
                interpreter: self.interpreter(),
                text: text.clone(),
            },
            (None, cmd) => Program::Argv(cmd.iter().chain(&self.args).cloned().collect()),
        }
    }

    fn success(&self) -> Vec<i32> {
        let mut codes = self.success.clone();
        if codes.is_empty() {
            codes.push(0);
        }
        if let Some(ChangedIf::Exit(code)) = self.changed_if {
            codes.push(code);
        }
        codes
    }

    fn words(&self) -> String {
        let who = self
            .user
            .as_ref()
            .map_or_else(|| "root".to_owned(), ToString::to_string);
        match (&self.creates, &self.removes) {
            (Some(path), _) => format!("as {who}, since {path} is not there"),
            (None, Some(path)) => format!("as {who}, since {path} is there"),
            (None, None) => format!("as {who}"),
        }
    }

    fn command(&self, program: Program) -> Command {
        Command {
            program,
            user: self.user.clone(),
            group: self.group.clone(),
            dir: self.pwd.clone(),
            env: self
                .env
                .iter()
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect(),
            stdin: self.stdin.clone(),
            umask: self.umask.unwrap_or(Mode::new(0o022)),
            success: self.success(),
            changed_if: self.changed_if.clone(),
            undo: self.undo.clone().map(|text| (self.interpreter(), text)),
        }
    }
}

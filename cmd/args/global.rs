//! The options that stand before any verb, and which verb has a use for which.

use std::path::PathBuf;

use clap::{Arg, Args, Command};
use clap_complete::ArgValueCompleter;
use hpt_keystore::TargetName;

use crate::address::HostPort;
use crate::completion::{pattern, targets};
use crate::error::CommandError;
use crate::fleet::PaceOptions;

/// What every verb may be told. A verb that has no use for `--target` and its like says so.
#[derive(Args, Clone, Default)]
pub(crate) struct Global {
    /// The host, by the name that its keys have here
    #[arg(short, long, global = true, value_name = "NAME", value_parser = TargetName::parse, add = ArgValueCompleter::new(targets), help_heading = "Where")]
    pub(crate) target: Option<TargetName>,

    /// The hosts that this means: `web-*`, `tag:prod & !web-3`, `@FILE`
    #[arg(
        long,
        global = true,
        value_name = "PATTERN",
        conflicts_with = "target",
        add = ArgValueCompleter::new(pattern),
        help_heading = "Where"
    )]
    pub(crate) on: Option<String>,

    /// What is known of hosts: a targets.toml, or a program that prints it as JSON
    /// [default: beside the config, or the keystore]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Where")]
    pub(crate) inventory: Option<PathBuf>,

    /// So many of them at once
    #[arg(long, global = true, value_name = "N", default_value = "50", value_parser = clap::value_parser!(u16).range(1..=2000), help_heading = "Where")]
    pub(crate) forks: u16,

    #[command(flatten)]
    pub(crate) pace: PaceOptions,

    /// Reach it here, this once: an address or name, perhaps with :PORT
    #[arg(long, global = true, value_name = "ADDRESS", value_parser = HostPort::parse, help_heading = "Where")]
    pub(crate) ip: Option<HostPort>,

    /// Port, if not 6632
    #[arg(long, global = true, value_name = "PORT", help_heading = "Where")]
    pub(crate) port: Option<u16>,

    /// Work in this root directory and not in /
    #[arg(long, global = true, value_name = "DIR", help_heading = "Where")]
    pub(crate) root: Option<PathBuf>,

    /// The keystore [default: /etc/hpt/keystore.db for root, else
    /// ~/.config/hpt/keystore.db]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Keys")]
    pub(crate) keystore: Option<PathBuf>,

    /// Read the passphrase from this file descriptor
    #[arg(long, global = true, value_name = "FD", help_heading = "Keys")]
    pub(crate) passphrase_fd: Option<u32>,

    /// One JSON object a line on stdout
    #[arg(long, global = true, help_heading = "Output")]
    pub(crate) json: bool,

    /// Only results and errors
    #[arg(
        short,
        long,
        global = true,
        conflicts_with = "verbose",
        help_heading = "Output"
    )]
    pub(crate) quiet: bool,

    /// Say more: output of commands, then logs
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Output")]
    pub(crate) verbose: u8,
}

impl Global {
    /// An option that would do nothing is an error: somebody expects something of it.
    pub(super) fn refuse_idle(&self, verb: &str) -> Result<(), CommandError> {
        let uses = uses(verb);
        let given = [
            ("target", self.target.is_some()),
            ("on", self.on.is_some()),
            ("inventory", self.inventory.is_some()),
            ("ip", self.ip.is_some()),
            ("port", self.port.is_some()),
            ("root", self.root.is_some()),
        ];
        let idle = given
            .into_iter()
            .find(|(option, given)| *given && !uses.contains(option));
        if let Some((option, _)) = idle {
            let what = format!("--{option} means nothing to `hpt {verb}`");
            let hint = format!("leave it out; `hpt help {verb}` has the options that it takes");
            return Err(CommandError::usage(what).hint(hint));
        }
        if self.target.is_some() && self.root.is_some() && verb != "install" {
            let what = "--target names a host, and --root a directory here";
            return Err(CommandError::usage(what).hint("leave out `--target` or `--root`"));
        }
        if let (
            Some(port),
            Some(HostPort {
                port: Some(other), ..
            }),
        ) = (self.port, &self.ip)
            && port != *other
        {
            let what = format!("--ip says port {other} and --port says {port}: choose one");
            return Err(CommandError::usage(what));
        }
        if self.on.is_some() && (self.ip.is_some() || self.port.is_some() || self.root.is_some()) {
            let what = "--on means hosts by their names, each where it is known to be";
            return Err(CommandError::usage(what).hint("leave out `--ip`, `--port` and `--root`"));
        }
        if self.on.is_none() && (!self.pace.batch.is_empty() || self.pace.max_fail.is_some()) {
            let what = "--batch and --max-fail say how many targets are gone through, and there is no --on";
            return Err(CommandError::usage(what).hint("`hpt --on 'web-*' ...`"));
        }
        let is_placed = self.ip.is_some() || self.port.is_some();
        let is_remote = uses.contains(&"ip") && verb != "gen-target-keys";
        if is_remote && is_placed && self.target.is_none() {
            let what = "--ip and --port say where a target is, and there is no --target";
            return Err(CommandError::usage(what).hint("`hpt list-target-keys` lists their names"));
        }
        Ok(())
    }

    /// The target that is meant, by the verb's own NAME or by `--target`.
    ///
    /// # Errors
    /// A usage error when they name two.
    pub(crate) fn target_or(
        &self,
        name: Option<&TargetName>,
    ) -> Result<Option<TargetName>, CommandError> {
        match (name, &self.target) {
            (Some(name), Some(target)) if name != target => Err(CommandError::usage(format!(
                "--target names {target} and the verb is given {name}: choose one"
            ))),
            (name, target) => Ok(name.or(target.as_ref()).cloned()),
        }
    }
}

/// The options of all verbs that not every verb can use: where, then with which keys.
const PARTIAL: [&str; 11] = [
    "target",
    "on",
    "inventory",
    "forks",
    "batch",
    "max_fail",
    "ip",
    "port",
    "root",
    "keystore",
    "passphrase_fd",
];

/// What of them a verb can use.
fn uses(verb: &str) -> Vec<&'static str> {
    const ONE: &[&str] = &["target", "inventory", "ip", "port"];
    const MANY: &[&str] = &["on", "forks", "batch", "max_fail"];
    const KEYS: &[&str] = &["keystore", "passphrase_fd"];
    let all: &[&[&str]] = match verb {
        "plan" | "provision" | "facts" | "drift" | "undo" | "why" => &[ONE, MANY, &["root"], KEYS],
        "status" | "ping" | "doctor" | "cancel" | "log" | "upgrade" | "list-client-keys"
        | "authorize" | "revoke" | "rotate-client-keys" | "rotate-target-keys" => {
            &[ONE, MANY, KEYS]
        }
        "install" => &[ONE, &["root"], KEYS],
        "attach" | "audit" | "invite" => &[ONE, KEYS],
        "gen-client-keys" | "accept" => &[KEYS],
        "gen-target-keys" => &[&["target", "ip", "port", "keystore"]],
        "check" | "explain" => &[&["target", "inventory"]],
        "show" | "remove" | "seal" => &[&["target", "keystore"]],
        "serve" => &[&["port", "root", "keystore"]],
        "join" => &[&["port", "keystore"]],
        "schema" | "fmt" | "fix" | "unit-file" | "completion" | "man" | "run" | "guard" => &[],
        _ => &[&["keystore"]],
    };
    all.concat()
}

/// Gives each verb a copy of them, of which its help shows what does something there.
pub(super) fn spread(command: Command) -> Command {
    let partial: Vec<Arg> = PARTIAL
        .iter()
        .filter_map(|id| command.get_arguments().find(|arg| arg.get_id() == id))
        .cloned()
        .collect();
    command.mut_subcommands(|verb| {
        let uses = uses(verb.get_name());
        let partial = partial.iter().map(|arg| {
            let arg = arg.clone().hide(!uses.contains(&arg.get_id().as_str()));
            match (verb.get_name(), arg.get_id().as_str()) {
                ("gen-target-keys", "ip") => {
                    arg.help("Where it will be reached, which is stored: an address or name, perhaps with :PORT")
                }
                ("install", "ip") => arg.help("Where it will be reached, which is stored [default: where ssh reached it]"),
                ("install", "root") => arg.help("Put it into this root directory of an image"),
                ("serve" | "join", "port") => arg.help("Listen on this port, if not on 6632"),
                _ => arg,
            }
        });
        let partial: Vec<Arg> = partial.collect();
        verb.args(partial)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::command;

    #[test]
    fn help_shows_what_a_verb_can_use() {
        let mut command = command();
        for verb in command.get_subcommands_mut() {
            let uses = uses(verb.get_name());
            let page = verb.render_help().to_string();
            for option in PARTIAL {
                let is_shown = page.contains(&format!("--{} <", option.replace('_', "-")));
                let name = verb.get_name();
                assert_eq!(is_shown, uses.contains(&option), "{name}: {option}");
            }
        }
    }
}

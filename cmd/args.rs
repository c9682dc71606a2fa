//! The command line: which verbs there are, and which of them is meant.

mod global;

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::PathBuf;

use clap::{Command, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

pub(crate) use self::global::Global;
use crate::error::{CommandError, Exit, nearest};
use crate::print::json;
use crate::terminal::{Form, Terminal, visible};
use crate::{
    accept, attach, audit, authorize, backup, cancel, check, completion, doctor, drift, explain,
    facts, fix, fmt, gen_client_keys, gen_target_keys, guard, install, invite, join,
    list_client_keys, list_target_keys, log, man, passphrase, ping, plan, provision, remove,
    rename, restore, retry, revoke, rotate_client_keys, rotate_target_keys, run, schema, seal,
    seal_keystore, serve, show, status, undo, unit_file, upgrade, why,
};

pub(crate) const EXAMPLES: &str = "\
Begin:
  hpt gen-client-keys                           your own keys, once
  hpt gen-target-keys --target web1 --ip 10.0.0.5
                                                web1's keystore: deliver it
  hpt serve                                     on web1; see `hpt unit-file`
  hpt install root@10.0.0.5 --target web1       or all of that, by your own ssh

Then:
  hpt --target web1 plan site.toml              what would change
  hpt --target web1 provision site.toml         change it
  hpt --target=web1 --ip=10.0.0.5 site.toml     the same, short
  hpt --on 'web-*' provision site.toml          many hosts at once
  sudo hpt site.toml                            on the host itself, no network
  hpt --root ./image site.toml                  in a root that is not running

Exit codes:
   0  done                            6  another run holds the host
   1  something failed                7  session lost while the run goes on
   2  changes are pending (`drift`,   8  a check failed, or nobody confirmed
      `plan --detailed-exitcode`)        the run: it was undone
                                      9  the keystore is unusable or busy
   3  the config is invalid          10  an earlier run broke off
   4  the target does not allow it   64  usage
   5  the target is unreachable      70  a bug in hpt

Environment:
  HPT_KEYSTORE  the keystore          HPT_LOG  error, warn, info, debug, trace
  NO_COLOR      no colours";

/// Provisions Linux hosts over a channel that both ends already trust
#[derive(Parser)]
#[command(
    name = "hpt",
    version,
    after_help = EXAMPLES,
    max_term_width = 80,
    subcommand_precedence_over_arg = true,
    subcommand_value_name = "VERB",
    subcommand_help_heading = "Verbs",
    override_usage = "hpt [OPTIONS] VERB ...\n       hpt [OPTIONS] FILE...     the same as `hpt [OPTIONS] provision FILE...`"
)]
pub(crate) struct CommandLine {
    #[command(flatten)]
    pub(crate) global: Global,

    #[command(flatten)]
    pub(crate) short: provision::Args,

    #[command(subcommand)]
    pub(crate) verb: Option<Verb>,

    /// The verb's own word.
    #[arg(skip)]
    word: String,
}

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Show what a config would change
    Plan(plan::Args),
    /// Change what a config asks for: plan, ask, apply, report
    Provision(provision::Args),
    /// Check a config without contacting anything
    Check(check::Args),
    /// Tell what a word of a config means, or where a value comes from
    Explain(explain::Args),
    /// Print the JSON schema of a config, for editors
    Schema(schema::Args),
    /// Format configs; comments and order stay
    Fmt(fmt::Args),
    /// Rewrite old spellings in configs as they are today
    Fix(fix::Args),
    /// Ask a target how it is, and whether a run goes on
    Status(status::Args),
    /// Ask a target whether it answers, and how fast
    Ping(ping::Args),
    /// Show what a run tells, from its beginning to its end
    Attach(attach::Args),
    /// Have a run stop before its next block
    Cancel(cancel::Args),
    /// Put back what a run replaced
    Undo(undo::Args),
    /// Provision many targets again, or those that were not done
    Retry(retry::Args),
    /// Show what has moved since configs were applied
    Drift(drift::Args),
    /// Tell whose a file, user, package or unit is, and what runs made of it
    Why(why::Args),
    /// Show who did what on a target
    Log(log::Args),
    /// Verify that nothing was taken from an audit or changed in it
    Audit(audit::Args),
    /// Show what a host knows of itself
    Facts(facts::Args),
    /// Look for what is not as it should be, and tell what mends it
    Doctor(doctor::Args),
    /// Make your own keys
    GenClientKeys(gen_client_keys::Args),
    /// Make a target's keystore and pin it here
    GenTargetKeys(gen_target_keys::Args),
    /// Install hpt on a host by your own ssh, or in an image
    Install(install::Args),
    /// Put this hpt in the place of the one on a target
    Upgrade(upgrade::Args),
    /// List the targets that are pinned here
    ListTargetKeys(list_target_keys::Args),
    /// Show a keystore, or one target in it
    Show(show::Args),
    /// Call a target by another name
    Rename(rename::Args),
    /// Forget a target
    Remove(remove::Args),
    /// Have a host make keys of its own, and pin it
    Invite(invite::Args),
    /// On a host: make keys of its own for whoever has invited it
    Join(join::Args),
    /// Show whom a target lets in, and what they may do
    ListClientKeys(list_client_keys::Args),
    /// Have targets let another client in
    Authorize(authorize::Args),
    /// Pin the targets that another client had let you in
    Accept(accept::Args),
    /// Have targets let a client in no longer
    Revoke(revoke::Args),
    /// Make new keys for yourself, and have every target know them instead
    RotateClientKeys(rotate_client_keys::Args),
    /// Make new keys for targets, which their clients follow to
    RotateTargetKeys(rotate_target_keys::Args),
    /// Seal a host's keys on its disk, for systemd alone to open
    SealKeystore(seal_keystore::Args),
    /// Set, change or take off the passphrase of your keys
    Passphrase(passphrase::Args),
    /// Seal a secret for targets, as text for a config
    Seal(seal::Args),
    /// Copy the keystore
    Backup(backup::Args),
    /// Put a backup in the keystore's place
    Restore(restore::Args),
    /// Serve this host to the clients in its keystore
    Serve(serve::Args),
    /// Print the systemd unit for `hpt serve`
    UnitFile(unit_file::Args),
    /// Print what completes hpt's words in a shell
    Completion(completion::Args),
    /// Write the manual
    Man(man::Args),
    /// Perform one run for `hpt serve`
    #[command(hide = true)]
    Run(run::Args),
    /// Undo a run unless it is confirmed
    #[command(hide = true)]
    Guard(guard::Args),
}

/// Parses the command line of this process. What there is to say has been shown when this fails.
pub(crate) fn parse() -> Result<CommandLine, Exit> {
    CommandLine::of(std::env::args_os()).map_err(|error| {
        let printed = error.print();
        if !error.use_stderr() {
            return match printed {
                Err(why) if why.kind() != ErrorKind::BrokenPipe => {
                    let what = format_args!("cannot write to stdout: {why}");
                    Terminal::new(Form::Words, false).error(what);
                    Exit::Failed
                }
                _ => Exit::Done,
            };
        }
        if std::env::args_os().any(|word| word == "--json") {
            let words = error.to_string();
            let what = words
                .lines()
                .next()
                .unwrap_or_default()
                .trim_start_matches("error: ");
            let object = json::Error::words(Exit::Usage, what, &[]);
            Terminal::new(Form::Json, true).json(&object);
        }
        Exit::Usage
    })
}

/// The command line as clap knows it; the help of a verb has no option that does nothing there.
pub(crate) fn command() -> Command {
    global::spread(CommandLine::command())
}

impl CommandLine {
    /// Parses words, of which the first is the program's name.
    pub(crate) fn of(words: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let matches = command().try_get_matches_from(words)?;
        let line = Self::from_arg_matches(&matches)?;
        let word = matches.subcommand_name().unwrap_or("provision").to_owned();
        Ok(Self { word, ..line })
    }

    /// The one verb that is meant; `hpt site.toml` means `provision`.
    pub(crate) fn into_verb(self) -> Result<Verb, CommandError> {
        let Self {
            global,
            short,
            verb,
            word,
        } = self;
        let verb = match verb {
            Some(_) if !short.is_empty() => {
                let what = "files and options of a verb go after the verb";
                return Err(CommandError::usage(what).hint("`hpt --target web1 plan site.toml`"));
            }
            Some(verb) => verb,
            None if short.files.is_empty() => {
                return Err(CommandError::usage("there is no verb and no config file")
                    .hint("`hpt --help` shows the verbs"));
            }
            None => {
                mistyped(&short.files)?;
                Verb::Provision(short)
            }
        };
        global.refuse_idle(&word)?;
        Ok(verb)
    }
}

/// `hpt provison site.toml` names a file that is not there; say what was probably meant.
fn mistyped(files: &[PathBuf]) -> Result<(), CommandError> {
    let Some(word) = files[0].to_str().filter(|word| !word.contains(['.', '/'])) else {
        return Ok(());
    };
    if files[0].exists() {
        return Ok(());
    }
    let command = CommandLine::command();
    let verbs = command.get_subcommands().filter(|verb| !verb.is_hide_set());
    let error = CommandError::usage(format!("`{}` is neither a verb nor a file", visible(word)));
    Err(match nearest(word, verbs.map(Command::get_name)) {
        Some(near) => error.hint(format!("did you mean `hpt {near}`?")),
        None => error.hint("`hpt --help` shows the verbs"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    fn verb(words: &str) -> Result<Verb, CommandError> {
        let line = CommandLine::of(words.split(' ').map(OsString::from));
        line.unwrap_or_else(|e| panic!("{words}: {e}")).into_verb()
    }

    #[test]
    fn the_short_form_is_provision() {
        for words in [
            "hpt site.toml",
            "hpt --target web1 --ip 10.0.0.5 site.toml",
            "hpt --target=web1 --ip=10.0.0.5 site.toml more.toml",
            "hpt --root ./image site.toml",
            "hpt provision site.toml",
            "hpt -t web1 provision site.toml --yes",
        ] {
            assert!(matches!(verb(words), Ok(Verb::Provision(_))), "{words}");
        }
        assert!(matches!(
            verb("hpt --target=web1 plan site.toml"),
            Ok(Verb::Plan(_))
        ));
        assert!(matches!(
            verb("hpt plan --target web1 site.toml"),
            Ok(Verb::Plan(_))
        ));
    }

    #[test]
    fn what_makes_no_sense_is_a_usage_error() {
        for words in [
            "hpt --json",
            "hpt --target web1",
            "hpt provison site.toml",
            "hpt site.toml plan x.toml",
            "hpt --root /x list-target-keys",
            "hpt --target web1 --root /x plan site.toml",
            "hpt --ip 10.0.0.5 plan site.toml",
            "hpt --target web1 serve",
        ] {
            let error = verb(words).err().unwrap_or_else(|| panic!("{words}"));
            assert_eq!(error.exit, Exit::Usage, "{words}");
        }
    }

    #[test]
    fn help_fits_80_columns() {
        let mut command = command();
        command.build();
        let names: Vec<String> = command
            .get_subcommands()
            .map(|verb| verb.get_name().to_owned())
            .collect();
        let mut pages = vec![
            command.render_long_help().to_string(),
            command.render_help().to_string(),
        ];
        for name in names {
            let verb = command
                .find_subcommand_mut(&name)
                .expect("it was just listed");
            pages.push(verb.render_long_help().to_string());
        }
        for line in pages.iter().flat_map(|page| page.lines()) {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}

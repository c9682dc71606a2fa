//! `hpt seal`: a secret that only the named targets can open, as text for a config.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _, Read as _};

use hpt_keystore::{Letter, TargetName, client};
use hpt_provisioner::source::is_bucket_name;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::context::Context;
use crate::error::{CommandError, Exit};
use crate::prompt::{self, Unanswered};
use crate::secrets::LONGEST;

#[derive(clap::Args)]
#[command(after_help = "\
The value is typed unseen, or read from standard input without one line feed
at its end. It is printed for the config, where anybody may see it: each row is
opened by that target alone, and under this name alone.

Examples:
  hpt seal db_url web1 web2
  pass show db/url | hpt seal db_url web1 >> site.toml")]
pub(crate) struct Args {
    /// The secret's name in the config: [secret.NAME]
    #[arg(value_name = "NAME", value_parser = name)]
    name: String,

    /// The targets that may know it, by the names that their keys have here
    #[arg(value_name = "TARGET", value_parser = TargetName::parse)]
    targets: Vec<TargetName>,
}

#[derive(Serialize)]
struct Sealed<'a> {
    event: &'static str,
    name: &'a str,
    sealed: &'a BTreeMap<String, String>,
}

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    let targets: Vec<&TargetName> = args.targets.iter().chain(&context.global.target).collect();
    if targets.is_empty() {
        let what = "there is no target to seal it for";
        return Err(CommandError::usage(what).hint("`hpt list-target-keys` lists their names"));
    }
    let path = context.keystore()?;
    let mut keys = Vec::new();
    for name in targets {
        let (_, target) = client::load_target(&path, name)?;
        keys.push((name.as_str().to_owned(), target.identity.channel));
    }
    let value = value(&args.name)?;
    let mut sealed = BTreeMap::new();
    for (target, key) in keys {
        let letter = Letter::seal(&key, &args.name, value.as_bytes());
        let letter = letter.map_err(|bad| CommandError::new(Exit::Failed, bad))?;
        sealed.insert(target, letter.to_string());
    }
    let mut words = format!("[secret.{}.sealed]", args.name);
    for (target, letter) in &sealed {
        // A bare key of TOML has no dot in it.
        let key = if target.contains('.') {
            format!("\"{target}\"")
        } else {
            target.clone()
        };
        words += &format!("\n{key} = \"{letter}\"");
    }
    context.terminal.say(words);
    context.terminal.json(&Sealed {
        event: "sealed",
        name: &args.name,
        sealed: &sealed,
    });
    Ok(Exit::Done)
}

fn name(text: &str) -> Result<String, &'static str> {
    let name = text.strip_prefix("secret.").unwrap_or(text);
    if is_bucket_name(name) {
        Ok(name.to_owned())
    } else {
        Err("a name is 1 to 64 of letters, digits, `-` and `_`")
    }
}

/// The value, from whoever is there: a person types it twice.
fn value(name: &str) -> Result<Zeroizing<String>, CommandError> {
    let bad = |what: &str| CommandError::new(Exit::Failed, what);
    let value = if io::stdin().is_terminal() {
        let first = typed(name)?;
        if typed("Once more")? != first {
            return Err(bad("the two values differ"));
        }
        first
    } else {
        let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST + 2));
        let most = u64::try_from(LONGEST + 2).expect("it fits");
        let read = io::stdin().lock().take(most).read_to_end(&mut bytes);
        read.map_err(|why| bad(&format!("cannot read the value: {why}")))?;
        let text = std::str::from_utf8(&bytes).map_err(|_| bad("the value is not UTF-8"))?;
        Zeroizing::new(text.strip_suffix('\n').unwrap_or(text).to_owned())
    };
    if value.is_empty() {
        return Err(bad(&format!("the value of {name} is empty")).hint(format!(
            "type it, or send it: `hpt seal {name} TARGET < FILE`"
        )));
    }
    Ok(value)
}

fn typed(prompt: &str) -> Result<Zeroizing<String>, CommandError> {
    prompt::hidden(prompt).map_err(|why| match why {
        Unanswered::NoTerminal => CommandError::new(
            Exit::Failed,
            "a value is needed and there is no terminal to ask on",
        )
        .hint("it may come on standard input"),
        Unanswered::Interrupted => CommandError::new(Exit::Failed, "interrupted"),
    })
}

//! `hpt rotate-client-keys`: new keys for this client, known to its targets one after another.

use std::path::Path;

use hpt_keystore::client::{self, ClientKeys, KnownTarget};
use hpt_keystore::{Own, TargetName};
use serde::Serialize;

use crate::context::Context;
use crate::error::{CommandError, Exit};
use crate::fleet::{Work, each};
use crate::print::plural;
use crate::print::style::BOLD;
use crate::remote::Remote;

#[derive(clap::Args)]
#[command(after_help = "\
Each target is told of the new keys over a session of the old ones, proves over
one of the new keys that it lets them in, and only then forgets the old ones. A
target that cannot be reached keeps the old keys, and this keystore keeps them
for it: it follows at its next contact, whatever that is for, or when this
command is given again.

Examples:
  hpt rotate-client-keys
  hpt rotate-client-keys --again     new keys, though some do not know the last")]
pub(crate) struct Args {
    /// Make new keys though there are targets that do not know the last ones yet
    #[arg(long)]
    again: bool,
}

#[derive(Serialize)]
struct Rotated<'a> {
    event: &'static str,
    target: &'a str,
}

#[derive(Serialize)]
struct Begun {
    event: &'static str,
    fingerprint: String,
    targets: usize,
}

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    let path = context.keystore()?;
    let keys = client::load(&path)?;
    let late = keys.targets.iter().filter(|target| is_late(target)).count();
    if late > 0 && !args.again {
        let keys = plural(late, "target");
        let words =
            format!("going on: {keys} did not know the new keys yet (`--again` makes others)");
        context.terminal.note(words);
    } else {
        begin(&path, &keys, context)?;
    }
    if context.global.on.is_none() && context.global.target.is_none() {
        let keys = client::load(&path)?;
        let late = keys.targets.iter().filter(|target| is_late(target));
        let names: Vec<_> = late.map(|target| target.name.to_string()).collect();
        if names.is_empty() {
            return Ok(Exit::Done);
        }
        context.global.on = Some(names.join(" | "));
    }
    each(context, &[], Work::Reads, of_one)
}

fn is_late(target: &KnownTarget) -> bool {
    target.behind.is_some()
}

fn begin(path: &Path, keys: &ClientKeys, context: &mut Context) -> Result<(), CommandError> {
    let words = match keys.own {
        Own::Open(_) => None,
        Own::Sealed(_) => Some(context.current_passphrase()?),
    };
    let identity = client::begin(path, words.as_deref())?;
    let fingerprint = identity.fingerprint();
    let targets = plural(keys.targets.len(), "target");
    context.terminal.note(format_args!(
        "new keys are made: {fingerprint}; {targets} to follow. Older backups have the old keys alone"
    ));
    context.terminal.json(&Begun {
        event: "new-keys",
        fingerprint,
        targets: keys.targets.len(),
    });
    Ok(())
}

async fn of_one(context: &mut Context) -> Result<Exit, CommandError> {
    let name = context.global.target.clone();
    let name: TargetName = name.expect("this verb goes over targets");
    let began = std::time::Instant::now();
    if let Some(member) = &context.member {
        member.begin();
    }
    let mut remote = Remote::connect(&name, context).await?;
    if let Some(error) = remote.behind.take() {
        return Err(error);
    }
    remote.heed(&mut context.terminal).await;
    let line = format!("{BOLD}{name}{BOLD:#}  knows the new keys alone");
    context.terminal.conclude(&line, began.elapsed());
    context.terminal.json(&Rotated {
        event: "rotated",
        target: name.as_str(),
    });
    Ok(Exit::Done)
}

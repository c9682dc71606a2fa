//! `hpt rotate-target-keys`: new keys for targets, which their clients follow to.

use hpt_keystore::Identity;
use serde::Serialize;

use crate::context::Context;
use crate::error::{CommandError, Exit};
use crate::fleet::{Work, each};
use crate::print::listed_up_to;
use crate::print::style::BOLD;
use crate::remote::Remote;
use crate::terminal::visible;

/// As many names of clients are told.
const NAMED: usize = 5;

#[derive(clap::Args)]
#[command(after_help = "\
A target makes its new keys itself; its former ones sign that they follow. This
client pins them when it has reached the target by them. Other clients do so at
their next contact, whatever that is for, and the target answers to both keys
until all have: who never comes any more is let go by `hpt revoke`.

Keys that somebody may have stolen could sign for a thief's as well. Install
such a target anew instead: `hpt install user@host --target NAME --force`.

Examples:
  hpt --target web1 rotate-target-keys
  hpt --on '*' rotate-target-keys")]
pub(crate) struct Args {
    /// Do not ask, of however many targets it is
    #[arg(long)]
    yes: bool,
}

#[derive(Serialize)]
struct Renewed<'a> {
    event: &'static str,
    target: &'a str,
    fingerprint: String,
    /// The clients that are to follow.
    late: &'a [String],
}

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    if context.global.on.is_none() && context.global.target.is_none() {
        return Err(CommandError::usage("new keys for which targets?")
            .hint("`hpt --target NAME rotate-target-keys`"));
    }
    let work = Work::changes("Make new keys for", args.yes);
    each(context, &[], work, of_one)
}

async fn of_one(context: &mut Context) -> Result<Exit, CommandError> {
    let name = context.global.target.clone().expect("there is one");
    let began = std::time::Instant::now();
    if let Some(member) = &context.member {
        member.begin();
    }
    let asked = Remote::with(&name, context, async |remote, _| {
        let (renewal, late) = remote.renew().await?;
        remote.follow_renewal(&renewal).await?;
        Ok((remote.identity, late))
    });
    let (identity, late) = asked.await?;
    let line = format!("{BOLD}{name}{BOLD:#}  {}", words(&identity, &late));
    context.terminal.conclude(&line, began.elapsed());
    context.terminal.json(&Renewed {
        event: "renewed",
        target: name.as_str(),
        fingerprint: identity.fingerprint(),
        late: &late,
    });
    Ok(Exit::Done)
}

fn words(identity: &Identity, late: &[String]) -> String {
    let keys = format!("has new keys: {}", identity.fingerprint());
    match late {
        [] => keys,
        [one] => format!(
            "{keys}; the former ones hold until {} has followed",
            visible(one)
        ),
        many => {
            let names: Vec<_> = many.iter().map(|name| visible(name).into_owned()).collect();
            let names = listed_up_to(NAMED, &names);
            format!("{keys}; the former ones hold until {names} have followed")
        }
    }
}

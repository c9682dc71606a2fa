//! `hpt revoke`: a client is let in no longer.

use hpt_keystore::TargetName;
use serde::Serialize;

use crate::context::Context;
use crate::error::{CommandError, Exit};
use crate::fleet::{Work, each};
use crate::print::style::BOLD;
use crate::remote::Remote;
use crate::remote_pins::Whom;
use crate::terminal::visible;

#[derive(clap::Args)]
#[command(after_help = "\
Its sessions end at once, whatever they are about; runs that it has started go
on, for they belong to their hosts. The last client that may do everything for
ever stays, unless `--force-lockout` says that nobody is to be let in any more.

Examples:
  hpt --on '*' revoke desk
  hpt --on '*' revoke hptclient1nar3g...     its key, whatever it is called there")]
pub(crate) struct Args {
    /// The name that targets have for it, or its key
    #[arg(value_name = "CLIENT", value_parser = Whom::parse)]
    client: Whom,

    /// Though nobody would be left who may do everything
    #[arg(long)]
    force_lockout: bool,

    /// Do not ask, of however many targets it is
    #[arg(long)]
    yes: bool,
}

#[derive(Serialize)]
struct Revoked<'a> {
    event: &'static str,
    target: &'a str,
    client: Option<&'a str>,
}

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    each(
        context,
        &[],
        Work::changes("Revoke it at", args.yes),
        async |context| of_one(args, context).await,
    )
}

async fn of_one(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    let began = std::time::Instant::now();
    let name = wanted(context)?;
    if let Some(member) = &context.member {
        member.begin();
    }
    let asked = Remote::with(&name, context, async |remote, _| {
        remote.revoke(&args.client, args.force_lockout).await
    });
    let removed = asked.await?;
    let state = match &removed {
        Some(client) => format!("{} is let in no longer", visible(client)),
        None => format!("{} was not let in", args.client),
    };
    let line = format!("{BOLD}{name}{BOLD:#}  {state}");
    context.terminal.conclude(&line, began.elapsed());
    context.terminal.json(&Revoked {
        event: "revoked",
        target: name.as_str(),
        client: removed.as_deref(),
    });
    Ok(Exit::Done)
}

fn wanted(context: &Context) -> Result<TargetName, CommandError> {
    context.global.target.clone().ok_or_else(|| {
        CommandError::usage("at which targets?").hint("`hpt --on '*' revoke CLIENT`")
    })
}

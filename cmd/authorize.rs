//! `hpt authorize`: another client is let in by targets, and told of them.

use std::cell::RefCell;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hpt_keystore::client::{self, KnownTarget};
use hpt_keystore::{ClientName, Grants, Identity, Keypair, Psk, Role, introduce};
use hpt_proto::wire::AuthorizeRequest;
use serde::Serialize;

use crate::context::{Context, now};
use crate::error::{CommandError, Exit};
use crate::fleet::{Work, each};
use crate::print::style::BOLD;
use crate::print::{day, plural};
use crate::remote::Remote;

/// What a client may do of whom nothing else is said: look.
const LOOK: &str = "status facts plan log attach";

#[derive(clap::Args)]
#[command(after_help = "\
KEY is what `hpt gen-client-keys` printed on the other workstation. Every target
is given it with a secret of their own, and NAME.pins tells the other client of
them: each line is sealed for that client and signed by this one, so that the
file may be sent as it is. There, `hpt accept NAME.pins` pins the targets.

A client may do what its grants say: status, facts, plan, apply, exec, log,
attach, cancel, undo, pins, call:NAME; or all. Nobody gives what they have not.

Examples:
  hpt --on 'tag:prod' authorize hptclient1nar3g... --name desk
  hpt --target web1 authorize hptclient1nar3g... --name ana --grants all --for 30d")]
pub(crate) struct Args {
    /// The other client's key
    #[arg(value_name = "KEY", value_parser = key)]
    key: Identity,

    /// What the targets are to call it
    #[arg(long, value_name = "NAME", value_parser = ClientName::parse)]
    name: ClientName,

    /// What it may do: words with a blank between, or all
    #[arg(long, value_name = "WORDS", value_parser = grants, default_value = LOOK)]
    grants: Grants,

    /// For how long it is let in: 12h, 30d; for ever, if nothing is said
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    lasts: Option<Duration>,

    /// Forget the keys that have this name there
    #[arg(long)]
    replace: bool,

    /// Do not ask, of however many targets it is
    #[arg(long)]
    yes: bool,
}

#[derive(Serialize)]
struct Authorized<'a> {
    event: &'static str,
    target: &'a str,
    client: &'a str,
    grants: String,
    until: Option<u64>,
}

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    if context.global.on.is_none() && context.global.target.is_none() {
        return Err(CommandError::usage("at which targets?")
            .hint("`hpt --on '*' authorize KEY --name NAME`"));
    }
    let path = context.keystore()?;
    let own = client::load(&path)?.own;
    let own = context.open(own)?;
    let file = PathBuf::from(format!("{}.pins", args.name));
    let told = RefCell::new(0);
    let exit = each(
        context,
        &[],
        Work::changes("Let it in at", args.yes),
        async |context| {
            let line = of_one(args, &own, context).await?;
            append(&file, &line).map_err(CommandError::io("tell of a target in", &file))?;
            *told.borrow_mut() += 1;
            Ok(Exit::Done)
        },
    )?;
    let told = told.into_inner();
    if told > 0 {
        let file = file.display();
        let targets = plural(told, "target");
        context.terminal.note(format_args!(
            "{file} tells {} of {targets}; there: `hpt accept {file}`, which will name {}",
            args.name,
            own.identity().fingerprint()
        ));
    }
    Ok(exit)
}

/// Lets the client in by one target; the line that tells it so.
async fn of_one(args: &Args, own: &Keypair, context: &mut Context) -> Result<String, CommandError> {
    let began = std::time::Instant::now();
    let name = context.global.target.clone().expect("there is one");
    let until = args.lasts.map(|lasts| now() + lasts.as_secs());
    let psk = Psk::generate();
    let request = AuthorizeRequest {
        name: args.name.to_string(),
        identity: args.key.to_bytes().into(),
        psk: psk.expose().into(),
        grants: args.grants.to_string(),
        until: until.unwrap_or_default(),
        replace: args.replace,
    };
    if let Some(member) = &context.member {
        member.begin();
    }
    let asked = Remote::with(&name, context, async |remote, _| {
        remote.authorize(request).await?;
        Ok((remote.identity, remote.kept_address.clone()))
    });
    let (identity, address) = asked.await?;
    let ends = until.map_or_else(String::new, |until| format!(" until {}", day(until)));
    let line = format!(
        "{BOLD}{name}{BOLD:#}  lets {} in{ends}: {}",
        args.name, args.grants
    );
    context.terminal.conclude(&line, began.elapsed());
    context.terminal.json(&Authorized {
        event: "authorized",
        target: name.as_str(),
        client: args.name.as_str(),
        grants: args.grants.to_string(),
        until,
    });
    let target = KnownTarget {
        name,
        identity,
        psk,
        address,
        added_at: now(),
        behind: None,
    };
    Ok(introduce(own, &args.key, &target))
}

/// The file grows: what was told before holds on, and of a target told twice the last word counts.
fn append(file: &Path, line: &str) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.append(true).create(true).open(file)?;
    file.write_all(format!("{line}\n").as_bytes())
}

fn key(text: &str) -> Result<Identity, String> {
    Identity::parse(Role::Client, text).map_err(|bad| bad.to_string())
}

fn grants(text: &str) -> Result<Grants, String> {
    match text {
        "all" => Ok(Grants::all()),
        text => Grants::parse(text).map_err(|bad| bad.to_string()),
    }
}

fn time(text: &str) -> Result<Duration, String> {
    let time = match text.strip_suffix('d').map(str::parse) {
        Some(Ok(days @ 1..=36_500)) => Duration::from_hours(days * 24),
        Some(_) => return Err("write 30d, or 12h".to_owned()),
        None => hpt_provisioner::time::parse(text)?,
    };
    if time.as_secs() == 0 {
        return Err("it is at least a second".to_owned());
    }
    Ok(time)
}

//! `hpt accept`: the targets that another client has had let this one in.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use hpt_keystore::client::{self, PinError};
use hpt_keystore::{Existing, Identity, Introduction, TargetName};
use serde::Serialize;

use crate::context::{Context, now};
use crate::error::{CommandError, Exit};
use crate::print::{listed_up_to, plural};
use crate::terminal::Terminal;

/// As many names are shown.
const NAMED: usize = 10;

#[derive(clap::Args)]
#[command(after_help = "\
The fingerprint is that of whoever ran `hpt authorize`: compare it with what they
say it is, for what they call web1 will be web1 here.

Examples:
  hpt accept desk.pins
  hpt accept --from d350-e78a-c1b5-72e6-196f-ff13-2417-5196 desk.pins")]
pub(crate) struct Args {
    /// What `hpt authorize` wrote
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Whose word it must be, instead of a question
    #[arg(long, value_name = "FINGERPRINT")]
    from: Option<String>,

    /// Forget keys that targets of these names have here
    #[arg(long)]
    replace: bool,
}

#[derive(Serialize)]
struct Accepted {
    event: &'static str,
    targets: Vec<String>,
    from: String,
}

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    let path = context.keystore()?;
    let own = client::load(&path)?.own;
    let own = context.open(own)?;
    let text = fs::read_to_string(&args.file).map_err(CommandError::io("read it", &args.file))?;
    let mut all: BTreeMap<TargetName, Introduction> = BTreeMap::new();
    for (line, number) in text.lines().zip(1..) {
        let read = Introduction::parse(&own, line, now()).map_err(|why| {
            let what = format!(
                "{}:{number}: {why}; nothing was changed",
                args.file.display()
            );
            CommandError::new(Exit::Failed, what)
        })?;
        all.insert(read.target.name.clone(), read);
    }
    let by = author(&all, &args.file.display().to_string())?;
    agree(args, &all, &by, context)?;
    let existing = if args.replace {
        Existing::Replace
    } else {
        Existing::Keep
    };
    let mut names = Vec::new();
    for Introduction { target, .. } in all.into_values() {
        let known = client::load_target(&path, &target.name).ok();
        let is_same = known.is_some_and(|(_, known)| known.identity == target.identity);
        let existing = if is_same { Existing::Replace } else { existing };
        client::pin_target(&path, &target, existing).map_err(|error| match error {
            error @ PinError::Taken(_) => CommandError::from(error)
                .hint("`hpt rename` gives it another name; `--replace` forgets its keys"),
            error @ PinError::Load(_) => error.into(),
        })?;
        names.push(target.name.to_string());
    }
    let count = plural(names.len(), "target");
    context
        .terminal
        .say(format!("{count} pinned: {}", listed_up_to(NAMED, &names)));
    context.terminal.json(&Accepted {
        event: "accepted",
        targets: names,
        from: by.fingerprint(),
    });
    Ok(Exit::Done)
}

/// Who says all of it.
fn author(all: &BTreeMap<TargetName, Introduction>, file: &str) -> Result<Identity, CommandError> {
    let mut authors = all.values().map(|introduced| introduced.by);
    let Some(by) = authors.next() else {
        let what = format!("{file} tells of no target");
        return Err(CommandError::new(Exit::Failed, what));
    };
    if authors.any(|other| other != by) {
        let what = format!("{file}: its lines are by several authors; nothing was changed");
        return Err(CommandError::new(Exit::Failed, what).hint("accept a file of each of them"));
    }
    Ok(by)
}

/// Goes on only if the author is meant.
fn agree(
    args: &Args,
    all: &BTreeMap<TargetName, Introduction>,
    by: &Identity,
    context: &mut Context,
) -> Result<(), CommandError> {
    let fingerprint = by.fingerprint();
    if let Some(from) = &args.from {
        if *from == fingerprint {
            return Ok(());
        }
        let what = format!("it is by {fingerprint}, not by {from}; nothing was changed");
        return Err(CommandError::new(Exit::Failed, what));
    }
    if !Terminal::can_ask() {
        return Err(
            CommandError::usage("there is nobody to ask whose word this is").hint(format!(
                "`--from {fingerprint}` says so, once you have compared it"
            )),
        );
    }
    let names: Vec<_> = all.keys().map(TargetName::as_str).collect();
    let names = listed_up_to(NAMED, &names);
    let question = format!("{names}: by the word of {fingerprint}. Is that who you think it is?");
    if context.terminal.ask(question) {
        return Ok(());
    }
    Err(CommandError::new(Exit::Failed, "nothing was changed"))
}

//! `hpt why`: what hpt has to do with a thing of a host.

use hpt_proto::convert::detail;
use hpt_proto::wire::{Asked, Outcome, Owned, Running, Version, WhyReply};
use hpt_provisioner::describe::Detail;
use serde::Serialize;

use crate::context::Context;
use crate::error::{CommandError, Exit};
use crate::fleet::{Work, each};
use crate::print::plan::detail as detail_words;
use crate::print::style::{BOLD, DIM};
use crate::print::{json, moment};
use crate::site::Site;
use crate::terminal::visible;

#[derive(clap::Args)]
#[command(after_help = "\
Says which block of which config owns it, which run changed it last, and who asked
for that; then what runs have made of it, newest first, as far as their journals
go back. Exits with 1 if hpt never had to do with it.

Examples:
  hpt --target web1 why /etc/nginx/nginx.conf
  hpt --target web1 why user:ana
  hpt --target web1 why package:nginx
  hpt --target web1 why unit:nginx.service
  sudo hpt why exec:migrate                       a block, by its id")]
pub(crate) struct Args {
    /// A path, or user:NAME, group:NAME, package:NAME, unit:NAME, or the id of a block
    what: String,

    /// Show every line of every diff
    #[arg(short, long)]
    all: bool,
}

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    let what = thing(&args.what)?;
    each(context, &[], Work::Reads, async |context| {
        of_one(args, &what, context).await
    })
}

async fn of_one(args: &Args, what: &str, context: &mut Context) -> Result<Exit, CommandError> {
    let asked = Site::with(context, async |site, _| {
        let reply = site.why(what).await?;
        Ok::<_, CommandError>((site.name().to_owned(), reply))
    });
    let (name, reply) = asked.await?;
    let WhyReply { owned, versions } = reply;
    let terminal = &mut context.terminal;
    if owned.is_empty() && versions.is_empty() {
        terminal.json(&Nothing {
            event: "nothing",
            target: &name,
            what,
        });
        let words = visible(&args.what).into_owned();
        terminal.say(format_args!(
            "{BOLD}{}{BOLD:#}  nothing that hpt did has to do with {words}",
            visible(&name)
        ));
        if !what.contains(':') {
            terminal.note(
                "no block has this id; a path is absolute, others are user:ana, package:nginx",
            );
        }
        return Ok(Exit::Failed);
    }
    let title = format!("{BOLD}{}{BOLD:#}  {}", visible(&name), visible(&args.what));
    if owned.is_empty() {
        terminal.say(format_args!("{title}  is no config's"));
    } else {
        terminal.say(title);
    }
    for one in &owned {
        terminal.json(&Ownership::new(&name, one));
        terminal.say(format_args!("\n{}", owner(one)));
    }
    for version in versions {
        let details = version.details.iter().cloned().map(detail);
        let details: Vec<Detail> = details.filter_map(Result::ok).collect();
        terminal.json(&Change::new(&name, &version, &details));
        let mut text = format!("\n{}", change(&version));
        for part in &details {
            text.push('\n');
            detail_words(&mut text, part, args.all);
            text.pop();
        }
        terminal.say(text);
    }
    Ok(Exit::Done)
}

/// The thing, as a ledger names it.
fn thing(what: &str) -> Result<String, CommandError> {
    if what.starts_with('/') {
        let path = hpt_provisioner::name::AbsPath::parse(what);
        let path = path.map_err(|bad| CommandError::usage(format!("{what}: {bad}")))?;
        return Ok(format!("path:{path}"));
    }
    match what.split_once(':') {
        Some(("unit", name)) if !name.contains('.') => Ok(format!("{what}.service")),
        // Or a block that its config calls so.
        _ => Ok(what.to_owned()),
    }
}

/// Whose it is, in lines.
fn owner(owned: &Owned) -> String {
    let (id, config, file) = (
        visible(&owned.id),
        visible(&owned.config),
        visible(&owned.file),
    );
    let mut text = format!("owned by  {id} of config {config}, {file}:{}", owned.line);
    if !owned.part.is_empty() {
        text += &format!("\n          as a part of it: {}", visible(&owned.part));
    }
    let made = if owned.made {
        "made by hpt"
    } else {
        "not made by hpt, or only in part"
    };
    text += &format!("\n          {made}");
    if owned.gone {
        text += "\n          it is not there any more";
    }
    let (run, by, when) = asked(owned.last.as_ref());
    text + &if run.is_empty() {
        format!("\nsince     {by} asked for it, {when}, and it was in place")
    } else {
        format!("\nsince     run {run} of {by}, {when}")
    }
}

/// What a run has made of it, in lines.
fn change(version: &Version) -> String {
    let (run, by, when) = asked(version.by.as_ref());
    let outcome = outcome(version);
    let mut text = format!("{DIM}{when}{DIM:#}  {outcome:8}  run {run} of {by}");
    let (id, file) = (visible(&version.id), visible(&version.file));
    text += &format!("\n    {id}  {DIM}{file}:{}{DIM:#}", version.line);
    for what in &version.what {
        text += &format!("\n    {}", visible(what));
    }
    text
}

fn outcome(version: &Version) -> &'static str {
    match version.outcome() {
        Outcome::Unspecified => "in doubt",
        Outcome::Ok => "in place",
        Outcome::Changed => "changed",
        Outcome::Skipped => "skipped",
        Outcome::Failed => "failed",
        Outcome::NotRun => "not run",
        Outcome::Reverted => "reverted",
    }
}

/// The run, who asked for it, and when.
fn asked(asked: Option<&Asked>) -> (String, String, String) {
    let Asked { run, key } = asked.cloned().unwrap_or_default();
    let Running { run, by, since } = run.unwrap_or_default();
    let mut by = visible(&by).into_owned();
    if !key.is_empty() {
        by += &format!(" (key {})", visible(&key));
    }
    (visible(&run).into_owned(), by, moment(since))
}

#[derive(Serialize)]
struct Nothing<'a> {
    event: &'static str,
    target: &'a str,
    what: &'a str,
}

/// Who asked for a run.
#[derive(Serialize)]
struct By {
    run: String,
    by: String,
    key: String,
    time: u64,
}

impl By {
    fn new(asked: Option<&Asked>) -> Self {
        let Asked { run, key } = asked.cloned().unwrap_or_default();
        let Running { run, by, since } = run.unwrap_or_default();
        Self {
            run,
            by,
            key,
            time: since,
        }
    }
}

#[derive(Serialize)]
struct Ownership<'a> {
    event: &'static str,
    target: &'a str,
    config: &'a str,
    id: &'a str,
    file: &'a str,
    line: u32,
    #[serde(skip_serializing_if = "str::is_empty")]
    part: &'a str,
    made: bool,
    gone: bool,
    last: By,
}

impl<'a> Ownership<'a> {
    fn new(target: &'a str, owned: &'a Owned) -> Self {
        Self {
            event: "owned",
            target,
            config: &owned.config,
            id: &owned.id,
            file: &owned.file,
            line: owned.line,
            part: &owned.part,
            made: owned.made,
            gone: owned.gone,
            last: By::new(owned.last.as_ref()),
        }
    }
}

#[derive(Serialize)]
struct Change<'a> {
    event: &'static str,
    target: &'a str,
    id: &'a str,
    file: &'a str,
    line: u32,
    outcome: &'static str,
    #[serde(flatten)]
    by: By,
    what: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<json::Part<'a>>,
}

impl<'a> Change<'a> {
    fn new(target: &'a str, version: &'a Version, details: &'a [Detail]) -> Self {
        Self {
            event: "version",
            target,
            id: &version.id,
            file: &version.file,
            line: version.line,
            outcome: outcome(version),
            by: By::new(version.by.as_ref()),
            what: &version.what,
            details: details.iter().map(json::Part::new).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_is_named_as_the_ledger_names_it() {
        for (said, named) in [
            ("/etc/motd", "path:/etc/motd"),
            ("user:ana", "user:ana"),
            ("unit:nginx", "unit:nginx.service"),
            ("unit:a.timer", "unit:a.timer"),
            ("file:/etc/motd", "file:/etc/motd"),
            ("named1", "named1"),
        ] {
            assert_eq!(thing(said).ok().as_deref(), Some(named));
        }
        assert!(thing("/etc/../motd").is_err());
    }
}

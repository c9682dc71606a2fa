//! `hpt log`: who did what on a target.

use std::collections::BTreeMap;

use hpt_agent::audit::{Head, Record};
use hpt_keystore::TargetName;
use hpt_proto::wire::LogRequest;
use serde::Serialize;

use crate::context::Context;
use crate::error::{CommandError, Exit};
use crate::fleet::{Work, each};
use crate::print::moment;
use crate::print::style::{BOLD, DIM};
use crate::remote::Remote;
use crate::terminal::{Terminal, visible};

#[derive(clap::Args)]
#[command(after_help = "\
Oldest first; times are in UTC.
A long hash is shown by its first digits, and whole with --json.
`hpt audit verify` checks all of it.

Examples:
  hpt --target web1 log                 the last 20 records
  hpt --target web1 log --from 1        all of them
  hpt --target web1 log --from 1 --raw > web1.jsonl
                                        a copy that can be verified")]
pub(crate) struct Args {
    /// Begin with this record [default: the last 20]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    from: Option<u64>,

    /// Print the records as they are, for `hpt audit verify FILE`
    #[arg(long)]
    raw: bool,
}

/// Records that are shown if it is not said which.
const LAST: u64 = 20;
/// Digits of a hash that are shown.
const DIGITS: usize = 12;

#[derive(Serialize)]
struct Object<'a> {
    event: &'static str,
    target: &'a str,
    seq: u64,
    time: u64,
    kind: &'a str,
    by: &'a str,
    key: &'a str,
    run: &'a str,
    detail: &'a BTreeMap<String, String>,
    hash: &'a str,
}

impl<'a> Object<'a> {
    fn new(target: &'a TargetName, record: &'a Record) -> Self {
        Self {
            event: "record",
            target: target.as_str(),
            seq: record.seq,
            time: record.time,
            kind: &record.kind,
            by: &record.by,
            key: &record.key,
            run: &record.run,
            detail: &record.detail,
            hash: &record.hash,
        }
    }
}

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    each(context, &[], Work::Reads, async |context| {
        of_one(args, context).await
    })
}

async fn of_one(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    let Some(name) = context.global.target.clone() else {
        return Err(CommandError::usage("whose log?").hint("`hpt --target NAME log`"));
    };
    if args.raw && context.terminal.is_json() {
        return Err(CommandError::usage(
            "--raw prints records as they are, and --json as objects of hpt's",
        )
        .hint("leave out `--raw` or `--json`"));
    }
    let request = match args.from {
        Some(from) => LogRequest { from, limit: 0 },
        None => LogRequest {
            from: 0,
            limit: LAST,
        },
    };
    let mut chain: Option<Head> = None;
    let mut show = |line: &str, terminal: &mut Terminal| {
        let broken = |why: &dyn std::fmt::Display| {
            CommandError::new(Exit::Failed, format!("{name}: {why}")).hint(format!(
                "`hpt --target {name} audit verify` reads all of it"
            ))
        };
        let record: Record =
            serde_json::from_str(line).map_err(|_| broken(&"its log is not one of records"))?;
        let before = || {
            let hash = blake3::Hash::from_hex(&record.prev).ok()?;
            let seq = record.seq.checked_sub(1)?;
            Some(Head { seq, hash })
        };
        let mut head = chain.or_else(before).unwrap_or_default();
        head.read(line).map_err(|why| broken(&why))?;
        chain = Some(head);
        if args.raw {
            terminal.say(visible(line));
        } else {
            terminal.say(words(&record));
        }
        terminal.json(&Object::new(&name, &record));
        Ok(())
    };
    let heard = Remote::with(&name, context, async |remote, context| {
        remote.heed(&mut context.terminal).await;
        let mut each = |line: &str| show(line, &mut context.terminal);
        remote.log(request, &mut each).await
    });
    let end = heard.await?;
    let end = end.map(|signed| signed.head);
    if chain.is_some() && end != chain {
        let what = format!("{name}: its log does not end where the target says");
        return Err(CommandError::new(Exit::Failed, what).hint(format!(
            "`hpt --target {name} audit verify` reads all of it"
        )));
    }
    Ok(Exit::Done)
}

/// When, what, who, and the rest.
fn words(record: &Record) -> String {
    let by = match record.by.as_str() {
        "" => "-".into(),
        by => visible(by),
    };
    let mut line = format!(
        "{DIM}{:>5}  {}{DIM:#}  {BOLD}{:<15}{BOLD:#}  {by:<12}",
        record.seq,
        moment(record.time),
        visible(&record.kind).replace('-', " "),
    );
    if !record.run.is_empty() {
        line += &format!("  {}", visible(&record.run));
    }
    for (name, value) in &record.detail {
        let short = match blake3::Hash::from_hex(value) {
            Ok(_) => &value[..DIGITS],
            Err(_) => value,
        };
        line += &format!("  {DIM}{}{DIM:#} {}", visible(name), visible(short));
    }
    line.trim_end().to_owned()
}

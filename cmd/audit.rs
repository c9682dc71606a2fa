//! `hpt audit`: that nothing was taken from what a target has recorded, and nothing changed in it.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use hpt_agent::audit::{Head, verify};
use hpt_keystore::TargetName;
use hpt_keystore::client::load_target;
use hpt_proto::wire::LogRequest;
use serde::Serialize;

use crate::context::{Context, runtime};
use crate::error::{CommandError, Exit};
use crate::heads::Kept;
use crate::print::plural;
use crate::print::style::BOLD;
use crate::remote::Remote;

#[derive(clap::Args)]
#[command(after_help = "\
Each record of a target's audit covers all before it, and the target signs the
last one. This client keeps the last that it has seen of each target, beside its
keystore, and says so at every contact if it is not there any more.

Examples:
  hpt --target web1 audit verify              all of it, against what was seen
  hpt audit verify audit.jsonl                a copy, or what `log --from 1 --raw` wrote
  hpt --target web1 audit accept              its state was removed, and I know why")]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Read all of it, and name the first bad record
    Verify {
        /// A copy of `audit.jsonl`, whole; with --target, one of that target
        file: Option<PathBuf>,
    },
    /// Go on from what is there now
    Accept,
}

#[derive(Serialize)]
struct Object<'a> {
    event: &'static str,
    target: &'a str,
    records: u64,
    hash: String,
    /// The record up to which it is known to be what was seen earlier.
    known: u64,
}

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    let name = context.global.target.clone();
    let nobody = |what: &str| {
        CommandError::usage(format!("{what} whose audit?"))
            .hint(format!("`hpt --target NAME audit {what}`"))
    };
    match (&args.what, name) {
        (What::Verify { file: Some(file) }, name) => verify_file(file, name.as_ref(), context),
        (What::Verify { file: None }, Some(name)) => verify_remote(&name, context),
        (What::Verify { file: None }, None) => Err(nobody("verify")),
        (What::Accept, Some(name)) => accept(&name, context),
        (What::Accept, None) => Err(nobody("accept")),
    }
}

fn verify_file(
    path: &Path,
    name: Option<&TargetName>,
    context: &mut Context,
) -> Result<Exit, CommandError> {
    let known = match name {
        Some(name) => {
            let keystore = context.keystore()?;
            let (_, target) = load_target(&keystore, name)?;
            known(&Kept::of(&keystore, &target.identity.signing))?
        }
        None => None,
    };
    let file = File::open(path).map_err(CommandError::io("read it", path))?;
    let shown = path.display().to_string();
    let head = verify(BufReader::new(file), known, |_| ())
        .map_err(|why| CommandError::new(Exit::Failed, format!("{shown}: {why}")))?;
    show(&shown, head, known, context);
    Ok(Exit::Done)
}

fn verify_remote(name: &TargetName, context: &mut Context) -> Result<Exit, CommandError> {
    let broken =
        |why: &dyn std::fmt::Display| CommandError::new(Exit::Failed, format!("{name}: {why}"));
    let (head, known) =
        runtime()?.block_on(Remote::with(name, context, async |remote, context| {
            remote.heed(&mut context.terminal).await;
            let known = known(&remote.audit.kept)?;
            let mut head = Head::default();
            let mut each = |line: &str| {
                head.read(line).map_err(|why| broken(&why))?;
                match known {
                    Some(known) if known.seq == head.seq => {
                        head.is(&known).map_err(|why| broken(&why))
                    }
                    _ => Ok(()),
                }
            };
            let signed = remote.log(LogRequest::default(), &mut each).await?;
            let end = signed.map_or(Head::default(), |signed| signed.head);
            if let Some(known) = known.filter(|known| known.seq > head.seq) {
                let (next, seen) = (head.seq + 1, known.seq);
                let what = format!("record {next} is missing: record {seen} was there earlier");
                return Err(broken(&what));
            }
            if end != head {
                return Err(broken(&"its records do not end where it says"));
            }
            if let Some(signed) = &signed {
                remote.audit.keep(signed);
            }
            Ok((head, known))
        }))?;
    show(name.as_str(), head, known, context);
    Ok(Exit::Done)
}

fn accept(name: &TargetName, context: &mut Context) -> Result<Exit, CommandError> {
    let head = runtime()?.block_on(Remote::with(name, context, async |remote, context| {
        remote.heed(&mut context.terminal).await;
        let head = remote.accept_audit().await?;
        if head.is_some() {
            return Ok(head);
        }
        let kept = &remote.audit.kept;
        let forgotten = kept.forget();
        let forgotten =
            forgotten.map_err(CommandError::io("forget what was seen of it", kept.path()))?;
        let since = if forgotten {
            ", and what was seen of an earlier one is forgotten"
        } else {
            ""
        };
        let words = format!("{name} has no audit yet{since}");
        context.terminal.note(words);
        Ok(None)
    }))?;
    if let Some(head) = head {
        show(name.as_str(), head, None, context);
    }
    Ok(Exit::Done)
}

fn known(kept: &Kept) -> Result<Option<Head>, CommandError> {
    kept.read()
        .map_err(CommandError::io("read what was seen of it", kept.path()))
}

fn show(whose: &str, head: Head, known: Option<Head>, context: &mut Context) {
    let hash = head.hash.to_hex();
    let records = plural(usize::try_from(head.seq).unwrap_or(usize::MAX), "record");
    let seen = match known {
        Some(known) => format!(", as they were seen up to record {}", known.seq),
        None => String::new(),
    };
    context.terminal.say(format_args!(
        "{BOLD}{whose}{BOLD:#}  {records}, each follows from the one before{seen}; head {}",
        &hash[..12]
    ));
    context.terminal.json(&Object {
        event: "audit",
        target: whose,
        records: head.seq,
        hash: hash.to_string(),
        known: known.map_or(0, |known| known.seq),
    });
}

//! What `hpt fmt` and `hpt fix` have in common: files that are rewritten in place, whole or not at all.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use hpt_provisioner::config::File;
use hpt_provisioner::diff::{self, Tag};
use serde::Serialize;
use tempfile::NamedTempFile;

use crate::config;
use crate::context::Context;
use crate::error::{CommandError, Exit};
use crate::print::style::{CREATED, REMOVED};
use crate::terminal::visible;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Config files
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,

    /// Change nothing, and exit with 1 if there is something to change
    #[arg(long)]
    pub(crate) check: bool,
}

/// For programs: a file that was rewritten, or would be.
#[derive(Serialize)]
struct Rewritten<'a> {
    event: &'static str,
    file: &'a str,
    written: bool,
}

/// Rewrites each file by `rewrite`, all of them or none. The word for it goes before their names.
pub(crate) fn run(
    args: &Args,
    word: &'static str,
    shows_diff: bool,
    rewrite: impl Fn(&File) -> Result<String, CommandError>,
    context: &mut Context,
) -> Result<Exit, CommandError> {
    let mut changed = Vec::new();
    for path in &args.files {
        let file = config::read(path)?;
        let new = rewrite(&file)?;
        if new != file.text {
            changed.push((path, file, new));
        }
    }
    for (path, file, new) in &changed {
        if !args.check {
            replace(path, new)?;
        }
        if shows_diff {
            context.terminal.say(difference(&file.text, new));
        }
        let word = if args.check { "to be " } else { "" }.to_owned() + word;
        context
            .terminal
            .say(format_args!("{}: {word}", visible(&file.name)));
        context.terminal.json(&Rewritten {
            event: "rewritten",
            file: &file.name,
            written: !args.check,
        });
    }
    if changed.is_empty() {
        context.terminal.note("nothing to change");
    }
    Ok(if args.check && !changed.is_empty() {
        Exit::Failed
    } else {
        Exit::Done
    })
}

/// Puts a text in the place of a file, with the mode that it had; a link goes on leading to it.
fn replace(path: &Path, text: &str) -> Result<(), CommandError> {
    let failed = || CommandError::io("write it", path);
    let path = fs::canonicalize(path).map_err(failed())?;
    let mode = fs::metadata(&path).map_err(failed())?.permissions();
    let folder = path.parent().unwrap_or(Path::new("/"));
    let mut new = NamedTempFile::new_in(folder).map_err(failed())?;
    new.write_all(text.as_bytes()).map_err(failed())?;
    new.as_file().set_permissions(mode).map_err(failed())?;
    new.as_file().sync_all().map_err(failed())?;
    new.persist(&path).map_err(|error| failed()(error.error))?;
    Ok(())
}

/// The lines that went and came, with those around them.
fn difference(old: &str, new: &str) -> String {
    let lines = diff::lines(old.as_bytes(), new.as_bytes()).unwrap_or_default();
    let lines = lines.iter().map(|line| {
        let text = visible(&line.text);
        match line.tag {
            Tag::Same => format!("    {text}"),
            Tag::Old => format!("{REMOVED}  - {text}{REMOVED:#}"),
            Tag::New => format!("{CREATED}  + {text}{CREATED:#}"),
            Tag::Gap => "    ...".to_owned(),
        }
    });
    let lines: Vec<String> = lines.map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}

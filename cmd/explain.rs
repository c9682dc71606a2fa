//! `hpt explain`: what a word of a config means, or where a value comes from.

mod field;
pub(crate) mod schema;

use std::path::PathBuf;

use clap::Subcommand;
use hpt_provisioner::config::{self, File, Level, Setting};
use hpt_provisioner::fault::Place;
use serde::Serialize;

use crate::context::Context;
use crate::error::{CommandError, Exit, nearest};
use crate::given;
use crate::print::style::BOLD;
use crate::terminal::visible;

#[derive(clap::Args)]
#[command(
    disable_help_subcommand = true,
    args_conflicts_with_subcommands = true,
    subcommand_value_name = "WHAT",
    subcommand_help_heading = "What",
    override_usage = "hpt explain [WORD]\n       hpt explain var [OPTIONS] NAME FILE...",
    after_help = "\
Examples:
  hpt explain                                   all blocks and tables
  hpt explain service                           its fields
  hpt explain service.enabled                   all about one
  hpt explain var port site.toml
  hpt --target web1 explain var port --var port=8080 site.toml"
)]
pub(crate) struct Args {
    /// A block, a table, or BLOCK.FIELD
    #[arg(value_name = "WORD")]
    word: Option<String>,

    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Subcommand)]
enum What {
    /// Where a value comes from: the level that wins, and every level that lost
    Var(Var),
}

#[derive(clap::Args)]
struct Var {
    /// The name after `vars.`
    #[arg(value_name = "NAME")]
    name: String,

    /// Config files, executed one after another
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    #[command(flatten)]
    given: given::Options,
}

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    match &args.what {
        Some(What::Var(args)) => var(args, context),
        None => field::explain(args.word.as_deref(), context),
    }
}

/// For programs: a value, and who has set it.
#[derive(Serialize)]
struct Explained<'a> {
    event: &'static str,
    name: &'a str,
    /// The winner first.
    levels: Vec<Shown>,
}

/// One level as it is shown.
#[derive(Serialize)]
struct Shown {
    level: String,
    value: String,
    /// `FILE:LINE`; empty for the command line.
    at: String,
}

fn var(args: &Var, context: &mut Context) -> Result<Exit, CommandError> {
    let name = args.name.strip_prefix("vars.").unwrap_or(&args.name);
    let mut given = args.given.read()?;
    let (mut files, known) = context.gather_config(&args.files, &mut given)?;
    let mut settings = match config::settings(&files, &given) {
        Ok(settings) => settings,
        Err(faults) => return Err(CommandError::faults(files, faults)),
    };
    for mut setting in known.settings {
        setting.place = setting.place.map(|place| Place {
            file: files.len(),
            ..place
        });
        settings.push(setting);
    }
    files.extend(known.file);
    let (more, given) = args.given.settings(files.len())?;
    files.extend(more);
    settings.extend(given);
    let levels: Vec<Shown> = settings
        .iter()
        .rev()
        .filter(|setting| setting.name == name)
        .map(|setting| shown(setting, &files))
        .collect();
    if levels.is_empty() {
        let what = format!("nothing sets `vars.{}`", visible(name));
        let error = CommandError::new(Exit::Config, what);
        let known = settings.iter().map(|setting| setting.name.as_str());
        return Err(match nearest(name, known) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint(format!("write {} = ... below [vars]", visible(name))),
        });
    }
    context.terminal.say(table(name, &levels));
    context.terminal.json(&Explained {
        event: "var",
        name,
        levels,
    });
    Ok(Exit::Done)
}

fn shown(setting: &Setting, files: &[File]) -> Shown {
    let level = match &setting.level {
        Level::Config => "[vars]".to_owned(),
        Level::Group(name) => format!("group {name}"),
        Level::Target => "the target".to_owned(),
        Level::File => "--var-file".to_owned(),
        Level::Line => "--var".to_owned(),
    };
    let at = setting.place.as_ref().map_or(String::new(), |place| {
        let file = &files[place.file];
        format!("{}:{}", file.name, place.line_column(&file.text).0)
    });
    Shown {
        level,
        value: setting.value.to_string(),
        at,
    }
}

/// The winner in a line of its own, then every level, the strongest first.
fn table(name: &str, levels: &[Shown]) -> String {
    let wide = |column: fn(&Shown) -> &str| {
        let widths = levels.iter().map(|shown| column(shown).chars().count());
        widths.max().unwrap_or_default()
    };
    let (level, at) = (wide(|shown| &shown.level), wide(|shown| &shown.at));
    let rows = levels.iter().enumerate().map(|(i, shown)| {
        let mark = if i == 0 { '=' } else { ' ' };
        let value = visible(&shown.value);
        format!(
            "\n{mark} {:level$}  {:at$}  {value}",
            shown.level,
            visible(&shown.at)
        )
    });
    let rows: String = rows.collect();
    let winner = visible(&levels[0].value);
    format!("{BOLD}vars.{name}{BOLD:#} = {winner}\n{rows}")
}

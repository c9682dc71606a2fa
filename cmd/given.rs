//! `--var`, `--var-file` and `--tags`: what is said of a config besides its files.

use std::fs;
use std::path::PathBuf;

use hpt_provisioner::config::Given;

use crate::error::{CommandError, Exit};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// A value for the config, in the place of its own
    #[arg(long = "var", value_name = "NAME=VALUE", help_heading = "Config")]
    vars: Vec<String>,

    /// A TOML file of such values; --var wins over it
    #[arg(long, value_name = "FILE", help_heading = "Config")]
    var_file: Vec<PathBuf>,

    /// Only blocks with one of these tags
    #[arg(
        long,
        value_name = "TAG,...",
        value_delimiter = ',',
        help_heading = "Config"
    )]
    tags: Vec<String>,
}

impl Options {
    /// Whether nothing was said.
    pub(crate) fn is_empty(&self) -> bool {
        self.vars.is_empty() && self.var_file.is_empty() && self.tags.is_empty()
    }

    /// Reads what was said.
    pub(crate) fn read(&self) -> Result<Given, CommandError> {
        let mut given = Given {
            tags: self.tags.iter().cloned().collect(),
            ..Given::default()
        };
        for path in &self.var_file {
            let name = path.display();
            let bad = |what: String| CommandError::new(Exit::Config, what);
            let text = fs::read_to_string(path);
            let text = text.map_err(|why| bad(format!("cannot read {name}: {why}")))?;
            given.add(&text).map_err(|error| {
                let (line, column) = error.span().map_or((1, 1), |span| {
                    hpt_provisioner::fault::Place { file: 0, span }.line_column(&text)
                });
                bad(format!("{name}:{line}:{column}: {}", error.message()))
            })?;
        }
        for text in &self.vars {
            let assigned = given.assign(text);
            assigned.map_err(|why| {
                CommandError::usage(format!("--var {text}: {why}")).hint("--var port=8080")
            })?;
        }
        Ok(given)
    }
}

//! `--var`, `--var-file` and `--tags`: what is said of a config besides its files.

use std::fs;
use std::path::PathBuf;

use hpt_provisioner::config::{self, File, Given, Level, Setting};

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
        for file in self.files()? {
            let read = given.add(&file.text);
            read.map_err(|error| unread(&file, &error))?;
        }
        for text in &self.vars {
            let assigned = given.assign(text);
            assigned.map_err(|why| {
                CommandError::usage(format!("--var {text}: {why}")).hint("--var port=8080")
            })?;
        }
        Ok(given)
    }

    /// The same values one by one, the weakest first, and the files that they were read from. They
    /// are read after `before` other files.
    pub(crate) fn settings(
        &self,
        before: usize,
    ) -> Result<(Vec<File>, Vec<Setting>), CommandError> {
        let files = self.files()?;
        let mut settings = Vec::new();
        for (i, file) in files.iter().enumerate() {
            let read = Setting::of_file(&file.text, before + i);
            settings.extend(read.map_err(|error| unread(file, &error))?);
        }
        let line = Self {
            vars: self.vars.clone(),
            var_file: Vec::new(),
            tags: Vec::new(),
        };
        let assigned = line.read()?.vars.into_iter();
        settings.extend(assigned.map(|(name, value)| Setting {
            name,
            value,
            level: Level::Line,
            place: None,
        }));
        Ok((files, settings))
    }

    fn files(&self) -> Result<Vec<File>, CommandError> {
        let read = |path: &PathBuf| {
            let name = path.display().to_string();
            let text = fs::read_to_string(path).map_err(|why| {
                CommandError::new(Exit::Config, format!("cannot read {name}: {why}"))
                    .hint("`--var-file FILE` is a path from where you are")
            })?;
            Ok(File { name, text })
        };
        self.var_file.iter().map(read).collect()
    }
}

fn unread(file: &File, error: &toml::de::Error) -> CommandError {
    let fault = config::not_toml(error, &file.text, 0);
    CommandError::faults(vec![file.clone()], vec![fault])
}

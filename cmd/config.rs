//! A config's files, read and checked before anything is contacted.

use std::fs;
use std::path::{Path, PathBuf};

use hpt_keystore::Letter;
use hpt_provisioner::config::resource::SecretSource;
use hpt_provisioner::config::{self, File, Given, Outline, limits};
use hpt_provisioner::fault::{Fault, Place};
use hpt_provisioner::source::Source;

use crate::age;
use crate::context::Context;
use crate::error::{CommandError, Exit, Problem};
use crate::print::fault;
use crate::secrets;
use crate::sources::{file, tree};

/// A config that is valid as far as can be known here.
pub(crate) struct Checked {
    pub(crate) files: Vec<File>,
    /// The directory of each file; what it names is relative to that.
    pub(crate) dirs: Vec<PathBuf>,
    /// What the command line says besides.
    pub(crate) given: Given,
    pub(crate) outline: Outline,
}

impl Context {
    /// Reads and checks the files of a config, and shows their warnings.
    pub(crate) fn read_config(
        &mut self,
        paths: &[PathBuf],
        given: Given,
    ) -> Result<Checked, CommandError> {
        let files = paths
            .iter()
            .map(|path| read(path))
            .collect::<Result<Vec<_>, _>>()?;
        let target = self.global.target.as_ref().map_or("", |name| name.as_str());
        let outline = match config::check(&files, target, &given) {
            Ok(outline) => outline,
            Err(faults) => return Err(CommandError::faults(files, faults)),
        };
        if !outline.warnings.is_empty() {
            self.terminal.note(fault::faults(&files, &outline.warnings));
        }
        let dirs = paths.iter().map(|path| directory(path)).collect();
        let config = Checked {
            files,
            dirs,
            given,
            outline,
        };
        let mut faults = config.missing();
        faults.extend(config.no_letters());
        faults.sort_by_key(|fault| fault.place.as_ref().map(Place::order));
        if faults.is_empty() {
            Ok(config)
        } else {
            Err(CommandError::faults(config.files, faults))
        }
    }
}

impl Checked {
    /// Every file of this machine that the config names and that cannot be read.
    fn missing(&self) -> Vec<Fault> {
        let sources = self.outline.needs.iter().filter_map(|(need, place)| {
            let Source::File(path) = &need.source else {
                return None;
            };
            let path = self.dirs[place.file].join(path);
            let opened = if need.tree {
                tree::check(&path)
            } else {
                file::open(&path).map(drop)
            };
            Some((place, opened.err()?))
        });
        let resources = &self.outline.resources;
        let secrets = resources.secrets.iter().filter_map(|(name, source)| {
            let place = &resources.secret_places[name];
            let dir = &self.dirs[place.file];
            let read = match source {
                SecretSource::File(path) => secrets::from_file(name, &dir.join(path)).map(drop),
                SecretSource::Age(file) => age::file(name, dir, file).map(drop),
                _ => return None,
            };
            Some((place, read.err()?))
        });
        sources
            .chain(secrets)
            .filter_map(|(place, error)| match error.problem {
                Problem::Words(what) => Some(Fault::error(what, place.clone())),
                Problem::Faults { .. } => None,
            })
            .collect()
    }

    /// Every text that is to be sealed and is not, whomever it is for.
    fn no_letters(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let resources = &self.outline.resources;
        for (name, source) in &resources.secrets {
            let SecretSource::Sealed(letters) = source else {
                continue;
            };
            for (target, text) in letters {
                if let Err(why) = Letter::parse(text.get_ref()) {
                    let place = Place {
                        file: resources.secret_places[name].file,
                        span: text.span(),
                    };
                    let hint = format!("`hpt seal {name} {target}` prints what to write");
                    faults.push(Fault::error(why.to_string(), place).hint(hint));
                }
            }
        }
        faults
    }
}

fn directory(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Reads one file, as it is.
pub(crate) fn read(path: &Path) -> Result<File, CommandError> {
    let name = path.display().to_string();
    let bad = |what: String| CommandError::new(Exit::Config, what);
    let length = fs::metadata(path).map_err(|why| bad(format!("cannot read {name}: {why}")))?;
    if length.is_dir() {
        return Err(
            bad(format!("cannot read {name}: it is a directory")).hint("name the files in it")
        );
    }
    if length.len() > u64::try_from(limits::FILE).unwrap_or(u64::MAX) {
        return Err(bad(format!(
            "{name} is longer than 1 MiB, which is the most a config can be"
        )));
    }
    let bytes = fs::read(path).map_err(|why| bad(format!("cannot read {name}: {why}")))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let good = String::from_utf8_lossy(&error.as_bytes()[..good]);
        let (line, column) = Place {
            file: 0,
            span: good.len()..good.len(),
        }
        .line_column(&good);
        bad(format!(
            "{name}:{line}:{column}: this is not UTF-8, and TOML is"
        ))
    })?;
    Ok(File { name, text })
}

//! A config's files, read and checked before anything is contacted.

use std::path::{Path, PathBuf};

use hpt_keystore::Letter;
use hpt_provisioner::config::resource::SecretSource;
use hpt_provisioner::config::{self, File, Gathered, Given, Outline};
use hpt_provisioner::fault::{Fault, Place};

use crate::age;
use crate::context::Context;
use crate::error::{CommandError, Problem};
use crate::inventory::Own;
use crate::print::fault;
use crate::sources::{file, tree};
use crate::{files, secrets};

/// A config that is valid as far as can be known here.
pub(crate) struct Checked {
    /// Those that were named, then those that they include.
    pub(crate) files: Vec<File>,
    /// What the command line says besides.
    pub(crate) given: Given,
    pub(crate) outline: Outline,
}

impl Context {
    /// Reads the files of a config and what the inventory says of the target.
    pub(crate) fn gather_config(
        &mut self,
        paths: &[PathBuf],
        given: &mut Given,
    ) -> Result<(Vec<File>, Own), CommandError> {
        let named = paths.iter().map(|path| files::read(path));
        let Gathered {
            files,
            included,
            faults,
        } = config::gather(named.collect::<Result<_, _>>()?, &mut files::load);
        if !faults.is_empty() {
            return Err(CommandError::faults(files, faults));
        }
        given.included = included;
        let known = self.know(paths, given)?;
        Ok((files, known))
    }

    /// Reads and checks the files of a config, and shows their warnings.
    pub(crate) fn read_config(
        &mut self,
        paths: &[PathBuf],
        mut given: Given,
    ) -> Result<Checked, CommandError> {
        let (files, _) = self.gather_config(paths, &mut given)?;
        let target = self.global.target.as_ref().map_or("", |name| name.as_str());
        let outline = match config::check(&files, target, &given) {
            Ok(outline) => outline,
            Err(faults) => return Err(CommandError::faults(files, faults)),
        };
        if !outline.warnings.is_empty() {
            self.terminal.note(fault::faults(&files, &outline.warnings));
        }
        let config = Checked {
            files,
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
            let path = self.outline.resources.local(&need.source)?;
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
            let dir = self.files[place.file].dir();
            let read = match source {
                SecretSource::File(path) => secrets::from_file(name, Path::new(path)).map(drop),
                SecretSource::Age(file) => age::file(name, dir, file).map(drop),
                _ => return None,
            };
            Some((place, read.err()?))
        });
        sources
            .chain(secrets)
            .filter_map(|(place, error)| match error.problem {
                Problem::Words(what) => {
                    let mut fault = Fault::error(what, place.clone());
                    fault.hint = (!error.hints.is_empty()).then(|| error.hints.join("; "));
                    Some(fault)
                }
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

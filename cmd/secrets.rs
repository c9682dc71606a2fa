//! The values of `[secret.NAME]`, on the machine that starts the run.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use hpt_provisioner::config::resource::SecretSource;
use hpt_provisioner::secret::Secret;
use zeroize::Zeroizing;

use crate::config::Checked;
use crate::env;
use crate::error::{CommandError, Exit};

/// The longest secret, in bytes.
const LONGEST: u64 = 64 * 1024;

/// All secrets of a config, each with its one or two values.
pub(crate) struct Secrets {
    values: BTreeMap<String, Vec<Secret>>,
    /// Those that open buckets: they stay on this machine.
    credentials: BTreeSet<String>,
}

impl Secrets {
    /// Reads every secret, or says which cannot be had; never what is in it.
    pub(crate) fn read(config: &Checked) -> Result<Self, CommandError> {
        let resources = &config.outline.resources;
        let mut values = BTreeMap::new();
        for (name, source) in &resources.secrets {
            let read = match source {
                SecretSource::Env(names) => names.iter().map(|env| from_env(name, env)).collect(),
                SecretSource::File(path) => from_file(name, &config.dirs[0].join(path)),
            };
            let place = &resources.secret_places[name];
            values.insert(
                name.clone(),
                read.map_err(CommandError::at(&config.files, place))?,
            );
        }
        let named = resources
            .buckets
            .values()
            .filter_map(|bucket| bucket.credentials.as_deref());
        let credentials = named.map(|text| bare(text).to_owned()).collect();
        Ok(Self {
            values,
            credentials,
        })
    }

    /// The two values of `secret.NAME`: an access key and its secret. A file has one on each line.
    pub(crate) fn pair(&self, name: &str) -> Option<(Secret, Secret)> {
        match self.values.get(bare(name))?.as_slice() {
            [key, secret] => Some((key.clone(), secret.clone())),
            [both] => {
                let (key, secret) = both.expose().split_once('\n')?;
                Some((
                    Secret::new(key.to_owned()),
                    Secret::new(secret.trim_end().to_owned()),
                ))
            }
            _ => None,
        }
    }

    /// What a target is given: single values that are not credentials of buckets.
    pub(crate) fn for_target(&self) -> BTreeMap<String, Secret> {
        let single = |values: &[Secret]| match values {
            [one] => Some(one.clone()),
            _ => None,
        };
        let all = self
            .values
            .iter()
            .filter(|(name, _)| !self.credentials.contains(*name));
        all.filter_map(|(name, values)| Some((name.clone(), single(values)?)))
            .collect()
    }
}

/// `secret.spaces` and `spaces` name the same.
fn bare(text: &str) -> &str {
    text.strip_prefix("secret.").unwrap_or(text)
}

fn from_env(name: &str, variable: &str) -> Result<Secret, CommandError> {
    env::named(variable).map(Secret::new).ok_or_else(|| {
        let bad = |what: &str| CommandError::new(Exit::Config, format!("[secret.{name}]: {what}"));
        let is_usual = |c: u8| c.is_ascii_uppercase() || c.is_ascii_digit() || c == b'_';
        if variable.bytes().all(is_usual) {
            bad(&format!("the environment has no {variable}"))
        } else {
            // It may be the secret itself, and is not repeated.
            bad("the environment has no variable of the name in `env`")
                .hint("`env` is the name of a variable, not its value")
        }
    })
}

/// A file's text, without one line feed at its end.
pub(crate) fn from_file(name: &str, path: &Path) -> Result<Vec<Secret>, CommandError> {
    let cannot = |why: &dyn std::fmt::Display| {
        let what = format!("[secret.{name}]: cannot read {}: {why}", path.display());
        CommandError::new(Exit::Config, what)
    };
    let meta = fs::metadata(path).map_err(|why| cannot(&why))?;
    if !meta.is_file() || meta.len() > LONGEST {
        return Err(cannot(&"a secret is a file of at most 64 KiB"));
    }
    let bytes = Zeroizing::new(fs::read(path).map_err(|why| cannot(&why))?);
    let text = std::str::from_utf8(&bytes).map_err(|_| cannot(&"it is not UTF-8"))?;
    Ok(vec![Secret::new(
        text.strip_suffix('\n').unwrap_or(text).to_owned(),
    )])
}

#[cfg(test)]
mod tests {
    use hpt_provisioner::config::{self, File, Given};

    use super::*;
    use crate::error::Problem;

    /// A config of nothing but secrets, in a directory.
    fn config(dir: &Path, text: &str) -> Checked {
        let files = vec![File {
            name: "site.toml".into(),
            text: text.into(),
        }];
        let outline = config::check(&files, "", &Given::default()).unwrap();
        Checked {
            files,
            dirs: vec![dir.to_owned()],
            given: Given::default(),
            outline,
        }
    }

    #[test]
    fn files_and_what_a_target_gets_of_them() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("db"), "hunter2\n\n").unwrap();
        let good = "[secret.db]\nfile = \"db\"\n";
        let secrets = Secrets::read(&config(dir.path(), good)).ok().unwrap();
        assert_eq!(secrets.for_target()["db"].expose(), "hunter2\n");
        let bad = format!("{good}[secret.gone]\nfile = \"gone\"\n");
        let error = Secrets::read(&config(dir.path(), &bad)).err().unwrap();
        assert_eq!(error.exit, Exit::Config);
    }

    #[test]
    fn a_variable_that_is_not_set_is_named_and_shown() {
        let text = "[secret.x]\nenv = \"HPT_TEST_SURELY_NOT_SET\"\n";
        let error = Secrets::read(&config(Path::new("."), text)).err().unwrap();
        let Problem::Faults { files, faults } = error.problem else {
            panic!("faults")
        };
        let place = faults[0].place.as_ref().unwrap();
        assert_eq!(place.line_column(&files[0].text), (1, 9));
    }
}

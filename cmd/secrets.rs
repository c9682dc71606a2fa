//! The values of `[secret.NAME]`, on the machine that starts the run.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use hpt_keystore::{Letter, PassphraseError, target};
use hpt_provisioner::config::resource::{Letters, SecretSource};
use hpt_provisioner::secret::Secret;
use hpt_transport::{LocalKey, LocalKeys};
use zeroize::Zeroizing;

use crate::age;
use crate::config::Checked;
use crate::context::Context;
use crate::env;
use crate::error::{CommandError, Exit};
use crate::once::Once;
use crate::prompt::{self, Unanswered};
use crate::terminal::visible;

/// The longest secret, in bytes.
pub(crate) const LONGEST: usize = 64 * 1024;

/// What was typed for secrets, by their names and the words of the questions.
pub(crate) type Typed = Once<(String, String), Vec<Secret>>;

/// All secrets of a config, each with its one or two values.
pub(crate) struct Secrets {
    values: BTreeMap<String, Vec<Secret>>,
    /// Those that open buckets: they stay on this machine.
    credentials: BTreeSet<String>,
}

impl Secrets {
    /// Reads every secret, or says which cannot be had; never what is in it. What is sealed for a
    /// target is left to it; what is sealed for this host is opened here.
    pub(crate) fn read(config: &Checked, context: &Context) -> Result<Self, CommandError> {
        let resources = &config.outline.resources;
        let mut values = BTreeMap::new();
        // In the order of the config, in which questions are expected.
        let mut places: Vec<_> = resources.secret_places.iter().collect();
        places.sort_by_key(|(_, place)| place.order());
        let mut own = None;
        for (name, place) in places {
            let dir = config.files[place.file].dir();
            let read = match &resources.secrets[name] {
                SecretSource::Env(names) => names.iter().map(|env| from_env(name, env)).collect(),
                SecretSource::File(path) => from_file(name, Path::new(path)),
                SecretSource::Age(file) => age::open(name, dir, file),
                SecretSource::Prompt(words) => {
                    let question = (name.clone(), words.clone());
                    context.typed.ask(question, || typed(name, words))
                }
                SecretSource::Sealed(_) if context.global.target.is_some() => continue,
                SecretSource::Sealed(letters) => match &own {
                    Some(own) => Ok(own),
                    None => own_keys(name, context).map(|keys| &*own.insert(keys)),
                }
                .and_then(|own| opened(name, letters, own)),
            };
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
            bad(&format!("the environment has no {variable}")).hint(format!(
                "set it first: `read -rs {variable}; export {variable}`"
            ))
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
            .hint("`file` is a path from the directory of the config")
    };
    let meta = fs::metadata(path).map_err(|why| cannot(&why))?;
    if !meta.is_file() || usize::try_from(meta.len()).is_ok_and(|length| length > LONGEST) {
        return Err(cannot(&"a secret is a file of at most 64 KiB"));
    }
    let bytes = Zeroizing::new(fs::read(path).map_err(|why| cannot(&why))?);
    from_text(&bytes).ok_or_else(|| cannot(&"it is not UTF-8"))
}

/// A text of at most 64 KiB, without one line feed at its end.
pub(crate) fn from_text(bytes: &[u8]) -> Option<Vec<Secret>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    (text.len() <= LONGEST).then(|| vec![Secret::new(text.to_owned())])
}

/// What is typed for a secret, once.
fn typed(name: &str, words: &str) -> Result<Vec<Secret>, CommandError> {
    let bad = |what: &str| CommandError::new(Exit::Config, format!("[secret.{name}] {what}"));
    let answer = prompt::hidden(&visible(words)).map_err(|why| match why {
        Unanswered::NoTerminal => bad("is asked for, and there is no terminal to ask on")
            .hint("`env` or `file` bring it without one"),
        Unanswered::Interrupted => CommandError::new(Exit::Failed, "interrupted"),
    })?;
    if answer.is_empty() {
        return Err(bad("was asked for, and nothing was typed")
            .hint("`env` or `file` bring it without a question"));
    }
    Ok(vec![Secret::new(answer.as_str().to_owned())])
}

/// The keys of this host, which is its own target.
fn own_keys(name: &str, context: &Context) -> Result<LocalKeys, CommandError> {
    let path = context.keystore()?;
    let keys = target::load(&path).map_err(|why| {
        let what = format!("[secret.{name}] is sealed for a target, and this host is none");
        CommandError::new(Exit::Config, what).hint(format!(
            "`--target NAME` provisions one that can open it; here, {why}"
        ))
    })?;
    let opened = [keys.own].into_iter().chain(keys.former).map(|own| {
        let keys = own.open(&path, None)?;
        Ok::<_, PassphraseError>(LocalKey::new(keys.channel))
    });
    let opened: Result<_, _> = opened.collect();
    let opened = opened.map_err(|why| {
        CommandError::new(Exit::Config, format!("[secret.{name}] is sealed: {why}")).hint(
            "systemd opens them for hpt.service alone: `--target NAME` asks that, from a workstation",
        )
    })?;
    Ok(LocalKeys::new(opened))
}

/// What is sealed for this host, which need not know what others call it.
fn opened(name: &str, letters: &Letters, own: &LocalKeys) -> Result<Vec<Secret>, CommandError> {
    let open = |text: &str| own.open(&Letter::parse(text).ok()?, name).ok();
    let value = letters.values().find_map(|text| open(text.get_ref()));
    let text = value.and_then(|value| std::str::from_utf8(&value).ok().map(str::to_owned));
    let text = text.ok_or_else(|| {
        let what = format!("none of what is sealed in [secret.{name}] opens with this host's key");
        CommandError::new(Exit::Config, what).hint("on the workstation, `hpt seal` seals it anew")
    })?;
    Ok(vec![Secret::new(text)])
}

#[cfg(test)]
mod tests {
    use hpt_provisioner::config::{self, File, Given};

    use super::*;
    use crate::error::Problem;

    /// A config of nothing but secrets, in a directory.
    fn config(dir: &Path, text: &str) -> Checked {
        let files = vec![File {
            name: dir.join("site.toml").display().to_string(),
            text: text.into(),
        }];
        let outline = config::check(&files, "", &Given::default()).unwrap();
        Checked {
            files,
            given: Given::default(),
            outline,
        }
    }

    fn context() -> Context {
        let words = ["hpt", "plan", "site.toml"].map(Into::into);
        Context::new(&crate::args::CommandLine::of(words).unwrap().global)
    }

    #[test]
    fn files_and_what_a_target_gets_of_them() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("db"), "hunter2\n\n").unwrap();
        let good = "[secret.db]\nfile = \"db\"\n";
        let secrets = Secrets::read(&config(dir.path(), good), &context())
            .ok()
            .unwrap();
        assert_eq!(secrets.for_target()["db"].expose(), "hunter2\n");
        let bad = format!("{good}[secret.gone]\nfile = \"gone\"\n");
        let error = Secrets::read(&config(dir.path(), &bad), &context())
            .err()
            .unwrap();
        assert_eq!(error.exit, Exit::Config);
    }

    #[test]
    fn a_variable_that_is_not_set_is_named_and_shown() {
        let text = "[secret.x]\nenv = \"HPT_TEST_SURELY_NOT_SET\"\n";
        let error = Secrets::read(&config(Path::new("."), text), &context())
            .err()
            .unwrap();
        let Problem::Faults { files, faults } = error.problem else {
            panic!("faults")
        };
        let place = faults[0].place.as_ref().unwrap();
        assert_eq!(place.line_column(&files[0].text), (1, 9));
    }
}

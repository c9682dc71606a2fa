//! The named things that blocks refer to: `[bucket.NAME]`, `[repo.NAME]`, `[source.NAME]`, `[secret.NAME]`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeValue, ValueDeserializer};

use crate::config::document::RawBlock;
use crate::config::{fields, spelling};
use crate::fault::{Fault, Place};
use crate::source::{Need, Source, holds_password, is_bucket_name, within};

/// Everything that a config names besides its blocks.
#[derive(Default)]
pub struct Resources {
    /// `[bucket.NAME]`: `NAME://path` is an object in it.
    pub buckets: BTreeMap<String, Bucket>,
    /// `[repo.NAME]`: `NAME://path` is a file in it.
    pub repos: BTreeMap<String, Repo>,
    /// `[source.NAME]`: `NAME://path` is a file below it.
    pub bases: BTreeMap<String, Base>,
    /// `[secret.NAME]`: `{{ secret.NAME }}` is its value.
    pub secrets: BTreeMap<String, SecretSource>,
    /// Where each of the secrets stands.
    pub secret_places: BTreeMap<String, Place>,
    /// Buckets and repositories with a fault: they are there, though nobody can use them.
    faulty: BTreeSet<String>,
}

/// An S3-compatible bucket that the workstation reads objects from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bucket {
    /// The service's host name, such as `nyc3.digitaloceanspaces.com`, or an https URL.
    pub url: String,
    /// The bucket's name there, such as `"coleman"`.
    pub name: String,
    /// The region to sign for, such as `"eu-central-1"`; the first label of the host name.
    pub region: Option<String>,
    /// Whether to ask for `https://HOST/BUCKET/KEY` and not `https://BUCKET.HOST/KEY`; false.
    #[serde(default)]
    pub path_style: bool,
    /// `secret.NAME`, whose two values are the access key and the secret key. Without it the
    /// environment is asked: `DO_ACCESS_KEY` and `DO_SECRET_ACCESS_KEY`, then the AWS names.
    pub credentials: Option<String>,
}

/// A git repository that the workstation reads files from. With `dest` it is a `[[clone]]` too, as the
/// first hpt had it, and `user`, `key` and `password` are those of the clone.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repo {
    /// An https or ssh URL, such as `"https://git.example.org/files"`.
    pub url: String,
    /// A branch, tag or commit, such as `"v1"`; the branch that the server names.
    pub rev: Option<String>,
}

/// Where sources lie that the workstation reads: `NAME://path` is a file below it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Base {
    /// An https URL, such as `"https://files.example.org/v1"`, each file below which needs its `sha256`;
    /// or a directory of the workstation, such as `"/srv/files"` or `"../files"`, relative to that of
    /// the file that names it.
    pub url: String,
}

impl Base {
    /// What is wrong with a source below it.
    fn check(&self, path: &str, need: &Need, place: &Place) -> Option<Fault> {
        let is_https = self.https(path).is_some();
        let (what, hint) = if path.split('/').any(|part| part == "..") {
            ("a source lies below its [source.NAME]", "leave `..` out")
        } else if is_https && need.tree {
            (
                "https does not tell what a directory holds",
                "copy it from a [bucket.NAME] or a [repo.NAME], or bring it as an [[archive]]",
            )
        } else if is_https && need.sha256.is_none() {
            (
                "a file of an https [source.NAME] needs its `sha256`",
                "write `#sha256=` and what `sha256sum` prints behind the path",
            )
        } else {
            return None;
        };
        Some(Fault::error(what, place.clone()).hint(hint))
    }

    /// The URL of a file below it; `None` below a directory.
    pub fn https(&self, path: &str) -> Option<String> {
        let base = self.url.trim_end_matches('/');
        base.starts_with("https://")
            .then(|| format!("{base}/{path}"))
    }
}

/// Where the value of a secret comes from: the machine that starts the run, or what is sealed for its
/// target.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum SecretSource {
    /// The name of an environment variable, such as `"DB_PASSWORD"`, or two of them for a pair of keys:
    /// `["ACCESS_KEY", "SECRET_KEY"]`.
    #[serde(deserialize_with = "one_or_more")]
    Env(Vec<String>),
    /// A file, relative to the directory of the file that names it; one line feed at its end is dropped.
    File(String),
    /// A question to whoever starts the run: the words before the colon. What is typed is not
    /// shown, and asked for once a run; without a terminal there is no run.
    Prompt(String),
    /// A file that age has encrypted, for instance `{ file = "db.age", identity = "~/.age/key.txt" }`.
    Age(AgeFile),
    /// For each target that may know it, by the name that its keys have on the workstation, the text
    /// that `hpt seal` prints: `sealed = { web1 = "hpt1k:..." }`. That target alone can open it.
    Sealed(Letters),
}

/// A file that the `age` or `rage` of whoever starts the run opens, who may be asked for a passphrase
/// by it. One line feed at the end of the value is dropped.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table of `file` and `identity`")]
pub struct AgeFile {
    /// The encrypted file, relative to the config's directory; with or without armour.
    pub file: String,
    /// The file of keys that open it, relative to the config's directory; `~/` begins one in the home
    /// directory of whoever starts the run.
    pub identity: String,
}

/// By the name of its target, each text that `hpt seal` has made.
pub type Letters = BTreeMap<String, Spanned<String>>;

fn one_or_more<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Vec<String>, D::Error> {
    struct Names;
    impl<'de> serde::de::Visitor<'de> for Names {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("the name of an environment variable, or two of them")
        }

        fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
            Ok(vec![name.to_owned()])
        }

        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
            Vec::deserialize(serde::de::value::SeqAccessDeserializer::new(seq))
        }
    }
    d.deserialize_any(Names)
}

impl Resources {
    /// Reads `[kind.NAME]` tables. A `[repo.NAME]` with a `dest`, as the original had them, is a
    /// clone block at its own place: those are returned. `dir` is the directory of the file.
    pub(super) fn read<'a>(
        &mut self,
        kind: &str,
        value: Spanned<DeValue<'a>>,
        (file, dir): (usize, &str),
        faults: &mut Vec<Fault>,
    ) -> Vec<RawBlock<'a>> {
        let place = Place {
            file,
            span: value.span(),
        };
        let mut clones = Vec::new();
        let DeValue::Table(tables) = value.into_inner() else {
            let fault = Fault::error(format!("`{kind}` holds named tables"), place);
            faults.push(fault.label(format!("write [{kind}.NAME]")));
            return clones;
        };
        for (name, table) in tables {
            let place = Place {
                file,
                span: name.span(),
            };
            let name = name.into_inner().into_owned();
            if !is_bucket_name(&name) {
                let what = "a name here is 1 to 64 of letters, digits, `-` and `_`";
                let hint = format!("write [{kind}.NAME], such as [{kind}.app]");
                faults.push(Fault::error(what, place).hint(hint));
                continue;
            }
            if self.has(kind, &name) {
                let (what, hint) = match kind {
                    "secret" => (
                        format!("[secret.{name}] is there twice"),
                        "leave one of them out".to_owned(),
                    ),
                    _ => (
                        format!("a bucket, repository or source named `{name}` is there already"),
                        format!("`{name}://` can mean one of them: call the other otherwise"),
                    ),
                };
                faults.push(Fault::error(what, place).hint(hint));
                continue;
            }
            if let Some(clone) = self.read_one(kind, &name, table, &place, faults) {
                clones.push(clone);
            }
            if let Some(SecretSource::File(path)) = self.secrets.get_mut(&name)
                && kind == "secret"
            {
                *path = within(dir, path);
            }
            if let Some(base) = self.bases.get_mut(&name)
                && kind == "source"
                && !base.url.contains("://")
            {
                base.url = within(dir, &base.url);
            }
        }
        clones
    }

    fn has(&self, kind: &str, name: &str) -> bool {
        match kind {
            "secret" => self.secrets.contains_key(name),
            // One name space: `NAME://path` is either an object or a file.
            _ => {
                self.buckets.contains_key(name)
                    || self.repos.contains_key(name)
                    || self.bases.contains_key(name)
            }
        }
    }

    fn read_one<'a>(
        &mut self,
        kind: &str,
        name: &str,
        mut table: Spanned<DeValue<'a>>,
        place: &Place,
        faults: &mut Vec<Fault>,
    ) -> Option<RawBlock<'a>> {
        let mut clone = None;
        if kind == "repo"
            && let DeValue::Table(fields) = table.get_mut()
        {
            spelling::modernise(kind, fields, place.file, faults);
            if fields.contains_key("dest") {
                let fields = fields.clone();
                clone = Some(RawBlock {
                    kind: "clone",
                    place: place.clone(),
                    fields,
                });
            }
            for key in ["dest", "user", "key", "password"] {
                if clone.is_some() {
                    fields.remove(key);
                }
            }
        }
        let span = table.span();
        if let Some(url) = table.get_ref().get("url")
            && let Some((what, hint)) = url
                .get_ref()
                .as_str()
                .and_then(|url| is_refused(kind, name, url))
        {
            let at = Place {
                file: place.file,
                span: url.span(),
            };
            faults.push(Fault::error(what, at).hint(hint));
            self.faulty.insert(name.to_owned());
            return clone;
        }
        let fields = ValueDeserializer::from(table);
        let result = match kind {
            "bucket" => {
                Bucket::deserialize(fields).map(|b| drop(self.buckets.insert(name.to_owned(), b)))
            }
            "source" => {
                Base::deserialize(fields).map(|b| drop(self.bases.insert(name.to_owned(), b)))
            }
            "repo" => {
                Repo::deserialize(fields).map(|r| drop(self.repos.insert(name.to_owned(), r)))
            }
            _ => SecretSource::deserialize(fields).map(|s| {
                self.secrets.insert(name.to_owned(), s);
                self.secret_places.insert(name.to_owned(), place.clone());
            }),
        };
        if let Err(error) = result {
            let at = Place {
                file: place.file,
                span: error.span().unwrap_or(span),
            };
            let hidden;
            // serde's words for a choice are about its own types.
            let what = match error.message() {
                message if message.starts_with("wanted exactly 1 element") => {
                    "a secret has one origin, either `env`, `file`, `age`, `prompt` or `sealed`,"
                }
                // It may quote the secret itself, which somebody wrote here.
                message if kind == "secret" && !message.starts_with("missing field") => {
                    hidden = match message.rsplit_once(", expected ") {
                        Some((_, words)) => {
                            format!("a secret is not written here; expected {words},")
                        }
                        None => "this is not where a secret comes from,".to_owned(),
                    };
                    &hidden
                }
                message => message,
            };
            let table = format!("{kind}.{name}");
            faults.push(fields::in_table(&table, kind, what, at));
            if kind == "secret" {
                self.secret_places.insert(name.to_owned(), place.clone()); // declared, though wrong
            } else {
                self.faulty.insert(name.to_owned());
            }
        }
        clone
    }

    /// Where a source lies on this machine, if it does.
    pub fn local(&self, source: &Source) -> Option<PathBuf> {
        match source {
            Source::File(path) => Some(path.into()),
            Source::Https(_) => None,
            Source::Bucket { bucket, path, .. } => {
                let base = self.bases.get(bucket)?;
                let is_dir = base.https(path).is_none();
                is_dir.then(|| Path::new(&base.url).join(path))
            }
        }
    }

    /// Whether the bucket or repository of a source is there, and whether its hash is given where
    /// it must be.
    pub(super) fn check_source(&self, need: &Need, place: &Place, faults: &mut Vec<Fault>) {
        match &need.source {
            Source::Https(_) if need.sha256.is_none() && !need.tree => {
                let fault = Fault::error("an https source needs its `sha256`", place.clone());
                faults
                    .push(fault.hint(
                        "write sha256 = \"...\", as `sha256sum` prints it for what you mean",
                    ));
            }
            Source::Bucket {
                sha256: Some(_), ..
            } if need.tree => {
                let fault = Fault::error("a tree has no `sha256`", place.clone());
                faults
                    .push(fault.hint("an [[archive]] has one: leave `#sha256=` out, or copy that"));
            }
            Source::Bucket { bucket, path, .. } if self.bases.contains_key(bucket) => {
                faults.extend(self.bases[bucket].check(path, need, place));
            }
            Source::Bucket { bucket, .. }
                if !self.has("bucket", bucket) && !self.faulty.contains(bucket) =>
            {
                let what =
                    format!("there is no [bucket.{bucket}], [repo.{bucket}] or [source.{bucket}]");
                let known = self
                    .buckets
                    .keys()
                    .chain(self.repos.keys())
                    .chain(self.bases.keys())
                    .map(String::as_str);
                let fault = Fault::error(what, place.clone());
                faults.push(match super::nearest(bucket, known) {
                    Some(near) => fault.label(format!("did you mean `{near}`?")),
                    None => fault.hint("write one of them; a file of this machine has no `://`"),
                });
            }
            _ => {}
        }
    }
}

/// Why a URL is not taken, and what to do.
fn is_refused(kind: &str, name: &str, url: &str) -> Option<(String, &'static str)> {
    if holds_password(url) {
        let what = format!("the url of [{kind}.{name}] holds a password");
        let hint = match kind {
            "source" => {
                "whoever sees the config would see it: a [bucket.NAME] or a [repo.NAME] may be private"
            }
            _ => "whoever sees the config would see it: `hpt explain repo` says how to log in",
        };
        return Some((what, hint));
    }
    let is_other = kind == "source" && url.contains("://") && !url.starts_with("https://");
    is_other.then(|| {
        let what = "a source lies behind https or in a directory of this machine";
        (
            what.to_owned(),
            "write `https://...`, or the directory's path",
        )
    })
}

//! What tests begin with: a config of one file, what a target knows of itself, and nobody who listens.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test takes a part of it"
)]

use hpt_provisioner::config::scope::Scope;
use hpt_provisioner::config::{self, Config, File};
use hpt_provisioner::effect::{Access, Content, Effect, WriteFile};
use hpt_provisioner::host::facts::Facts;
use hpt_provisioner::name::AbsPath;
use hpt_provisioner::report::Event;
use hpt_provisioner::run::Witness;
use hpt_provisioner::secret::Secret;

/// `site.toml` alone.
pub fn files(text: &str) -> Vec<File> {
    vec![File {
        name: "site.toml".to_owned(),
        text: text.to_owned(),
    }]
}

/// What a target knows that has these secrets.
pub fn scope(secrets: &[(&str, &str)]) -> Scope {
    let secrets = secrets.iter();
    let secrets = secrets.map(|(name, text)| ((*name).to_owned(), Secret::new((*text).to_owned())));
    Scope {
        facts: Some(Facts::default()),
        secrets: Some(secrets.collect()),
        ..Scope::default()
    }
}

/// A config without a fault, as a target without secrets reads it.
pub fn config(text: &str) -> Config {
    config_in(text, scope(&[]))
}

/// The same with all that a target knows.
pub fn config_in(text: &str, scope: Scope) -> Config {
    config::parse(files(text), scope).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

pub fn path(text: &str) -> AbsPath {
    AbsPath::parse(text).unwrap()
}

/// A file is written.
pub fn file(at: &str, text: &str, access: Access) -> Effect {
    Effect::WriteFile(WriteFile {
        path: path(at),
        content: Content::Inline(text.as_bytes().into()),
        access,
        verify: None,
        secret: false,
    })
}

/// Hears nothing, and lets a run go on to its end.
pub struct Deaf;

impl Witness for Deaf {
    fn tell(&mut self, _: Event) {}

    fn go_on(&mut self) -> bool {
        true
    }
}

//! The values that a config's texts may name, and what such a text comes to.
//!
//! One language serves `{{ }}` in any string and `template` files. Facts and secrets are values: they
//! are put in, never rendered again (I3).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::block::owned_tree::OwnedTree;
use crate::config::Given;
use crate::config::renderer::Renderer;
use crate::host::facts::Facts;
use crate::name::{AbsPath, UnitName, UserName};
use crate::secret::Secret;
use crate::source::{Blob, Source};

/// Everything that a config is judged with besides its own text.
#[derive(Default)]
pub struct Scope {
    /// The name under which the starter of this run knows the host; empty when it runs on itself.
    pub target: String,
    /// `[vars]`, the level of the config.
    pub vars: toml::Table,
    /// The host's facts; `None` on the workstation, which does not know them.
    pub facts: Option<Facts>,
    /// The block that gives the host a name which only its run knows: `facts.hostname` is none until
    /// then.
    pub unnamed: Option<String>,
    /// The values of `[secret.NAME]`; `None` where they are not known, as in a check.
    pub secrets: Option<BTreeMap<String, Secret>>,
    /// The names of the config's `[secret.NAME]`, where their values are not known.
    pub named: BTreeSet<String>,
    /// Opens what is sealed for this host; `None` where its key is not.
    pub opener: Option<Opener>,
    /// Secrets that are sealed for other targets, and what to say where one is named all the same.
    pub elsewhere: BTreeMap<String, String>,
    /// What each source was resolved to.
    pub blobs: BTreeMap<Source, Blob>,
    /// What whoever starts the run says besides.
    pub given: Given,
    /// The hashes of the blobs that more than one block needs.
    pub shared: BTreeSet<[u8; 32]>,
    /// The paths that blocks of the config are about, and all above them.
    pub claimed: BTreeSet<AbsPath>,
    /// The directories all of whose content is a block's.
    pub trees: Vec<AbsPath>,
    /// The units that blocks are about, whose links stay.
    pub units: BTreeSet<UnitName>,
    /// The users whose keys a block may keep, in a home directory that only the host knows.
    pub keyed: BTreeSet<UserName>,
    /// The directories that one block gives to an owner with all that they hold.
    pub owned: BTreeMap<AbsPath, OwnedTree>,
    /// Whether a block may leave nobody who can become root by sudo; `[settings]`.
    pub allow_no_sudoer: bool,
}

/// Opens a text that `hpt seal` has made, given the secret's name and the text; or says why not.
pub type Opener = Arc<dyn Fn(&str, &str) -> Result<Secret, String> + Send + Sync>;

/// A rendered text.
pub enum Rendered {
    /// The text has no template in it, or a template whose values are all known.
    Value {
        /// The value; a lone `{{ x }}` keeps the type of `x`.
        value: toml::Value,
        /// Whether a secret went into it, so that it is one as a whole.
        secret: bool,
    },
    /// It names facts or secrets that are not known here.
    Deferred {
        /// Whether secrets are among them.
        secret: bool,
    },
    /// It names what blocks of this run come to.
    Late {
        /// The ids of those blocks.
        blocks: BTreeSet<String>,
        /// Whether a secret goes into it besides.
        secret: bool,
    },
}

/// Why a text could not be rendered, without the values of secrets.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{what}")]
pub struct RenderError {
    /// What is wrong: "`vars.port` is not defined".
    pub what: String,
    /// The line of the text at which it is, from 1.
    pub line: Option<usize>,
    /// Whether `what` or `hint` may repeat words of the text, or values.
    pub quotes: bool,
    /// What to do next, where that is known.
    pub hint: Option<String>,
}

impl Scope {
    /// Renders a text of the config.
    ///
    /// # Errors
    /// Where the template is wrong.
    pub fn render(&self, text: &str) -> Result<Rendered, RenderError> {
        self.render_with(text, &toml::Table::new())
    }

    /// Renders a text with a block's own values besides this scope's.
    ///
    /// # Errors
    /// Where the template is wrong.
    pub fn render_with(&self, text: &str, own: &toml::Table) -> Result<Rendered, RenderError> {
        Renderer::of(self).render(text, own)
    }
}

/// Whether a text has anything to render in it.
pub fn is_template(text: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|mark| text.contains(mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> Scope {
        let vars = "port = 80\nlist = [1, 2]\n".parse().unwrap();
        let secrets = BTreeMap::from([("db".to_owned(), Secret::new("hunter2".into()))]);
        Scope {
            vars,
            secrets: Some(secrets),
            ..Scope::default()
        }
    }

    fn value(text: &str) -> (toml::Value, bool) {
        match scope().render(text) {
            Ok(Rendered::Value { value, secret }) => (value, secret),
            Ok(Rendered::Deferred { .. } | Rendered::Late { .. }) => panic!("deferred"),
            Err(e) => panic!("{e}"),
        }
    }

    #[test]
    fn a_lone_expression_keeps_its_type() {
        assert_eq!(value("{{ vars.port }}").0, toml::Value::Integer(80));
        assert_eq!(
            value("p{{ vars.port }}\n").0,
            toml::Value::String("p80\n".into())
        );
        assert!(value("{{ vars.list }}").0.is_array());
    }

    #[test]
    fn a_secret_taints_what_it_goes_into() {
        assert_eq!(
            value("x={{ secret.db }}"),
            (toml::Value::String("x=hunter2".into()), true)
        );
        assert!(!value("{{ vars.port }}").1);
        for wrong in [
            "{{ secret.db + 1 }}",
            "{{ secret.db | int }}",
            "{{ secret.db.x.y }}",
        ] {
            if let Err(e) = scope().render(wrong) {
                assert!(!e.what.contains("hunter2"), "{}", e.what);
            }
        }
    }

    #[test]
    fn undefined_is_an_error_and_unknown_facts_are_deferred() {
        assert!(scope().render("{{ vars.nothing }}").is_err());
        assert!(scope().render("a {{ vars.nothing }} b").is_err());
        assert!(matches!(
            scope().render("{{ facts.hostname }}"),
            Ok(Rendered::Deferred { .. })
        ));
        assert!(scope().render("{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}").is_err());
    }

    #[test]
    fn values_are_never_rendered_again() {
        let mut scope = scope();
        scope.vars.insert("evil".into(), "{{ secret.db }}".into());
        let Ok(Rendered::Value { value, secret }) = scope.render("<{{ vars.evil }}>") else {
            panic!()
        };
        assert_eq!((value.as_str(), secret), (Some("<{{ secret.db }}>"), false));
    }
}

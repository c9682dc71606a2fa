//! The values that a config's texts may name, and the one place where such texts are rendered.
//!
//! One language serves `{{ }}` in any string and `template` files: minijinja, with undefined names
//! as errors, fuel-limited, without access to files. Facts and secrets are values: they are put in,
//! never rendered again (I3).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Enumerator, Object, Serde, Value};
use minijinja::{Environment, ErrorKind, UndefinedBehavior, context};

use crate::host::facts::Facts;
use crate::secret::Secret;
use crate::source::{Blob, Source};

/// Instructions a single template may spend; a loop over 10,000 items fits.
const FUEL: u64 = 1_000_000;

/// Everything that a config is judged with besides its own text.
#[derive(Default)]
pub struct Scope {
    /// The name under which the starter of this run knows the host; empty when it runs on itself.
    pub target: String,
    /// `[vars]`, the level of the config.
    pub vars: toml::Table,
    /// The host's facts; `None` on the workstation, which does not know them.
    pub facts: Option<Facts>,
    /// The values of `[secret.NAME]`; `None` where they are not known, as in a check.
    pub secrets: Option<BTreeMap<String, Secret>>,
    /// What each source was resolved to.
    pub blobs: BTreeMap<Source, Blob>,
}

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
    Deferred,
}

/// Why a text could not be rendered, without the values of secrets.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{what}")]
pub struct RenderError {
    /// What is wrong: "`vars.port` is not defined".
    pub what: String,
    /// The line of the text at which it is, from 1.
    pub line: Option<usize>,
}

/// The namespaces that only the target knows.
const DEFERRABLE: [&str; 2] = ["facts", "secret"];

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
        if !is_template(text) {
            let value = toml::Value::String(text.to_owned());
            return Ok(Rendered::Value {
                value,
                secret: false,
            });
        }
        let mut env = Environment::new();
        env.set_undefined_behavior(UndefinedBehavior::Strict);
        env.set_syntax(syntax());
        env.set_fuel(Some(FUEL));
        let template = env.template_from_str(text).map_err(|e| words(&e))?;
        let names = template.undeclared_variables(false);
        let known = |name: &str| match name {
            "facts" => self.facts.is_some(),
            _ => self.secrets.is_some(),
        };
        if DEFERRABLE
            .iter()
            .any(|name| names.contains(*name) && !known(name))
        {
            return Ok(Rendered::Deferred);
        }
        let secrets = Arc::new(Secrets {
            values: self.secrets.clone().unwrap_or_default(),
            touched: AtomicBool::new(false),
        });
        let context = context! {
            vars => Value::from(Serde(&self.vars)),
            facts => Value::from(Serde(&self.facts)),
            target => context! { name => self.target.as_str() },
            secret => Value::from_dyn_object(secrets.clone()),
            ..Value::from(Serde(own))
        };
        let hide = |error: &minijinja::Error| {
            let touched = secrets.touched.load(Ordering::Relaxed);
            if touched { hidden(error) } else { words(error) }
        };
        let value = match lone_expression(text) {
            Some(expression) => {
                let value = env
                    .compile_expression(expression)
                    .and_then(|e| e.eval(context))
                    .map_err(|e| hide(&e))?;
                if value.is_undefined() {
                    let what = format!("`{}` is not defined", expression.trim());
                    return Err(RenderError { what, line: None });
                }
                toml::Value::try_from(&value).map_err(|_| RenderError {
                    what: format!("`{}` is no value that TOML has", expression.trim()),
                    line: None,
                })?
            }
            None => toml::Value::String(template.render(context).map_err(|e| hide(&e))?),
        };
        Ok(Rendered::Value {
            value,
            secret: secrets.touched.load(Ordering::Relaxed),
        })
    }
}

/// As configuration files want it: a line that holds nothing but a block tag leaves no line behind,
/// and the last line feed stays.
fn syntax() -> SyntaxConfig {
    SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .keep_trailing_newline(true)
        .build()
        .expect("the usual delimiters")
}

/// Whether a text has anything to render in it.
pub fn is_template(text: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|mark| text.contains(mark))
}

/// The expression of a text that is one `{{ expression }}` and nothing else.
fn lone_expression(text: &str) -> Option<&str> {
    let inner = text.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    (!inner.contains("{{") && !inner.contains("}}")).then_some(inner)
}

fn words(error: &minijinja::Error) -> RenderError {
    let what = match error.kind() {
        ErrorKind::OutOfFuel => "the template does not come to an end".to_owned(),
        ErrorKind::UndefinedError => match error.detail() {
            Some(detail) => format!("undefined value: {detail}"),
            None => "a name in the template is not defined".to_owned(),
        },
        _ => error
            .detail()
            .map_or_else(|| error.kind().to_string(), ToOwned::to_owned),
    };
    RenderError {
        what,
        line: error.line(),
    }
}

/// The same without any detail, which could quote a secret.
fn hidden(error: &minijinja::Error) -> RenderError {
    RenderError {
        what: format!("{} in a template that uses a secret", error.kind()),
        line: error.line(),
    }
}

/// The namespace `secret`. It notices when it was asked, since a string made with a secret in it
/// is one too.
struct Secrets {
    values: BTreeMap<String, Secret>,
    touched: AtomicBool,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("secret")
    }
}

impl Object for Secrets {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let secret = self.values.get(key.as_str()?)?;
        self.touched.store(true, Ordering::Relaxed);
        Some(Value::from(secret.expose()))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable // `{{ secret }}` shows nothing
    }
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
            Ok(Rendered::Deferred) => panic!("deferred"),
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
            Ok(Rendered::Deferred)
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

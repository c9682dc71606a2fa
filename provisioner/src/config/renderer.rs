//! Renders the texts of one config: minijinja, with undefined names as errors, fuel-limited, without
//! access to files.

mod missing;
mod words;

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value, ValueKind};
use minijinja::{Environment, ErrorKind, Template, UndefinedBehavior, context, escape_formatter};

use self::missing::asks_for_name;
use self::words::{hidden, words};
use crate::config::late::Namespace;
use crate::config::limits;
use crate::config::names::Names;
use crate::config::scope::{RenderError, Rendered, Scope, is_template};
use crate::config::secrets::Secrets;
use crate::host::facts::Facts;
use crate::results::Results;

/// Instructions a single template may spend; a loop over 10,000 items fits.
const FUEL: u64 = 1_000_000;

/// Instructions that all templates of a config may spend together.
const ALL_FUEL: u64 = 4_000_000;

/// What a lone expression is taken to spend, which cannot be asked.
const EXPRESSION: u64 = 50;

/// After so many wrong templates the others are not looked at: the config is refused anyway.
const WRONG: u32 = 10;

/// The namespaces that only the target knows.
const DEFERRABLE: [&str; 2] = ["facts", "secret"];

/// Renders the texts of one config. What they may take is limited for all together (I1).
pub(super) struct Renderer<'a> {
    scope: &'a Scope,
    env: RefCell<Environment<'static>>,
    values: Value,
    secrets: Arc<Secrets>,
    results: Arc<Namespace>,
    /// Whether it is run by now, so that results can be asked for.
    runs: bool,
    /// The block without which `facts.hostname` is not known; see [`Scope::unnamed`].
    unnamed: Option<&'a str>,
    /// Instructions that are left.
    fuel: Cell<u64>,
    /// Bytes that may still be rendered.
    room: Cell<usize>,
    /// Templates that were wrong.
    wrong: Cell<u32>,
}

impl<'a> Renderer<'a> {
    /// What renders many texts with the values of a scope, and limits what they take together.
    pub(super) fn of(scope: &'a Scope) -> Self {
        let none = Arc::new(Namespace::of(&Results::default()));
        Self {
            runs: false,
            ..Self::knowing(scope, &Names::of(scope), none)
        }
    }

    /// The same for blocks that give the host its name: they see the one that it has.
    pub(super) fn before(scope: &'a Scope, hostname: &str) -> Self {
        let mut names = Names::of(scope);
        let facts = scope.facts.clone();
        let hostname = hostname.to_owned();
        names.facts = Value::from(Serde(facts.map(|facts| Facts { hostname, ..facts })));
        let none = Arc::new(Namespace::of(&Results::default()));
        Self {
            runs: false,
            unnamed: None,
            ..Self::knowing(scope, &names, none)
        }
    }

    /// The same for a block of a run, with what earlier ones came to; `names` are the scope's.
    pub(super) fn knowing(scope: &'a Scope, names: &Names, results: Arc<Namespace>) -> Self {
        let mut env = Environment::new();
        env.set_undefined_behavior(UndefinedBehavior::Strict);
        env.set_syntax(syntax());
        env.set_formatter(|out, state, value| match bool::try_from(value.clone()) {
            // As TOML, JSON and most of what is configured spell it.
            Ok(yes) if value.kind() == ValueKind::Bool => write!(out, "{yes}").map_err(Into::into),
            _ => escape_formatter(out, state, value),
        });
        let secrets = Arc::new(Secrets {
            values: names.secrets.clone(),
            touched: AtomicBool::new(false),
        });
        Self {
            scope,
            env: RefCell::new(env),
            values: context! {
                vars => names.vars.clone(),
                facts => names.facts.clone(),
                target => names.target.clone(),
                secret => Value::from_dyn_object(secrets.clone()),
                result => Value::from_dyn_object(results.clone()),
            },
            secrets,
            results,
            runs: true,
            unnamed: scope.unnamed.as_deref(),
            fuel: Cell::new(ALL_FUEL),
            room: Cell::new(limits::RENDERED),
            wrong: Cell::new(0),
        }
    }

    /// Renders a text with a block's own values besides the scope's.
    ///
    /// # Errors
    /// Where the template is wrong, or too much together with those before it.
    pub(super) fn render(&self, text: &str, own: &toml::Table) -> Result<Rendered, RenderError> {
        if !is_template(text) {
            let value = toml::Value::String(text.to_owned());
            return Ok(Rendered::Value {
                value,
                secret: false,
            });
        }
        if self.wrong.get() >= WRONG {
            return Ok(Rendered::Deferred { secret: false });
        }
        self.template(text, own)
            .inspect_err(|_| self.wrong.set(self.wrong.get() + 1))
    }

    fn template(&self, text: &str, own: &toml::Table) -> Result<Rendered, RenderError> {
        let fuel = self.fuel.get().min(FUEL);
        self.env.borrow_mut().set_fuel(Some(fuel));
        let env = self.env.borrow();
        let template = env.template_from_str(text).map_err(|e| words(&e))?;
        let names = template.undeclared_variables(false);
        let late = !self.runs && names.contains("result");
        if let Some(early) = self.early(&template, &names, late, own) {
            return early;
        }
        self.secrets.touched.store(false, Ordering::Relaxed);
        self.results.take_missed();
        let hide = |error: &minijinja::Error| {
            if matches!(error.kind(), ErrorKind::OutOfFuel) {
                self.spend(fuel);
            }
            self.words(error, &template, own)
        };
        let context = self.context(own);
        if late {
            // What it comes to with results that stand in is of no use, but whose they are is.
            let _ = template.render(context);
            let blocks = self.results.take_asked();
            let secret = names.contains("secret");
            return Ok(Rendered::Late { blocks, secret });
        }
        let value = if let Some(expression) = lone_expression(text) {
            let value = env
                .compile_expression(expression)
                .and_then(|e| e.eval(context))
                .map_err(|e| hide(&e))?;
            if value.is_undefined() {
                let undefined = minijinja::Error::new(
                    ErrorKind::UndefinedError,
                    format!("`{}` is not defined", expression.trim()),
                );
                return Err(self.words(&undefined, &template, own));
            }
            self.spend(EXPRESSION);
            self.fill(value.as_str().map_or(0, str::len))?;
            toml::Value::try_from(&value).map_err(|_| RenderError {
                what: format!("`{}` is no value that TOML has", expression.trim()),
                line: None,
                quotes: true,
                hint: None,
            })?
        } else {
            let mut page = Page {
                bytes: Vec::new(),
                room: self.room.get(),
            };
            let done = template.render_captured_to(context, &mut page);
            if page.bytes.len() >= page.room {
                self.fill(page.room + 1)?;
            }
            let done = done.map_err(|e| hide(&e))?;
            self.spend(done.state().fuel_levels().map_or(0, |(spent, _)| spent));
            self.fill(page.bytes.len())?;
            toml::Value::String(String::from_utf8(page.bytes).expect("templates are text"))
        };
        Ok(Rendered::Value {
            value,
            secret: self.is_secret(),
        })
    }

    /// What becomes of a template that cannot be rendered here, or need not be.
    fn early(
        &self,
        template: &Template<'_, '_>,
        names: &HashSet<String>,
        late: bool,
        own: &toml::Table,
    ) -> Option<Result<Rendered, RenderError>> {
        if names.contains("params")
            && let Some(early) = self.of_params(template, own)
        {
            return Some(early);
        }
        if let Some(id) = self.unnamed
            && names.contains("facts")
            && let Some(error) = asks_for_name(template, id)
        {
            return Some(Err(error));
        }
        let known = |name: &str| match name {
            "facts" => self.scope.facts.is_some(),
            _ => self.scope.secrets.is_some(),
        };
        let deferred = DEFERRABLE
            .iter()
            .any(|name| names.contains(*name) && !known(name));
        let secret = names.contains("secret");
        if (deferred || (secret && !self.scope.elsewhere.is_empty()))
            && let Some((what, hint)) = self.unknown(template)
        {
            return Some(Err(RenderError {
                what,
                line: None,
                quotes: false,
                hint: Some(hint),
            }));
        }
        (deferred && !late).then_some(Ok(Rendered::Deferred { secret }))
    }

    /// Whether a secret went into what was rendered last.
    fn is_secret(&self) -> bool {
        self.secrets.touched.load(Ordering::Relaxed)
    }

    /// Why a template was not rendered, without the values of secrets.
    fn words(
        &self,
        error: &minijinja::Error,
        template: &Template<'_, '_>,
        own: &toml::Table,
    ) -> RenderError {
        if self.is_secret() {
            return hidden(error);
        }
        if !matches!(error.kind(), ErrorKind::UndefinedError) {
            return words(error);
        }
        if let Some(what) = self.results.take_missed() {
            return RenderError {
                what,
                line: error.line(),
                quotes: true,
                hint: Some("`| default(...)` says what stands in for it".to_owned()),
            };
        }
        let told = self.undefined(template, own);
        told.map_or_else(
            || words(error),
            |told| RenderError {
                line: error.line(),
                ..told
            },
        )
    }

    /// The names that a text may use, the block's own among them.
    fn context(&self, own: &toml::Table) -> Value {
        if own.is_empty() {
            self.values.clone()
        } else {
            context! { ..self.values.clone(), ..Value::from(Serde(own)) }
        }
    }

    fn spend(&self, fuel: u64) {
        self.fuel.set(self.fuel.get().saturating_sub(fuel));
    }

    /// Takes so many bytes of what all templates may render to.
    fn fill(&self, bytes: usize) -> Result<(), RenderError> {
        let Some(room) = self.room.get().checked_sub(bytes) else {
            let most = limits::RENDERED >> 20;
            let what = format!("the templates become longer than {most} MiB in all");
            return Err(RenderError {
                what,
                line: None,
                quotes: true,
                hint: Some("a large file is a `source`, which is not rendered".to_owned()),
            });
        };
        self.room.set(room);
        Ok(())
    }
}

/// What a template writes to: as much as there is room for, and an error at the first byte more.
struct Page {
    bytes: Vec<u8>,
    room: usize,
}

impl io::Write for Page {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        let left = self.room.saturating_sub(self.bytes.len());
        if more.len() > left {
            self.bytes.resize(self.room, 0); // full: what is in it is not used any more
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
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

/// The expression of a text that is one `{{ expression }}` and nothing else.
fn lone_expression(text: &str) -> Option<&str> {
    let inner = text.strip_prefix("{{")?.strip_suffix("}}")?;
    (!inner.contains("{{") && !inner.contains("}}")).then_some(inner)
}

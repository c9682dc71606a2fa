//! A block whose texts name results of its own run: read when those are known, and no sooner.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use minijinja::value::{Enumerator, Object, Value};
use serde::Deserialize as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::block::{Body, Decision, Part, UNTAGGED};
use crate::config::frame::Frame;
use crate::config::instance::One;
use crate::config::names::Names;
use crate::config::reader::Reader;
use crate::config::renderer::Renderer;
use crate::fault::Place;
use crate::host::HostError;
use crate::host::overlay::Cause;
use crate::results::{Outcome, Results};
use crate::view::View;

/// The common fields that were read with the config.
const READ: [&str; 4] = ["id", "after", "notify", "tags"];

/// A block that waits for results.
pub struct Late {
    kind: &'static str,
    /// Its fields in TOML, `when` among them.
    text: String,
    /// What its templates may name besides results: one for all blocks of the config.
    names: Arc<OnceLock<Names>>,
    /// What it reads as while its templates stand for themselves, where that can be read.
    guess: Option<Body>,
    /// The directory to which its paths are relative.
    dir: String,
}

impl Late {
    /// Keeps the fields of a block.
    pub(super) fn new(
        kind: &'static str,
        fields: &DeTable<'_>,
        when: Option<&str>,
        names: Arc<OnceLock<Names>>,
    ) -> Self {
        let fields = Spanned::new(0..0, DeValue::Table(fields.clone()));
        let mut table = toml::Table::deserialize(ValueDeserializer::from(fields))
            .expect("any value of TOML is one");
        table.retain(|field, _| !READ.contains(&field));
        if let Some(when) = when {
            table.insert("when".to_owned(), when.into());
        }
        Self {
            kind,
            text: table.to_string(),
            names,
            guess: None,
            dir: String::new(),
        }
    }

    /// With what the block reads as until then, and the directory of its file.
    pub(super) fn guessed(self, guess: Option<Body>, dir: String) -> Self {
        Self { guess, dir, ..self }
    }

    /// See [`Late::guessed`].
    pub(crate) fn guess(&self) -> Option<&Body> {
        self.guess.as_ref()
    }

    /// What is to be done, once all results that it names are known.
    pub(crate) fn decide(&self, view: &View<'_>) -> Result<Decision, HostError> {
        let namespace = Arc::new(Namespace::of(view.results()));
        let names = self.names.get_or_init(|| Names::of(view.scope()));
        let renderer = Renderer::knowing(view.scope(), names, namespace.clone());
        let mut reader = Reader {
            dirs: vec![self.dir.clone()],
            ..Reader::default()
        };
        let frame = Frame::default();
        let mut fields = DeTable::parse(&self.text)
            .expect("TOML that was just written")
            .into_inner();
        let place = Place {
            file: 0,
            span: 0..0,
        };
        let when = fields.remove_entry("when");
        let mut one = One::new(self.kind, place, view.own().clone(), &frame);
        if let Some((_, value)) = when {
            reader.left_out(&value, &renderer, &mut one);
        }
        reader.one(one, fields, &renderer, None);
        if let Some(id) = namespace.awaited() {
            return Ok(Decision::Maybe(Cause(id)));
        }
        let faults = reader.faults.iter().filter(|fault| fault.is_error());
        let words: Vec<&str> = faults.map(|fault| fault.what.as_str()).collect();
        match reader.blocks.pop().map(|block| block.part) {
            _ if !words.is_empty() => Ok(Decision::Blocked(words.join("; "))),
            Some(Part::In(body)) => body.decide(view),
            Some(Part::Out(why)) => Ok(Decision::Skip(why)),
            _ => Ok(Decision::Blocked("it cannot be read".to_owned())),
        }
    }
}

/// The namespace `result` of templates. It notices when it is asked for what is not known.
pub(super) struct Namespace {
    known: BTreeMap<String, Value>,
    asked: Mutex<BTreeSet<String>>,
    missed: Missed,
}

/// What was last asked for of an outcome and is not part of it.
type Missed = Arc<Mutex<Option<String>>>;

impl Namespace {
    pub(super) fn of(results: &Results) -> Self {
        let missed = Missed::default();
        let known = results.0.iter();
        Self {
            known: known
                .map(|(id, outcome)| {
                    let missed = missed.clone();
                    (id.clone(), Came::value(id, outcome, missed))
                })
                .collect(),
            asked: Mutex::default(),
            missed,
        }
    }

    /// The ids of blocks that it was asked for since this was last called, and does not know.
    pub(super) fn take_asked(&self) -> BTreeSet<String> {
        std::mem::take(&mut *self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Why a template could not be rendered that asked an outcome for what is not part of it.
    pub(super) fn take_missed(&self) -> Option<String> {
        let mut missed = self.missed.lock().unwrap_or_else(PoisonError::into_inner);
        missed.take()
    }

    /// One of them.
    fn awaited(&self) -> Option<String> {
        self.take_asked().pop_first()
    }
}

impl std::fmt::Debug for Namespace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("result")
    }
}

impl Object for Namespace {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let id = key.as_str()?;
        Some(self.known.get(id).cloned().unwrap_or_else(|| {
            let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            asked.insert(id.to_owned());
            let stand_in = Outcome {
                exit: Some(0),
                stdout: Some(String::new()),
                rev: Some(String::new()),
                ..Outcome::default()
            };
            Came::value(id, &stand_in, self.missed.clone())
        }))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }
}

/// What templates see of a block's outcome; what it has not got is not defined.
#[derive(Debug)]
struct Came {
    id: String,
    parts: BTreeMap<&'static str, Value>,
    left_out: Option<String>,
    missed: Missed,
}

impl Came {
    fn value(id: &str, outcome: &Outcome, missed: Missed) -> Value {
        let Outcome {
            changed,
            failed,
            exit,
            stdout,
            rev,
            left_out,
        } = outcome;
        let sure = [
            ("changed", Value::from(*changed)),
            ("failed", Value::from(*failed)),
        ];
        let more = [
            ("exit", exit.map(Value::from)),
            ("stdout", stdout.clone().map(Value::from)),
            ("rev", rev.clone().map(Value::from)),
        ];
        let more = more
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        Value::from_object(Self {
            id: id.to_owned(),
            parts: sure.into_iter().chain(more).collect(),
            left_out: left_out.clone(),
            missed,
        })
    }

    /// Why the outcome has no such part.
    fn without(&self, part: &str) -> String {
        let id = &self.id;
        let why = match (self.left_out.as_deref(), part) {
            (Some(UNTAGGED), _) => format!(
                "--tags leaves out the block `{id}`, so choose it too, or leave this one out"
            ),
            (Some(why), _) => format!("the block `{id}` is not for this host ({why})"),
            (None, "stdout") => format!("the block `{id}` has printed nothing"),
            (None, "exit") => format!("the block `{id}` has run no command"),
            (None, "rev") => format!("the block `{id}` keeps no git working tree"),
            (None, _) => "parts are `changed`, `failed`, `exit`, `stdout` and `rev`".to_owned(),
        };
        format!("`result.{id}.{part}` is not there: {why}")
    }
}

impl Object for Came {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let part = key.as_str()?;
        let found = self.parts.get(part).cloned();
        if found.is_none() {
            let mut missed = self.missed.lock().unwrap_or_else(PoisonError::into_inner);
            *missed = Some(self.without(part));
        }
        found
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.parts.keys().copied().map(Value::from).collect())
    }
}

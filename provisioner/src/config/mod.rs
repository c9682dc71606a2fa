//! A config: texts in, blocks in document order out, or every fault with its place.

mod document;
pub mod limits;
pub mod resource;
pub mod scope;
mod spelling;
mod values;

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::block::{Block, Body};
use crate::fault::{Fault, Place};
use crate::source::{Need, Source};

use self::document::RawBlock;
use self::resource::Resources;
use self::scope::{Renderer, Scope};

/// One file of a config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its name, for a person.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// A whole config, every field of it valid.
pub struct Config {
    /// The files that it was read from.
    pub files: Vec<File>,
    /// In the order in which they are executed.
    pub blocks: Vec<Block>,
    /// Buckets, repositories and secrets by name.
    pub resources: Resources,
    /// The values it was judged with.
    pub scope: Scope,
    /// What works, but should be written otherwise.
    pub warnings: Vec<Fault>,
}

/// What a check on the workstation finds out, where facts and secrets are not known.
pub struct Outline {
    /// Buckets, repositories and secrets by name.
    pub resources: Resources,
    /// The sources that must be fetched, each once, in order.
    pub needs: Vec<(Need, Place)>,
    /// What works, but should be written otherwise.
    pub warnings: Vec<Fault>,
}

/// Parses the files of a config with all that is known of the host. Files are executed one after another.
///
/// # Errors
/// Every fault found, warnings too, in the order of their places.
pub fn parse(files: Vec<File>, scope: Scope) -> Result<Config, Vec<Fault>> {
    let mut reader = Reader {
        scope,
        ..Reader::default()
    };
    reader.read(&files);
    let (blocks, faults) = (reader.blocks, sorted(reader.faults));
    if faults.iter().any(Fault::is_error) {
        return Err(faults);
    }
    let (resources, mut scope) = (reader.resources, reader.scope);
    scope.shared = shared(&blocks, &scope);
    Ok(Config {
        files,
        blocks,
        resources,
        scope,
        warnings: faults,
    })
}

/// The blobs that more than one block needs.
fn shared(blocks: &[Block], scope: &Scope) -> BTreeSet<[u8; 32]> {
    let mut seen = BTreeSet::new();
    let needs = blocks.iter().flat_map(|block| block.body.needs());
    let hashes = needs.filter_map(|need| {
        scope
            .blobs
            .get(&need.source)
            .map(|blob| *blob.hash.as_bytes())
    });
    hashes.filter(|hash| !seen.insert(*hash)).collect()
}

/// Checks the files of a config without a host: what depends on facts or secrets is left to the target.
///
/// # Errors
/// Every fault found, warnings too, in the order of their places.
pub fn check(files: &[File], target: &str) -> Result<Outline, Vec<Fault>> {
    let scope = Scope {
        target: target.to_owned(),
        ..Scope::default()
    };
    let mut reader = Reader {
        scope,
        ..Reader::default()
    };
    reader.read(files);
    let mut needs: BTreeMap<Source, (Need, Place)> = BTreeMap::new();
    for block in &reader.blocks {
        for need in block.body.needs() {
            let entry = needs.entry(need.source.clone());
            let (known, place) = entry.or_insert_with(|| (need.clone(), block.place.clone()));
            known.read |= need.read;
            known.secret |= need.secret;
            if known.sha256.is_some() && need.sha256.is_some() && known.sha256 != need.sha256 {
                let what = format!("{} is asked for with two different sha256", need.source);
                let fault = Fault::error(what, block.place.clone());
                reader
                    .faults
                    .push(fault.other(place.clone(), "first asked for here"));
            }
            known.sha256 = known.sha256.take().or(need.sha256);
        }
    }
    for (need, place) in needs.values() {
        if reader.faults.len() >= limits::FAULTS && reader.faults.iter().any(Fault::is_error) {
            break;
        }
        reader
            .resources
            .check_source(need, place, &mut reader.faults);
    }
    let faults = sorted(reader.faults);
    if faults.iter().any(Fault::is_error) {
        return Err(faults);
    }
    let mut needs: Vec<_> = needs.into_values().collect();
    needs.sort_by_key(|(_, place)| place.order());
    Ok(Outline {
        resources: reader.resources,
        needs,
        warnings: faults,
    })
}

fn sorted(mut faults: Vec<Fault>) -> Vec<Fault> {
    faults.sort_by_key(|fault| fault.place.as_ref().map(Place::order));
    faults
}

/// Collects blocks and faults from one file after another.
#[derive(Default)]
struct Reader {
    scope: Scope,
    blocks: Vec<Block>,
    resources: Resources,
    faults: Vec<Fault>,
    /// Where each id was first given, and whether that block can be named by `after`.
    ids: BTreeMap<String, Place>,
}

/// What [`Reader::common`] takes off a block before its kind reads the rest.
#[derive(Default)]
struct Common {
    id: Option<(String, Place)>,
    desc: Option<String>,
    sensitive: bool,
    after: Vec<(String, Place)>,
}

impl Reader {
    fn read(&mut self, files: &[File]) {
        let documents: Vec<_> = files
            .iter()
            .enumerate()
            .map(|(i, file)| document::read(&file.text, i, &mut self.faults))
            .collect();
        // Values and names first: a block may use what stands below it.
        let mut blocks = Vec::new();
        for (file, document) in documents.into_iter().enumerate() {
            for (name, table) in document.tables {
                self.table(name, table, file, &mut blocks);
            }
            blocks.extend(document.blocks);
        }
        blocks.sort_by_key(|block: &RawBlock<'_>| block.place.order());
        if blocks.len() > limits::BLOCKS {
            let place = blocks[limits::BLOCKS].place.clone();
            let what = format!("a run has at most {} blocks", limits::BLOCKS);
            self.faults.push(Fault::error(what, place));
            return;
        }
        let scope = std::mem::take(&mut self.scope);
        let renderer = scope.renderer();
        let (mut errors, mut looked_at) = (0, 0);
        for raw in blocks {
            self.block(raw, &renderer);
            let new = &self.faults[looked_at..];
            errors += new.iter().filter(|fault| fault.is_error()).count();
            looked_at = self.faults.len();
            if errors >= limits::FAULTS {
                break;
            }
        }
        drop(renderer);
        self.scope = scope;
    }

    fn table<'a>(
        &mut self,
        name: &str,
        value: Spanned<DeValue<'a>>,
        file: usize,
        blocks: &mut Vec<RawBlock<'a>>,
    ) {
        let place = Place {
            file,
            span: value.span(),
        };
        match name {
            "vars" => match toml::Table::deserialize(ValueDeserializer::from(value)) {
                Ok(vars) => self.scope.vars.extend(vars),
                Err(_) => self
                    .faults
                    .push(Fault::error("`vars` is a table: write [vars]", place)),
            },
            "secret" if value.get_ref().is_integer() => {
                // The original parsed this number and never looked at it.
                let what = "a number as `secret` has no effect; leave it out";
                self.faults.push(Fault::warning(what, place));
            }
            "bucket" | "repo" | "secret" => {
                blocks.extend(self.resources.read(name, value, file, &mut self.faults));
            }
            "name" if value.get_ref().is_str() => {}
            "name" => self.faults.push(Fault::error("`name` is a string", place)),
            _ => {
                let what = format!("`{name}` comes with a later version of hpt");
                self.faults.push(Fault::error(what, place));
            }
        }
    }

    fn block(&mut self, raw: RawBlock<'_>, renderer: &Renderer<'_>) {
        let RawBlock {
            kind,
            place,
            mut fields,
        } = raw;
        let file = place.file;
        let common = self.common(kind, &mut fields, file);
        spelling::modernise(kind, &mut fields, file, &mut self.faults);
        let faults_before = self.faults.len();
        let (literals, findings) = values::render(&fields, renderer, file, &mut self.faults);
        if self.faults.len() > faults_before {
            return;
        }
        let fields = values::put(fields, &literals);
        let spans: BTreeMap<String, Place> = fields
            .iter()
            .map(|(k, v)| {
                (
                    k.get_ref().to_string(),
                    Place {
                        file,
                        span: v.span(),
                    },
                )
            })
            .collect();
        let sensitive = common.sensitive || findings.secret;
        let Some(mut body) = self.body(kind, &place, fields, findings.secret, findings.deferred)
        else {
            return;
        };
        if sensitive && let Body::File(file) = &mut body {
            file.keep_private();
        }
        if let Body::Exec(exec) = &body
            && exec.is_unguarded()
        {
            let what = "this runs every time, and so is never in place";
            let hint =
                "guard it with `creates`, `removes`, `unless` or `only_if`, or say `always = true`";
            self.faults
                .push(Fault::warning(what, place.clone()).hint(hint));
        }
        // What is not known here still reads as its template; the target judges the whole block.
        if !findings.deferred {
            body.check(&mut |key, what| {
                let at = spans.get(key).unwrap_or(&place).clone();
                self.faults.push(Fault::error(what, at));
            });
        }
        let (id, id_place) = match common.id {
            Some(given) => given,
            None => (
                self.default_id(&body, &place, findings.secret),
                place.clone(),
            ),
        };
        if let Some(first) = self.ids.get(&id) {
            let fault = Fault::error(format!("two blocks have the id `{id}`"), id_place)
                .other(first.clone(), "the first")
                .hint("give one of them an `id` of its own");
            self.faults.push(fault);
            return;
        }
        for (earlier, place) in common.after {
            if !self.ids.contains_key(&earlier) {
                let what = format!("no block `{earlier}` stands before this one");
                let hint = "blocks run in the order in which they stand; `after` only asserts it";
                self.faults.push(Fault::error(what, place).hint(hint));
            }
        }
        self.ids.insert(id.clone(), id_place);
        self.blocks.push(Block {
            id,
            place,
            desc: common.desc,
            sensitive,
            body,
        });
    }

    /// `kind:primary`; for a block that a secret went into, and whose primary may show it, the place.
    fn default_id(&self, body: &Body, place: &Place, secret: bool) -> String {
        let kind = body.kind();
        if secret && matches!(body, Body::Exec(_)) {
            return format!("{kind}:{}-{}", place.file + 1, self.blocks.len() + 1);
        }
        format!("{kind}:{}", body.primary())
    }

    /// Reads the fields that are the kind's own. Unknown ones are all named; of other errors serde
    /// says the first.
    fn body(
        &mut self,
        kind: &'static str,
        place: &Place,
        mut fields: DeTable<'_>,
        secret: bool,
        deferred: bool,
    ) -> Option<Body> {
        let mut misspelled = 0;
        while misspelled < limits::UNKNOWN_FIELDS {
            let whole = Spanned::new(place.span.clone(), fields.clone());
            let error = match Body::deserialize(kind, whole.into()) {
                Ok(body) => return (misspelled == 0).then_some(body),
                Err(error) => error,
            };
            let message = error.message();
            let at = Place {
                file: place.file,
                span: error.span().unwrap_or(place.span.clone()),
            };
            let Some(key) = between(message, "unknown field `", "`") else {
                let follows = misspelled > 0 && message.starts_with("missing field");
                if !deferred && !follows {
                    self.faults.push(wrong_value(kind, message, at, secret));
                }
                return None;
            };
            let key = key.to_owned();
            self.faults.push(unknown_field(kind, &key, message, at));
            misspelled += 1;
            fields.remove(key.as_str())?;
        }
        None
    }

    fn common(&mut self, kind: &str, fields: &mut DeTable<'_>, file: usize) -> Common {
        let mut common = Common::default();
        let mut fault =
            |what: &str, span| self.faults.push(Fault::error(what, Place { file, span }));
        let mut take = |key: &str| fields.remove(key);
        if let Some(value) = take("id") {
            let place = Place {
                file,
                span: value.span(),
            };
            match value.get_ref().as_str() {
                Some(id)
                    if !id.is_empty() && !id.chars().any(char::is_control) && id.len() <= 256 =>
                {
                    common.id = Some((id.to_owned(), place));
                }
                _ => fault(
                    "an id is 1 to 256 characters of text without line breaks",
                    value.span(),
                ),
            }
        }
        if let Some(value) = take("desc") {
            match value.get_ref().as_str() {
                Some(text) => common.desc = Some(text.to_owned()),
                None => fault("`desc` is a string", value.span()),
            }
        }
        if let Some(value) = take("sensitive") {
            match value.get_ref().as_bool() {
                Some(yes) => common.sensitive = yes,
                None => fault("`sensitive` is true or false", value.span()),
            }
        }
        if let Some(value) = take("after") {
            match value.get_ref().as_array() {
                Some(array) => {
                    for id in array {
                        match id.get_ref().as_str() {
                            Some(text) => {
                                common.after.push((
                                    text.to_owned(),
                                    Place {
                                        file,
                                        span: id.span(),
                                    },
                                ));
                            }
                            None => fault("`after` is a list of ids", id.span()),
                        }
                    }
                }
                None => fault("`after` is a list of ids", value.span()),
            }
        }
        for later in [
            "when", "for_each", "tags", "notify", "on_error", "retries", "delay", "confirm",
        ] {
            if let Some(value) = take(later) {
                let what = format!("`{later}` comes with a later version of hpt");
                fault(&what, value.span());
            }
        }
        if kind == "packages" {
            common.id.get_or_insert_with(|| {
                let place = Place { file, span: 0..0 };
                (
                    if file == 0 {
                        "packages".to_owned()
                    } else {
                        format!("packages-{}", file + 1)
                    },
                    place,
                )
            });
        }
        common
    }
}

fn unknown_field(kind: &str, key: &str, message: &str, at: Place) -> Fault {
    if Body::comes_later(kind, key) {
        let what = format!("`{key}` of [[{kind}]] comes with a later version of hpt");
        return Fault::error(what, at);
    }
    let fault = Fault::error(format!("unknown field `{key}` in [[{kind}]]"), at);
    let fields: Vec<&str> = message
        .split_once(", expected ")
        .map(|(_, rest)| rest.split('`').skip(1).step_by(2).collect())
        .unwrap_or_default();
    match nearest(key, fields.iter().copied()) {
        Some(near) => fault.label(format!("did you mean `{near}`?")),
        None => fault.hint(format!(
            "the fields of [[{kind}]] are {}",
            fields.join(", ")
        )),
    }
}

fn wrong_value(kind: &str, message: &str, at: Place, secret: bool) -> Fault {
    if let Some(key) = between(message, "missing field `", "`") {
        return Fault::error(format!("[[{kind}]] needs `{key}`"), at);
    }
    // serde quotes the value that it found, which must not be when a secret went into the block.
    let what = if secret {
        format!("a field of this [[{kind}]], which uses a secret, has a value of the wrong form")
    } else if let Some((found, words)) = message
        .strip_prefix("unknown variant `")
        .and_then(|rest| rest.split_once("`, expected "))
    {
        format!("`{found}` is not known here, expected {words}")
    } else if message == "wanted string or table" {
        "this is none of the words of the field, expected a string".to_owned()
    } else {
        message.to_owned()
    };
    Fault::error(what, at)
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    text.split_once(before)?
        .1
        .split_once(after)
        .map(|(inner, _)| inner)
}

/// The word that was probably meant, if any is near.
pub(crate) fn nearest<'a>(word: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    words
        .take(200) // a hint is not worth a search of thousands
        .map(|w| (strsim::damerau_levenshtein(word, w), w))
        .min()
        .filter(|(distance, w)| *distance <= w.len().max(word.len()).div_ceil(3))
        .map(|(_, w)| w)
}

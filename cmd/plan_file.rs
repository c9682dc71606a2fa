//! The file of `hpt plan -O FILE`: which plan a later `hpt provision --plan FILE` is bound to. It
//! has no secret in it, and no content but the values of `--var`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use hpt_keystore::TargetName;
use hpt_provisioner::config::{File, Given};
use hpt_provisioner::plan::{Bound, Digest, Mark, Plan};
use serde::{Deserialize, Serialize};

use crate::args::Global;
use crate::error::{CommandError, Exit};

/// A plan that was agreed to: where, of what, and what it came to.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlanFile {
    /// Which version of hpt wrote it.
    hpt: String,
    target: Option<String>,
    root: Option<PathBuf>,
    /// The config's files as they were named.
    pub(crate) files: Vec<PathBuf>,
    /// The BLAKE3 of each text that was read, by its name.
    texts: BTreeMap<String, String>,
    vars: toml::Table,
    tags: BTreeSet<String>,
    #[serde(default)]
    prune: bool,
    /// 32 bytes in hexadecimal.
    digest: String,
    /// The mark of each block, in hexadecimal.
    blocks: Vec<String>,
}

impl PlanFile {
    /// What `plan` was made from.
    pub(crate) fn new(
        global: &Global,
        paths: &[PathBuf],
        given: &Given,
        files: &[File],
        plan: &Plan,
    ) -> Self {
        let marks = plan.bound().marks;
        Self {
            hpt: env!("CARGO_PKG_VERSION").to_owned(),
            target: global.target.as_ref().map(ToString::to_string),
            root: global.root.clone(),
            files: paths.to_vec(),
            texts: texts(files),
            vars: given.vars.clone(),
            tags: given.tags.clone(),
            prune: given.prune,
            digest: blake3::Hash::from_bytes(plan.digest.0).to_hex().to_string(),
            blocks: marks
                .iter()
                .map(|mark| format!("{:016x}", mark.0))
                .collect(),
        }
    }

    /// Writes it for its owner alone, in the place of an older one.
    pub(crate) fn write(&self, path: &Path) -> Result<(), CommandError> {
        let failed = |why: std::io::Error| {
            CommandError::new(
                Exit::Failed,
                format!("cannot write {}: {}", path.display(), why.kind()),
            )
            .hint("`-O FILE` is a file in a directory that is there")
        };
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
        let dir = dir.unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(dir).map_err(failed)?;
        let text = serde_json::to_string_pretty(self).expect("a plan file is plain values");
        writeln!(file, "{text}").map_err(failed)?;
        file.persist(path).map_err(|error| failed(error.error))?;
        Ok(())
    }

    /// Reads one.
    pub(crate) fn read(path: &Path) -> Result<Self, CommandError> {
        let name = path.display();
        let bad = |what: String| CommandError::new(Exit::Config, what);
        let text = fs::read_to_string(path);
        let text = text.map_err(|why| {
            bad(format!("cannot read {name}: {why}")).hint("`hpt plan -O FILE` writes a plan")
        })?;
        let file: Self = serde_json::from_str(&text).map_err(|why| {
            let (line, column) = (why.line(), why.column());
            bad(format!("{name} is no plan (line {line}, column {column})"))
                .hint("`hpt plan -O FILE` writes one; a config is named without `--plan`")
        })?;
        match file.read_bound() {
            Some(_) => Ok(file),
            None => Err(bad(format!(
                "{name} is damaged: what it is bound to cannot be read"
            ))
            .hint("`hpt plan -O FILE` writes it anew")),
        }
    }

    /// What else was said when it was made.
    pub(crate) fn given(&self) -> Given {
        Given {
            vars: self.vars.clone(),
            tags: self.tags.clone(),
            prune: self.prune,
            ..Given::default()
        }
    }

    /// Goes to the host that was planned; the command line may name it again, but no other one.
    pub(crate) fn place(&self, global: &mut Global) -> Result<(), CommandError> {
        let said = global.target.as_ref().map(ToString::to_string);
        let other = (said.is_some() && said != self.target)
            || (global.root.is_some() && global.root != self.root);
        if other {
            let planned = match (&self.target, &self.root) {
                (Some(target), _) => target.clone(),
                (None, Some(root)) => root.display().to_string(),
                (None, None) => "this host".to_owned(),
            };
            return Err(CommandError::usage(format!(
                "--plan is a plan for {planned}, and not for what was named"
            ))
            .hint("leave out `--target` and `--root`, or plan anew"));
        }
        if let Some(target) = &self.target {
            let name = TargetName::parse(target).map_err(|why| {
                CommandError::new(
                    Exit::Config,
                    format!("the plan names its target wrong: {why}"),
                )
            })?;
            global.target = Some(name);
        }
        global.root.clone_from(&self.root);
        Ok(())
    }

    /// Whether the config still says what was planned.
    pub(crate) fn same_texts(&self, files: &[File]) -> Result<(), CommandError> {
        let now = texts(files);
        let mut names = self.texts.keys().chain(now.keys());
        match names.find(|name| self.texts.get(*name) != now.get(*name)) {
            None => Ok(()),
            Some(name) => {
                let what = format!("{name} has changed since the plan was made");
                Err(CommandError::new(Exit::Failed, what).hint(
                    "nothing was done; `hpt plan -O FILE` again, and look at what it says now",
                ))
            }
        }
    }

    /// Whether the host would be planned otherwise by now.
    pub(crate) fn has_moved(&self, plan: &Plan) -> bool {
        self.bound().compare(plan).is_err()
    }

    /// What an apply is bound to by it.
    pub(crate) fn bound(&self) -> Bound {
        self.read_bound().expect("its digests were read")
    }

    fn read_bound(&self) -> Option<Bound> {
        let digest = blake3::Hash::from_hex(&self.digest).ok()?;
        let mark = |text: &String| Some(Mark(u64::from_str_radix(text, 16).ok()?));
        Some(Bound {
            digest: Digest(*digest.as_bytes()),
            marks: self.blocks.iter().map(mark).collect::<Option<_>>()?,
        })
    }
}

fn texts(files: &[File]) -> BTreeMap<String, String> {
    let hash = |file: &File| blake3::hash(file.text.as_bytes()).to_hex().to_string();
    files
        .iter()
        .map(|file| (file.name.clone(), hash(file)))
        .collect()
}

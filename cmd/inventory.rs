//! Which `targets.toml`: the one that is named, or the one beside the config, or beside the keystore.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;

use hpt_keystore::TargetName;
use hpt_provisioner::config::{File, Given, Setting};
use hpt_provisioner::inventory::{At, Inventory};

use crate::context::Context;
use crate::env::{Variable, env};
use crate::error::{CommandError, Exit};
use crate::files;
use crate::terminal::{text_of, visible};

const NAME: &str = "targets.toml";

/// What is known of targets besides their keys.
#[derive(Default)]
pub(crate) struct Known {
    /// Where that is written, if it is.
    pub(crate) file: Option<File>,
    pub(crate) inventory: Inventory,
}

/// What is known of the one that the command line names.
#[derive(Default)]
pub(crate) struct Own {
    /// The inventory, if there is one.
    pub(crate) file: Option<File>,
    /// The values in it for the target, the weakest first; their places are in that file.
    pub(crate) settings: Vec<Setting>,
}

impl Context {
    /// Adds what the inventory knows of the target to what was said on the command line. Without a
    /// target there is nothing to know.
    pub(crate) fn know(
        &mut self,
        configs: &[PathBuf],
        given: &mut Given,
    ) -> Result<Own, CommandError> {
        let Some(target) = self.global.target.clone() else {
            return Ok(Own::default());
        };
        let known = self.known(configs)?;
        known.inventory.tell(target.as_str(), given);
        Ok(Own {
            settings: known.inventory.settings(target.as_str()),
            file: known.file.clone(),
        })
    }

    /// Where a target is, as the inventory has it.
    pub(crate) fn known_at(&mut self, target: &TargetName) -> Result<At, CommandError> {
        Ok(self.known(&[])?.inventory.at(target.as_str()))
    }

    /// The inventory that goes with these configs; it is read once.
    pub(crate) fn known(&mut self, configs: &[PathBuf]) -> Result<Rc<Known>, CommandError> {
        if let Some(known) = &self.known {
            return Ok(Rc::clone(known));
        }
        let file = match self.inventory_file(configs) {
            // One that lies somewhere by itself is read, whatever may be done with it.
            Named::By(path) if is_program(&path) => Some(printed_by(&path)?),
            Named::By(path) | Named::Found(path) => Some(files::read(&path)?),
            Named::Nowhere => None,
        };
        let inventory = match &file {
            Some(file) => Inventory::parse(file)
                .map_err(|faults| CommandError::faults(vec![file.clone()], faults))?,
            None => Inventory::default(),
        };
        let known = Rc::new(Known { file, inventory });
        self.known = Some(Rc::clone(&known));
        Ok(known)
    }

    fn inventory_file(&self, configs: &[PathBuf]) -> Named {
        let named = self.global.inventory.clone();
        if let Some(named) = named.or_else(|| env(Variable::HPT_INVENTORY).map(PathBuf::from)) {
            return Named::By(named);
        }
        let beside = configs.first().map(|config| config.with_file_name(NAME));
        let here = configs.is_empty().then(|| PathBuf::from(NAME));
        let own = self.keystore().ok().map(|keys| keys.with_file_name(NAME));
        let mut places = beside.into_iter().chain(here).chain(own);
        let found = places.find(|path| path.exists());
        found.map_or(Named::Nowhere, Named::Found)
    }
}

/// Which inventory it is.
enum Named {
    /// The one that somebody has named.
    By(PathBuf),
    /// The one that lies there.
    Found(PathBuf),
    Nowhere,
}

fn is_program(path: &Path) -> bool {
    let runs = |meta: std::fs::Metadata| meta.is_file() && meta.permissions().mode() & 0o111 != 0;
    path.metadata().is_ok_and(runs)
}

/// What a program prints as JSON, in the words of a file.
#[allow(clippy::disallowed_methods, reason = "the inventory is a program")]
fn printed_by(path: &Path) -> Result<File, CommandError> {
    let name = path.display().to_string();
    let failed = |why: &dyn std::fmt::Display| {
        CommandError::new(Exit::Config, format!("{name}: {why}"))
            .hint("an inventory that may be executed prints JSON of the shape of targets.toml")
    };
    // A name without a slash is of this directory, and not of PATH.
    let program = std::path::absolute(path).map_err(|why| failed(&why))?;
    let output = Command::new(program)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|why| failed(&format_args!("cannot be started: {why}")))?;
    if !output.status.success() {
        return Err(failed(&output.status));
    }
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).map_err(|why| {
        let head = text_of(&output.stdout[..output.stdout.len().min(60)]);
        failed(&format_args!(
            "it prints no JSON: {why}: {}",
            visible(&head)
        ))
    })?;
    let text = toml::to_string(&json).map_err(|why| failed(&why))?;
    Ok(File { name, text })
}

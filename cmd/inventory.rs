//! Which `targets.toml`: the one beside the config, else the one beside the keystore.

use std::path::{Path, PathBuf};

use hpt_provisioner::config::{File, Given, Setting};
use hpt_provisioner::inventory::Inventory;

use crate::context::Context;
use crate::error::CommandError;
use crate::files;

const NAME: &str = "targets.toml";

/// What is known of the target that the command line names.
#[derive(Default)]
pub(crate) struct Known {
    /// The inventory, if there is one.
    pub(crate) file: Option<File>,
    /// The values in it for the target, the weakest first; their places are in that file.
    pub(crate) settings: Vec<Setting>,
}

impl Context {
    /// Adds what the inventory knows of the target to what was said on the command line. Without a
    /// target there is nothing to know.
    pub(crate) fn know(
        &self,
        configs: &[PathBuf],
        given: &mut Given,
    ) -> Result<Known, CommandError> {
        let Some(target) = &self.global.target else {
            return Ok(Known::default());
        };
        let beside = configs.first().map(|config| config.with_file_name(NAME));
        let own = self.keystore().ok().map(|keys| keys.with_file_name(NAME));
        let is_there = |path: &PathBuf| Path::exists(path);
        let Some(path) = beside.into_iter().chain(own).find(is_there) else {
            return Ok(Known::default());
        };
        let file = files::read(&path)?;
        let inventory = Inventory::parse(&file)
            .map_err(|faults| CommandError::faults(vec![file.clone()], faults))?;
        inventory.tell(target.as_str(), given);
        Ok(Known {
            settings: inventory.settings(target.as_str()),
            file: Some(file),
        })
    }
}

//! What the blocks of a file have in common where the file runs: for those of a role, its params.

use crate::config::document::Document;
use crate::config::include::ROLE_FILE;
use crate::config::params::{self, Call, Declared};
use crate::config::reader::Reader;
use crate::config::renderer::Renderer;
use crate::config::tree::Tree;
use crate::fault::{Fault, Place};

/// What the blocks of one file have in common in one place where it runs.
#[derive(Default)]
pub(super) struct Frame {
    /// From 1, as files are met: that of the first file is 1.
    pub(super) number: usize,
    /// The names that its texts may use besides the config's: a role's params.
    pub(super) own: toml::Table,
    /// The tags of the file, and of those that include it.
    pub(super) tags: Vec<String>,
    /// Where it is included.
    pub(super) included: Option<Place>,
}

impl Reader {
    /// What a file declares if it is a role's; what it says that only one of both can say is a fault.
    /// `None` if its params cannot be read.
    pub(super) fn role<'a>(
        &mut self,
        document: &mut Document<'a>,
        name: &str,
        file: usize,
    ) -> Option<Declared<'a>> {
        let is_read = !document.is_empty() || !self.has_fault(file);
        let params = document.take("params");
        let is_role = name.rsplit('/').next() == Some(ROLE_FILE);
        if is_role {
            for table in ["vars", "group_vars", "settings"] {
                if let Some(value) = document.take(table) {
                    let place = Place {
                        file,
                        span: value.span(),
                    };
                    let what = format!("[{table}] belongs to the config, and this is a role");
                    let fault = Fault::error(what, place);
                    self.faults.push(fault.hint(
                        "what a role is told it declares below [params]: NAME = { default = ... }",
                    ));
                }
            }
        }
        match params {
            Some(value) if is_role => {
                let before = self.faults.len();
                let declared = params::declared(value, file, &mut self.faults);
                (self.faults.len() == before).then_some(declared)
            }
            Some(value) => {
                let place = Place {
                    file,
                    span: value.span(),
                };
                let fault = Fault::error("[params] belongs to a role", place);
                let hint = "a role is a directory with a role.toml, included as \"role:DIRECTORY\"";
                self.faults.push(fault.hint(hint));
                None
            }
            None => is_read.then(Declared::new),
        }
    }

    fn has_fault(&self, file: usize) -> bool {
        let mut places = self.faults.iter().filter_map(|fault| fault.place.as_ref());
        places.any(|place| place.file == file)
    }

    /// What the blocks of each instance have in common, by its number; `None` where its params are wrong.
    pub(super) fn frames(
        &mut self,
        tree: &Tree<'_>,
        roles: &[Option<Declared<'_>>],
        renderer: &Renderer<'_>,
    ) -> Vec<Option<Frame>> {
        let mut frames: Vec<Option<Frame>> = Vec::new();
        for (number, instance) in tree.instances.iter().enumerate() {
            let parent = instance.parent.map(|parent| &frames[parent]);
            let mut tags = self.tags.get(&instance.file).cloned().unwrap_or_default();
            let own = match (instance.include, parent) {
                (_, Some(None)) => None, // its includer has a fault
                (Some(include), Some(Some(parent))) => {
                    roles[instance.file].as_ref().and_then(|role| {
                        tags.extend(parent.tags.iter().cloned());
                        let call = Call {
                            include,
                            own: &parent.own,
                        };
                        call.values(role, renderer, &mut self.faults)
                    })
                }
                _ => Some(toml::Table::new()),
            };
            frames.push(own.map(|own| Frame {
                number: number + 1,
                own,
                tags,
                included: instance.include.map(|include| include.place.clone()),
            }));
        }
        frames
    }
}

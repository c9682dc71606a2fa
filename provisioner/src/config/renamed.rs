//! What `facts.hostname` is in a config that gives the host its name: that name, in all its blocks,
//! so that what is made of it is in place in the next run too.

use crate::block::{Body, Part};
use crate::config::document::RawBlock;
use crate::config::frame::Frame;
use crate::config::reader::Reader;
use crate::config::renderer::Renderer;
use crate::config::scope::Scope;
use crate::fault::{Fault, Place};

/// What the host will be called once the config has run.
#[derive(PartialEq, Eq)]
pub(super) enum Naming {
    /// So.
    Is(String),
    /// As the run of this block tells.
    Late(String),
}

impl Reader {
    /// What the `[[hostname]]` blocks for this host call it, and where; `None` without any.
    pub(super) fn naming(
        &self,
        raws: &[(usize, RawBlock<'_>)],
        frames: &[Option<Frame>],
        renderer: &Renderer<'_>,
    ) -> Option<(Naming, Place)> {
        // They are read once more in their places, where their faults are told.
        let mut aside = Self {
            chosen: self.chosen.clone(),
            dirs: self.dirs.clone(),
            ..Self::default()
        };
        for (number, raw) in raws.iter().filter(|(_, raw)| raw.kind == "hostname") {
            if let Some(frame) = &frames[*number] {
                aside.block(raw.clone(), frame, renderer);
            }
        }
        let mut naming = None;
        for block in aside.blocks {
            naming = match (block.part, naming) {
                (Part::Late(_), _) => Some((Naming::Late(block.id), block.place)),
                (_, Some((Naming::Late(id), place))) => Some((Naming::Late(id), place)),
                (Part::In(body), before) => match *body {
                    Body::Hostname(hostname) => {
                        Some((Naming::Is(hostname.name().to_string()), block.place))
                    }
                    _ => before,
                },
                (Part::Out(_) | Part::Orphan(_), before) => before,
            };
        }
        naming
    }

    /// Tells of a name that the next run would make another one of.
    pub(super) fn compare(&mut self, naming: &Naming, next: Option<(Naming, Place)>) {
        if let (Naming::Is(name), Some((Naming::Is(next), place))) = (naming, next)
            && *name != next
        {
            let what = "this is made of `facts.hostname`, and would be another name in each run";
            let hint = "make it of `target.name` or of a value in [vars]";
            self.faults.push(Fault::error(what, place).hint(hint));
        }
    }
}

impl Scope {
    /// From here on the host is called so; the name that it has, if that is another one.
    pub(super) fn rename(&mut self, naming: &Naming) -> Option<String> {
        let facts = self.facts.as_mut()?;
        match naming {
            Naming::Is(name) if *name == facts.hostname => None,
            Naming::Is(name) => Some(std::mem::replace(&mut facts.hostname, name.clone())),
            Naming::Late(id) => {
                self.unnamed = Some(id.clone());
                Some(facts.hostname.clone())
            }
        }
    }
}

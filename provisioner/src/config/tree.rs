//! The files of a config as they include each other: which of them run, how often, in which order.

use std::collections::BTreeMap;

use crate::config::include::{Include, ROLE_FILE, Sort, directory, is_taken, join};
use crate::config::{File, limits};
use crate::fault::{Fault, Place};

/// One file in its place; a role may have many.
pub(super) struct Instance<'a> {
    /// The file, by its index.
    pub(super) file: usize,
    /// The instance that includes it, by its number.
    pub(super) parent: Option<usize>,
    /// The entry by which it does.
    pub(super) include: Option<&'a Include<'a>>,
}

/// All of them.
pub(super) struct Tree<'a> {
    /// As they are met: what includes before what is included. Their index is their number.
    pub(super) instances: Vec<Instance<'a>>,
    /// Their numbers as they run: what is included before what includes it.
    pub(super) order: Vec<usize>,
}

impl<'a> Tree<'a> {
    /// Follows the includes of each file, by its index. The last `included` files are there for that
    /// alone; the others run one after another.
    pub(super) fn grow(
        files: &[File],
        entries: &'a [Vec<Include<'a>>],
        included: usize,
        faults: &mut Vec<Fault>,
    ) -> Self {
        let named = files.len().saturating_sub(included);
        let plain = files.iter().map(|file| join("", &file.name));
        let mut grower = Grower {
            files,
            entries,
            by_name: plain.enumerate().map(|(i, name)| (name, i)).collect(),
            first: (0..named).map(|file| (file, None)).collect(),
            tree: Self {
                instances: Vec::new(),
                order: Vec::new(),
            },
            faults,
        };
        let too_much = (included > 0).then(|| limits::files(files)).flatten();
        if let Some(what) = too_much {
            let place = Place {
                file: 0,
                span: 0..0,
            };
            grower.faults.push(Fault::error(what, place));
            return grower.tree;
        }
        for (file, known) in files[..named].iter().enumerate() {
            if known.name.rsplit('/').next() == Some(ROLE_FILE) {
                let place = Place { file, span: 0..0 };
                let fault = Fault::error("this is a role, which another file includes", place);
                let hint = "include = [{ role = \"DIRECTORY\", PARAM = ... }]";
                grower.faults.push(fault.hint(hint));
                continue;
            }
            grower.visit(file, None, None, 0);
        }
        grower.find_idle(named);
        grower.tree
    }

    /// The number of an instance and of all that lead to it, from the inside out.
    fn line(&self, number: usize) -> impl Iterator<Item = usize> {
        std::iter::successors(Some(number), |number| self.instances[*number].parent)
    }
}

struct Grower<'a, 'f> {
    files: &'f [File],
    entries: &'a [Vec<Include<'a>>],
    /// The files by their plain names.
    by_name: BTreeMap<String, usize>,
    /// Where each file was first included; `None` for those that were named to begin with.
    first: BTreeMap<usize, Option<Place>>,
    tree: Tree<'a>,
    faults: &'f mut Vec<Fault>,
}

impl<'a> Grower<'a, '_> {
    fn visit(
        &mut self,
        file: usize,
        parent: Option<usize>,
        include: Option<&'a Include<'a>>,
        depth: usize,
    ) {
        let number = self.tree.instances.len();
        self.tree.instances.push(Instance {
            file,
            parent,
            include,
        });
        for include in &self.entries[file] {
            for found in self.find(include) {
                if self.faults.len() >= limits::FAULTS {
                    return;
                }
                if self.is_sound(include, found, number, depth) {
                    self.visit(found, Some(number), Some(include), depth + 1);
                }
            }
        }
        self.tree.order.push(number);
    }

    /// The files that an entry names.
    fn find(&mut self, include: &Include<'_>) -> Vec<usize> {
        let found: Vec<usize> = match include.sort {
            Sort::Directory => {
                let inside = |name: &str| {
                    let last = name.rsplit('/').next().unwrap_or_default();
                    directory(name) == include.path && is_taken(last)
                };
                let all = self.by_name.iter().filter(|(name, _)| inside(name));
                all.map(|(_, file)| *file).collect()
            }
            Sort::File | Sort::Role => self
                .by_name
                .get(&include.path)
                .copied()
                .into_iter()
                .collect(),
        };
        if found.is_empty() {
            let what = match include.sort {
                Sort::Directory => format!("there is no *.toml in {}", include.spelled),
                Sort::File => format!("there is no file {}", include.spelled),
                Sort::Role => format!("there is no role {}", include.spelled),
            };
            let fault = Fault::error(what, include.place.clone());
            let hint = format!("put it there, or leave \"{}\" out", include.spelled);
            self.faults.push(fault.hint(hint));
        }
        found
    }

    /// Whether a file may be run here, and if not, why.
    fn is_sound(&mut self, include: &Include<'_>, file: usize, by: usize, depth: usize) -> bool {
        let name = &self.files[file].name;
        let at = include.place.clone();
        let line: Vec<usize> = self
            .tree
            .line(by)
            .map(|number| self.tree.instances[number].file)
            .collect();
        let fault = if let Some(length) = line.iter().position(|above| *above == file) {
            let through = line[..length]
                .iter()
                .rev()
                .map(|file| &self.files[*file].name);
            let through: Vec<_> = through.map(String::as_str).collect();
            let what = format!("{name} includes itself");
            let fault = if through.is_empty() {
                Fault::error(what, at)
            } else {
                Fault::error(format!("{what}, through {}", through.join(" and ")), at)
            };
            fault.hint(format!("leave \"{}\" out here", include.spelled))
        } else if include.sort != Sort::Role && name.rsplit('/').next() == Some(ROLE_FILE) {
            let dir = include.spelled.trim_end_matches('/');
            let fault = Fault::error(format!("{dir} is a role"), at);
            fault.hint(format!("\"role:{dir}\""))
        } else if depth >= limits::INCLUDES {
            Fault::error(
                format!(
                    "files include each other more than {} deep",
                    limits::INCLUDES
                ),
                at,
            )
        } else if self.tree.instances.len() >= limits::INSTANCES {
            let what = format!(
                "a config includes at most {} files and roles in all",
                limits::INSTANCES
            );
            Fault::error(what, at)
        } else if include.sort == Sort::Role {
            self.first.entry(file).or_insert(Some(at));
            return true;
        } else {
            match self.first.get(&file) {
                None => {
                    self.first.insert(file, Some(at));
                    return true;
                }
                Some(None) => Fault::error(
                    format!("{name} is run already: it was named to hpt itself"),
                    at,
                )
                .hint(format!(
                    "leave \"{}\" out here, or {name} out of the command",
                    include.spelled
                )),
                Some(Some(first)) => {
                    let fault = Fault::error(format!("{name} is included twice"), at.clone()).hint(
                        "what is to run more than once is a role: a directory with a `role.toml`",
                    );
                    if *first == at {
                        fault
                    } else {
                        fault.other(first.clone(), "the first time")
                    }
                }
            }
        };
        self.faults.push(fault);
        false
    }

    /// Files that nobody includes: whoever has sent them meant something by it.
    fn find_idle(&mut self, named: usize) {
        for file in named..self.files.len() {
            if !self.first.contains_key(&file) && self.faults.is_empty() {
                let place = Place { file, span: 0..0 };
                self.faults
                    .push(Fault::error("no file includes this one", place));
            }
        }
    }
}

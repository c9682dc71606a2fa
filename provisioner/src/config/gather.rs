//! Finding all files of a config, beginning with those that were named. How a file is read is the
//! caller's business.

use std::collections::BTreeSet;

use toml::de::DeTable;

use crate::config::include::{self, Include, Sort};
use crate::config::{File, limits};
use crate::fault::{Fault, Place};

/// What an include asks for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wanted {
    /// What it names.
    pub sort: Sort,
    /// Where it is, as seen from where the including file's own name starts.
    pub path: String,
    /// The directory from which the include leads down: that of the including file, or as many above
    /// it as the include begins with `..`. Empty for the directory where hpt was started.
    pub base: String,
}

/// The files of a config.
pub struct Gathered {
    /// Those that were named, then those that are included.
    pub files: Vec<File>,
    /// How many are included.
    pub included: usize,
    /// What could not be read, at the include that asks for it, and then also what no include can be.
    pub faults: Vec<Fault>,
}

/// Follows the includes of files. `load` gives the file of an include, or the files of a directory in
/// any order, or says why not. A file that is no TOML includes nothing: that is for a check to tell.
pub fn gather(
    named: Vec<File>,
    load: &mut dyn FnMut(&Wanted) -> Result<Vec<File>, String>,
) -> Gathered {
    let count = named.len();
    let mut all = Gathered {
        files: named,
        included: 0,
        faults: Vec::new(),
    };
    let mut asked = BTreeSet::new();
    let mut misspelt = Vec::new();
    let mut next = 0;
    while next < all.files.len() {
        for (wanted, place) in wants(&all.files[next], next, &mut misspelt) {
            if !asked.insert(wanted.clone()) {
                continue;
            }
            match load(&wanted) {
                Ok(files) => all.add(files),
                Err(why) => {
                    let hint = "a path starts at the directory of the file that includes it, such as \"./\"";
                    all.faults.push(Fault::error(why, place.clone()).hint(hint));
                }
            }
            if let Some(what) = limits::files(&all.files) {
                all.faults.push(Fault::error(what, place));
                return all;
            }
        }
        next += 1;
    }
    all.included = all.files.len() - count;
    if !all.faults.is_empty() {
        all.faults.append(&mut misspelt);
        all.faults
            .sort_by_key(|fault| fault.place.as_ref().map(Place::order));
    }
    all
}

impl Gathered {
    /// Adds the files that are not among them.
    fn add(&mut self, files: Vec<File>) {
        for file in files {
            let is_known = |known: &File| include::join("", &known.name) == file.name;
            if !self.files.iter().any(is_known) {
                self.files.push(file);
            }
        }
    }
}

/// What a file includes.
fn wants(file: &File, index: usize, faults: &mut Vec<Fault>) -> Vec<(Wanted, Place)> {
    if !file.text.contains("include") {
        return Vec::new();
    }
    let Ok(table) = DeTable::parse(&file.text) else {
        return Vec::new();
    };
    let Some(value) = table.into_inner().remove("include") else {
        return Vec::new();
    };
    let includes = include::read(value, &file.name, index, faults);
    let wanted = |include: Include<'_>| {
        let ups = include
            .spelled
            .split('/')
            .take_while(|part| [".", ".."].contains(part));
        let ups = ups.collect::<Vec<_>>().join("/");
        let base = if include.spelled.starts_with('/') {
            "/".to_owned()
        } else {
            include::join(include::directory(&file.name), &ups)
        };
        let wanted = Wanted {
            sort: include.sort,
            path: include.path,
            base,
        };
        (wanted, include.place)
    };
    includes.into_iter().map(wanted).collect()
}

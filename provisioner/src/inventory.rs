//! `targets.toml`: what the workstation knows of its targets besides their keys. Each target has
//! groups, tags and values, each group values and members. There are no secrets in it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::config::vars::{GROUP, is_group};
use crate::config::{File, Given, Level, Setting, limits, nearest, not_toml};
use crate::fault::{Fault, Place};

/// The fields of `[target.NAME]`, and those that come with a later version.
const TARGET: ([&str; 3], [&str; 4]) = (
    ["groups", "tags", "vars"],
    ["ips", "hpt_port", "ssh_port", "via"],
);
/// The fields of `[group.NAME]`, and those that come with a later version.
const GROUP_FIELDS: ([&str; 2], [&str; 1]) = (["members", "vars"], ["where"]);

/// The targets and groups of a workstation.
#[derive(Debug, Default)]
pub struct Inventory {
    targets: BTreeMap<String, Target>,
    groups: BTreeMap<String, Vec<Setting>>,
}

/// One target.
#[derive(Debug, Default)]
struct Target {
    groups: BTreeSet<String>,
    tags: BTreeSet<String>,
    vars: Vec<Setting>,
}

impl Inventory {
    /// Reads a `targets.toml`.
    ///
    /// # Errors
    /// Every fault found, in the order of their places.
    pub fn parse(file: &File) -> Result<Self, Vec<Fault>> {
        let root =
            DeTable::parse(&file.text).map_err(|error| vec![not_toml(&error, &file.text, 0)])?;
        if let Some(fault) = limits::check(root.get_ref(), 0) {
            return Err(vec![fault]);
        }
        let mut reader = Reader::default();
        for (key, value) in root.into_inner() {
            match key.get_ref().as_ref() {
                "target" => reader.each("target", value, Reader::target),
                "group" => reader.each("group", value, Reader::group),
                name => reader.unknown(name, "", &key, &["target", "group"], &["policy"]),
            }
        }
        reader.finish()
    }

    /// Adds what it knows of a target to what is said on the command line, which wins. A target that
    /// is not in it has no groups.
    pub fn tell(&self, target: &str, given: &mut Given) {
        let Some(target) = self.targets.get(target) else {
            return;
        };
        let table = |settings: &[Setting]| -> toml::Table {
            let each = settings.iter();
            each.map(|setting| (setting.name.clone(), setting.value.clone()))
                .collect()
        };
        let groups = target.groups.iter();
        given.groups = groups
            .map(|name| (name.clone(), table(&self.groups[name])))
            .collect();
        given.target_tags.clone_from(&target.tags);
        given.weaker(table(&target.vars));
    }

    /// The values that it has for a target, the weakest first. Their places are in its own file.
    pub fn settings(&self, target: &str) -> Vec<Setting> {
        let Some(target) = self.targets.get(target) else {
            return Vec::new();
        };
        let of_groups = target.groups.iter().flat_map(|name| &self.groups[name]);
        of_groups.chain(&target.vars).cloned().collect()
    }
}

fn at(span: std::ops::Range<usize>) -> Place {
    Place { file: 0, span }
}

/// A name that one table says of another.
type Mention = (String, Place);

#[derive(Default)]
struct Reader {
    inventory: Inventory,
    /// The groups that each target says it is in.
    groups: Vec<(String, Vec<Mention>)>,
    /// The members of each group.
    members: Vec<(String, Vec<Mention>)>,
    faults: Vec<Fault>,
}

impl Reader {
    /// Reads each `[kind.NAME]`.
    fn each(
        &mut self,
        kind: &str,
        value: Spanned<DeValue<'_>>,
        read: fn(&mut Self, String, DeTable<'_>),
    ) {
        let wrong = |span| Fault::error(format!("write [{kind}.NAME]"), at(span));
        let span = value.span();
        let DeValue::Table(tables) = value.into_inner() else {
            self.faults.push(wrong(span));
            return;
        };
        for (name, table) in tables {
            let span = name.span();
            let name = name.into_inner().into_owned();
            match table.into_inner() {
                _ if !is_group(&name) => self.faults.push(Fault::error(GROUP, at(span))),
                DeValue::Table(fields) => read(self, name, fields),
                _ => self.faults.push(wrong(span)),
            }
        }
    }

    fn target(&mut self, name: String, fields: DeTable<'_>) {
        let mut target = Target::default();
        let of = format!(" in [target.{name}]");
        for (key, value) in fields {
            match key.get_ref().as_ref() {
                "groups" => {
                    let groups = self.words(value, "groups");
                    self.groups.push((name.clone(), groups));
                }
                "tags" => {
                    let tags = self.words(value, "tags").into_iter();
                    target.tags = tags.map(|(tag, _)| tag).collect();
                }
                "vars" => target.vars = self.vars(&value, &Level::Target),
                field => self.unknown(field, &of, &key, &TARGET.0, &TARGET.1),
            }
        }
        self.inventory.targets.insert(name, target);
    }

    fn group(&mut self, name: String, fields: DeTable<'_>) {
        let mut vars = Vec::new();
        let of = format!(" in [group.{name}]");
        for (key, value) in fields {
            match key.get_ref().as_ref() {
                "members" => {
                    let members = self.words(value, "members");
                    self.members.push((name.clone(), members));
                }
                "vars" => vars = self.vars(&value, &Level::Group(name.clone())),
                field => self.unknown(field, &of, &key, &GROUP_FIELDS.0, &GROUP_FIELDS.1),
            }
        }
        self.inventory.groups.insert(name, vars);
    }

    fn vars(&mut self, value: &Spanned<DeValue<'_>>, level: &Level) -> Vec<Setting> {
        if let Some(table) = value.get_ref().as_table() {
            return Setting::all(table, level, 0);
        }
        let fault = Fault::error("`vars` is a table", at(value.span()));
        self.faults.push(fault.hint("vars = { port = 8080 }"));
        Vec::new()
    }

    fn words(&mut self, value: Spanned<DeValue<'_>>, field: &str) -> Vec<Mention> {
        let span = value.span();
        let Ok(words) = Vec::<Spanned<String>>::deserialize(ValueDeserializer::from(value)) else {
            let fault = Fault::error(format!("`{field}` is a list of names"), at(span));
            self.faults.push(fault.hint(format!("{field} = [\"web\"]")));
            return Vec::new();
        };
        let mut good = Vec::new();
        for word in words {
            let place = at(word.span());
            if is_group(word.get_ref()) {
                good.push((word.into_inner(), place));
            } else {
                self.faults.push(Fault::error(GROUP, place));
            }
        }
        good
    }

    fn unknown(
        &mut self,
        name: &str,
        of: &str,
        key: &Spanned<std::borrow::Cow<'_, str>>,
        known: &[&str],
        later: &[&str],
    ) {
        let place = at(key.span());
        if later.contains(&name) {
            let what = format!("`{name}`{of} comes with a later version of hpt");
            let fault = Fault::error(what, place);
            self.faults
                .push(fault.hint(format!("leave `{name}` out until then")));
            return;
        }
        let fault = Fault::error(format!("`{name}` is not known{of}"), place);
        self.faults
            .push(match nearest(name, known.iter().copied()) {
                Some(near) => fault.label(format!("did you mean `{near}`?")),
                None => fault.hint(format!("there are {}", known.join(", "))),
            });
    }

    /// Brings targets and groups together, each of which may name the other.
    fn finish(mut self) -> Result<Inventory, Vec<Fault>> {
        for (target, groups) in std::mem::take(&mut self.groups) {
            for (group, place) in groups {
                if self.inventory.groups.contains_key(&group) {
                    self.join(&target, group);
                } else {
                    let known = self.inventory.groups.keys();
                    self.faults.push(absent("group", &group, place, known));
                }
            }
        }
        for (group, members) in std::mem::take(&mut self.members) {
            for (target, place) in members {
                if self.inventory.targets.contains_key(&target) {
                    self.join(&target, group.clone());
                } else {
                    let known = self.inventory.targets.keys();
                    self.faults.push(absent("target", &target, place, known));
                }
            }
        }
        if self.faults.is_empty() {
            return Ok(self.inventory);
        }
        self.faults
            .sort_by_key(|fault| fault.place.as_ref().map(Place::order));
        Err(self.faults)
    }

    fn join(&mut self, target: &str, group: String) {
        if let Some(target) = self.inventory.targets.get_mut(target) {
            target.groups.insert(group);
        }
    }
}

fn absent<'a>(
    kind: &str,
    name: &str,
    place: Place,
    known: impl Iterator<Item = &'a String>,
) -> Fault {
    let fault = Fault::error(format!("there is no [{kind}.{name}] here"), place);
    match nearest(name, known.map(String::as_str)) {
        Some(near) => fault.label(format!("did you mean `{near}`?")),
        None => fault.hint(format!(
            "write [{kind}.{name}], if there is nothing to say of it"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Inventory, Vec<Fault>> {
        let (name, text) = ("targets.toml".to_owned(), text.to_owned());
        Inventory::parse(&File { name, text })
    }

    #[test]
    fn a_target_has_the_groups_that_it_names_and_those_that_name_it() {
        let text = "[target.web1]\ngroups = [\"web\"]\ntags = [\"prod\"]\nvars = { port = 1, own = true }\n[target.db1]\n\
                    [group.web]\nvars = { port = 2 }\n[group.all]\nmembers = [\"web1\", \"db1\"]\n[group.all.vars]\nzone = \"a\"\n";
        let inventory = parse(text).unwrap();
        let mut given = Given::default();
        given.assign("own=false").unwrap();
        inventory.tell("web1", &mut given);
        assert_eq!(given.groups.keys().collect::<Vec<_>>(), ["all", "web"]);
        assert_eq!(given.groups["web"]["port"].as_integer(), Some(2));
        assert_eq!(given.vars["port"].as_integer(), Some(1));
        assert_eq!(given.vars["own"].as_bool(), Some(false));
        assert!(given.target_tags.contains("prod"));
        let names: Vec<_> = inventory
            .settings("web1")
            .into_iter()
            .map(|s| s.name)
            .collect();
        assert_eq!(names, ["zone", "port", "port", "own"]);
        let mut nobody = Given::default();
        inventory.tell("web9", &mut nobody);
        assert_eq!(nobody, Given::default());
        assert!(inventory.settings("web9").is_empty());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (text, place, words) in [
            ("[targets.a]\n", (1, 2), "`targets` is not known"),
            ("[policy.a]\n", (1, 2), "later version"),
            ("target = 1\n", (1, 10), "write [target.NAME]"),
            ("[target]\na = 1\n", (2, 1), "write [target.NAME]"),
            ("[target.\"a b\"]\n", (1, 9), "is called 1 to 63"),
            ("[target.a]\nips = []\n", (2, 1), "later version"),
            (
                "[target.a]\ngruops = []\n",
                (2, 1),
                "`gruops` is not known in [target.a]",
            ),
            ("[target.a]\ngroups = \"web\"\n", (2, 10), "a list of names"),
            ("[target.a]\ngroups = [1]\n", (2, 10), "a list of names"),
            (
                "[target.a]\ngroups = [\"web\"]\n",
                (2, 11),
                "there is no [group.web]",
            ),
            ("[target.a]\ntags = [\"-x\"]\n", (2, 9), "is called 1 to 63"),
            ("[target.a]\nvars = 1\n", (2, 8), "`vars` is a table"),
            (
                "[group.a]\nmembers = [\"b\"]\n",
                (2, 12),
                "there is no [target.b]",
            ),
            ("[group.a]\nwhere = \"x\"\n", (2, 1), "later version"),
            (
                "[group.a]\nmember = []\n",
                (2, 1),
                "`member` is not known in [group.a]",
            ),
            ("[group.a\n", (1, 9), ""),
            ("[group.a]\n[group.a]\n", (2, 8), "is there twice"),
        ] {
            let faults = parse(text).unwrap_err();
            let told = faults[0].place.as_ref().unwrap().line_column(text);
            assert!(faults[0].what.contains(words), "{text}: {}", faults[0].what);
            assert_eq!(told, place, "{text}: {}", faults[0].what);
        }
    }

    #[test]
    fn what_was_meant_is_said() {
        let text = "[target.a]\ngroups = [\"wbe\"]\n[group.web]\nmembers = [\"b\"]\n";
        let faults = parse(text).unwrap_err();
        assert_eq!(faults.len(), 2);
        assert_eq!(faults[0].label.as_deref(), Some("did you mean `web`?"));
    }
}

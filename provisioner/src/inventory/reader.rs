//! Reading a `targets.toml`: each table is checked, ranges become targets, and targets and groups are
//! brought together.

use std::borrow::Cow;
use std::ops::Range;

use serde::Deserialize as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::{At, Glob, Inventory, Pattern, Target};
use crate::config::vars::{GROUP, is_group};
use crate::config::{File, Level, Setting, limits, nearest, not_toml};
use crate::fault::{Fault, Place};

/// The fields of `[target.NAME]`, and those that come with a later version.
const TARGET: ([&str; 6], [&str; 1]) = (
    ["ips", "hpt_port", "ssh_port", "groups", "tags", "vars"],
    ["via"],
);
/// The fields of `[group.NAME]`.
const GROUP_FIELDS: [&str; 3] = ["members", "where", "vars"];
/// The longest address.
const ADDRESS: usize = 255;

/// Reads the whole of it.
pub(super) fn read(file: &File) -> Result<Inventory, Vec<Fault>> {
    let root = DeTable::parse(&file.text).map_err(|error| vec![not_toml(&error, &file.text, 0)])?;
    if let Some(fault) = limits::check(root.get_ref(), 0) {
        return Err(vec![fault]);
    }
    let mut reader = Reader::default();
    for (key, value) in root.into_inner() {
        match key.get_ref().as_ref() {
            "target" => reader.targets(value),
            "group" => reader.groups(value),
            name => reader.unknown(name, "", &key, &["target", "group"], &["policy"]),
        }
    }
    reader.finish()
}

fn at(span: Range<usize>) -> Place {
    Place { file: 0, span }
}

/// Names that one table says of others.
type Mention = (Vec<String>, Place);
/// A table by its name.
type Named<'a> = (String, Range<usize>, DeTable<'a>);

#[derive(Default)]
struct Reader {
    inventory: Inventory,
    /// The groups that targets say they are in.
    groups: Vec<(Vec<String>, Vec<Mention>)>,
    /// The members of each group.
    members: Vec<(String, Vec<Mention>)>,
    /// The patterns of groups.
    patterns: Vec<(String, Pattern)>,
    faults: Vec<Fault>,
}

impl Reader {
    fn fault(&mut self, what: impl Into<String>, span: Range<usize>) -> &mut Fault {
        self.faults.push(Fault::error(what.into(), at(span)));
        self.faults.last_mut().expect("it was just pushed")
    }

    /// Each `[kind.NAME]`.
    fn each<'a>(&mut self, kind: &str, value: Spanned<DeValue<'a>>) -> Vec<Named<'a>> {
        let wrong = format!("write [{kind}.NAME]");
        let span = value.span();
        let DeValue::Table(tables) = value.into_inner() else {
            self.fault(wrong, span);
            return Vec::new();
        };
        let mut all = Vec::new();
        for (name, table) in tables {
            let span = name.span();
            match table.into_inner() {
                DeValue::Table(fields) => all.push((name.into_inner().into_owned(), span, fields)),
                _ => {
                    self.fault(wrong.clone(), span);
                }
            }
        }
        all
    }

    /// Those that are many come first: what is said of one by its own name is stronger.
    fn targets(&mut self, value: Spanned<DeValue<'_>>) {
        let (many, own): (Vec<_>, Vec<_>) = self
            .each("target", value)
            .into_iter()
            .partition(|(name, ..)| !is_group(name));
        for (name, span, fields) in many.into_iter().chain(own) {
            if let Some(names) = self.names(&name, span) {
                self.target(&name, &names, fields);
            }
        }
    }

    /// The names that one text stands for: itself, or a range.
    fn names(&mut self, text: &str, span: Range<usize>) -> Option<Vec<String>> {
        if is_group(text) {
            return Some(vec![text.to_owned()]);
        }
        let glob = if text.contains('[') {
            Glob::parse(text).map_err(|why| why.to_string())
        } else {
            Err(GROUP.to_owned())
        };
        let names = glob.and_then(|glob| {
            let names = glob.names().unwrap_or_default();
            let are_good = !names.is_empty() && names.iter().all(|name| is_group(name));
            are_good.then_some(names).ok_or_else(|| GROUP.to_owned())
        });
        match names {
            Ok(names) => Some(names),
            Err(why) => {
                self.fault(why, span);
                None
            }
        }
    }

    fn target(&mut self, text: &str, names: &[String], fields: DeTable<'_>) {
        let mut target = Target::default();
        let mut ips = vec![Vec::new(); names.len()];
        let of = format!(" in [target.{}]", quoted(text));
        for (key, value) in fields {
            match key.get_ref().as_ref() {
                "ips" => self.ips(value, &mut ips),
                "hpt_port" => target.at.hpt_port = self.port("hpt_port", value),
                "ssh_port" => target.at.ssh_port = self.port("ssh_port", value),
                "groups" => {
                    let groups = self.words(value, "groups");
                    self.groups.push((names.to_vec(), groups));
                }
                "tags" => {
                    let tags = self.words(value, "tags").into_iter();
                    target.tags = tags.flat_map(|(tags, _)| tags).collect();
                }
                "vars" => target.vars = self.vars(&value, &Level::Target),
                field => self.unknown(field, &of, &key, &TARGET.0, &TARGET.1),
            }
        }
        for (name, ips) in names.iter().zip(ips) {
            let known = self.inventory.targets.entry(name.clone()).or_default();
            known.tags.extend(target.tags.iter().cloned());
            known.vars.extend(target.vars.iter().cloned());
            if !ips.is_empty() {
                known.at.ips = ips;
            }
            let At {
                hpt_port, ssh_port, ..
            } = target.at;
            known.at.hpt_port = hpt_port.or(known.at.hpt_port);
            known.at.ssh_port = ssh_port.or(known.at.ssh_port);
        }
    }

    /// The addresses of so many targets: a range gives each its own.
    fn ips(&mut self, value: Spanned<DeValue<'_>>, all: &mut [Vec<String>]) {
        let count = all.len();
        for word in self.texts(value, "ips", "ips = [\"10.0.0.5\"]") {
            let (span, text) = (word.span(), word.into_inner());
            // The brackets of an IPv6 address with a port are no range.
            let is_range = text.contains("..");
            let glob = is_range.then(|| Glob::parse(&text)).transpose();
            let each = match glob {
                Ok(glob) => glob.and_then(|glob| glob.names()),
                Err(why) => {
                    self.fault(why.to_string(), span);
                    continue;
                }
            };
            let each = each.unwrap_or_else(|| vec![text]);
            if each.len() != count {
                let what = format!("here are {} addresses for {count} targets", each.len());
                self.fault(what, span).hint =
                    Some("a range of names has ranges of addresses that are as long".to_owned());
            } else if !each.iter().all(|ip| is_address(ip)) {
                self.fault("this is neither an address nor the name of a host", span);
            } else {
                all.iter_mut().zip(each).for_each(|(ips, ip)| ips.push(ip));
            }
        }
    }

    fn port(&mut self, field: &str, value: Spanned<DeValue<'_>>) -> Option<u16> {
        let span = value.span();
        let port = u16::deserialize(ValueDeserializer::from(value)).ok();
        let port = port.filter(|port| *port > 0);
        if port.is_none() {
            self.fault(format!("`{field}` is a number from 1 to 65535"), span);
        }
        port
    }

    fn groups(&mut self, value: Spanned<DeValue<'_>>) {
        for (name, span, fields) in self.each("group", value) {
            if is_group(&name) {
                self.group(name, fields);
            } else {
                self.fault(GROUP, span);
            }
        }
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
                "where" => {
                    if let Some(pattern) = self.pattern(value) {
                        self.patterns.push((name.clone(), pattern));
                    }
                }
                "vars" => vars = self.vars(&value, &Level::Group(name.clone())),
                field => self.unknown(field, &of, &key, &GROUP_FIELDS, &[]),
            }
        }
        self.inventory.groups.insert(name, vars);
    }

    fn pattern(&mut self, value: Spanned<DeValue<'_>>) -> Option<Pattern> {
        let span = value.span();
        let Ok(text) = String::deserialize(ValueDeserializer::from(value)) else {
            self.fault("`where` is a pattern", span).hint =
                Some("where = \"tag:prod & web-*\"".to_owned());
            return None;
        };
        let mut no_files =
            |_: &str| Err("a group is no list in a file: write `members`".to_owned());
        let pattern = Pattern::parse(&text, &mut no_files);
        match pattern {
            Ok(pattern) => Some(pattern),
            Err(why) => {
                self.fault(why.to_string(), span);
                None
            }
        }
    }

    fn vars(&mut self, value: &Spanned<DeValue<'_>>, level: &Level) -> Vec<Setting> {
        if let Some(table) = value.get_ref().as_table() {
            return Setting::all(table, level, 0);
        }
        self.fault("`vars` is a table", value.span()).hint =
            Some("vars = { port = 8080 }".to_owned());
        Vec::new()
    }

    fn texts(
        &mut self,
        value: Spanned<DeValue<'_>>,
        field: &str,
        example: &str,
    ) -> Vec<Spanned<String>> {
        let span = value.span();
        let words = Vec::<Spanned<String>>::deserialize(ValueDeserializer::from(value));
        words.unwrap_or_else(|_| {
            let what = format!("`{field}` is a list of texts");
            self.fault(what, span).hint = Some(example.to_owned());
            Vec::new()
        })
    }

    /// Names, and what each of them stands for.
    fn words(&mut self, value: Spanned<DeValue<'_>>, field: &str) -> Vec<Mention> {
        let example = format!("{field} = [\"web\"]");
        let mut good = Vec::new();
        for word in self.texts(value, field, &example) {
            let span = word.span();
            let names = self.names(word.get_ref(), span.clone());
            good.extend(names.map(|names| (names, at(span))));
        }
        good
    }

    fn unknown(
        &mut self,
        name: &str,
        of: &str,
        key: &Spanned<Cow<'_, str>>,
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
        for (targets, mentions) in std::mem::take(&mut self.groups) {
            for (groups, place) in mentions {
                for group in groups {
                    if !self.inventory.groups.contains_key(&group) {
                        let known = self.inventory.groups.keys();
                        self.faults.push(absent("group", &group, &place, known));
                        continue;
                    }
                    for target in &targets {
                        self.join(target, &group);
                    }
                }
            }
        }
        for (group, mentions) in std::mem::take(&mut self.members) {
            for (targets, place) in mentions {
                for target in targets {
                    if !self.inventory.targets.contains_key(&target) {
                        let known = self.inventory.targets.keys();
                        self.faults.push(absent("target", &target, &place, known));
                        continue;
                    }
                    self.join(&target, &group);
                }
            }
        }
        if !self.faults.is_empty() {
            self.faults
                .sort_by_key(|fault| fault.place.as_ref().map(Place::order));
            return Err(self.faults);
        }
        self.join_meant();
        Ok(self.inventory)
    }

    /// Patterns see the groups that were named, and not what other patterns make of them.
    fn join_meant(&mut self) {
        let mut meant: Vec<(String, String)> = Vec::new();
        for (group, pattern) in &self.patterns {
            let names = self.inventory.names();
            let names = names.filter(|name| self.inventory.is_meant(pattern, name));
            meant.extend(names.map(|name| (name.to_owned(), group.clone())));
        }
        for (target, group) in &meant {
            self.join(target, group);
        }
    }

    fn join(&mut self, target: &str, group: &str) {
        if let Some(target) = self.inventory.targets.get_mut(target) {
            target.groups.insert(group.to_owned());
        }
    }
}

/// Whether it could be one: what it really is tells whoever dials it.
fn is_address(text: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]%".contains(&byte);
    !text.is_empty() && text.len() <= ADDRESS && text.bytes().all(good)
}

/// A name as it stands in a header.
fn quoted(name: &str) -> Cow<'_, str> {
    if is_group(name) {
        Cow::Borrowed(name)
    } else {
        Cow::Owned(format!("\"{name}\""))
    }
}

fn absent<'a>(
    kind: &str,
    name: &str,
    place: &Place,
    known: impl Iterator<Item = &'a String>,
) -> Fault {
    let fault = Fault::error(format!("there is no [{kind}.{name}] here"), place.clone());
    match nearest(name, known.map(String::as_str)) {
        Some(near) => fault.label(format!("did you mean `{near}`?")),
        None => fault.hint(format!(
            "write [{kind}.{name}], if there is nothing to say of it"
        )),
    }
}

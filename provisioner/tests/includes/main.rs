//! Configs of many files: what runs, in which order, with which values, and what is refused where.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod order;
mod refusals;
mod roles;
#[path = "../scaffold/mod.rs"]
mod scaffold;
mod values;

use std::collections::BTreeMap;

use hpt_provisioner::config::scope::Scope;
use hpt_provisioner::config::{self, Config, File, Gathered, Given, Sort, Wanted};
use hpt_provisioner::fault::Fault;
use hpt_provisioner::host::facts::Facts;

/// The files of a tree by name. In a text, `#=== NAME` begins a file.
fn tree(text: &str) -> BTreeMap<String, String> {
    let files = text.split("#=== ").skip(1).map(|file| {
        let (name, text) = file.split_once('\n').unwrap();
        (name.to_owned(), text.to_owned())
    });
    files.collect()
}

fn file(name: &str, text: &str) -> File {
    File {
        name: name.to_owned(),
        text: text.to_owned(),
    }
}

/// What a workstation finds, beginning with `site.toml`.
fn gather(tree: &BTreeMap<String, String>) -> Gathered {
    let named = vec![file("site.toml", &tree["site.toml"])];
    config::gather(named, &mut |wanted: &Wanted| {
        let inside = |name: &str| match name.rsplit_once('/') {
            Some((dir, file)) => dir == wanted.path && !file.starts_with('.'),
            None => wanted.path.is_empty(),
        };
        let is_it = |name: &str| match wanted.sort {
            Sort::Directory => inside(name),
            Sort::File | Sort::Role => name == wanted.path,
        };
        let found = tree.iter().filter(|(name, _)| is_it(name));
        let found: Vec<_> = found.map(|(name, text)| file(name, text)).collect();
        if found.is_empty() {
            Err(format!("there is no {}", wanted.path))
        } else {
            Ok(found)
        }
    })
}

fn given(gathered: &Gathered) -> Given {
    Given {
        included: gathered.included,
        ..Given::default()
    }
}

fn scope(given: Given) -> Scope {
    Scope {
        target: "web1".to_owned(),
        given,
        facts: Some(Facts {
            hostname: "red".to_owned(),
            ..Facts::default()
        }),
        ..scaffold::scope(&[("db", "hunter2")])
    }
}

/// A tree as both sides take it.
fn parse(text: &str) -> Config {
    let gathered = gather(&tree(text));
    assert_eq!(gathered.faults, []);
    let given = given(&gathered);
    if let Err(faults) = config::check(&gathered.files, "web1", &given) {
        panic!("{faults:#?}");
    }
    config::parse(gathered.files, scope(given)).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

/// What is wrong with a tree on the workstation, and the files to which the places belong.
fn faults(text: &str) -> (Vec<File>, Vec<Fault>) {
    let gathered = gather(&tree(text));
    if !gathered.faults.is_empty() {
        return (gathered.files, gathered.faults);
    }
    match config::check(&gathered.files, "web1", &given(&gathered)) {
        Ok(_) => panic!("accepted:\n{text}"),
        Err(faults) => (gathered.files, faults),
    }
}

fn ids(config: &Config) -> Vec<&str> {
    config
        .blocks
        .iter()
        .map(|block| block.id.as_str())
        .collect()
}

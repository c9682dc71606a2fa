//! Hostile values: of each class at least 200 are refused when a config is checked, where no host is
//! known yet, so that no tool can have been started. They are made by rules, from good values and nasty
//! pieces; the good ones beside them are accepted.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod classes;
#[path = "../scaffold/mod.rs"]
mod scaffold;

use std::collections::BTreeSet;

use classes::{CLASSES, Class, LOOKALIKE, SHELL};
use hpt_provisioner::config::{self, File, Given};
use scaffold::scope;

/// Every character that ends a line, moves a cursor, does not show, or turns the text around it.
fn hidden() -> Vec<String> {
    let ranges = [
        0..=8,
        10..=0x1f,
        0x7f..=0x9f,
        0xad..=0xad,
        0x61c..=0x61c,
        0x200b..=0x200b,
        0x200e..=0x200f,
        0x2028..=0x202e,
        0x2060..=0x2069,
        0xfeff..=0xfeff,
        0xe0001..=0xe0001,
        0xe0041..=0xe0043,
    ];
    let all = ranges.into_iter().flatten();
    all.map(|c: u32| char::from_u32(c).unwrap().to_string())
        .chain([
            "\r\n".to_owned(),
            "\u{1b}[2J".to_owned(),
            "\n[x]\n".to_owned(),
        ])
        .collect()
}

/// The hostile values of a class.
fn hostile(class: &Class) -> BTreeSet<String> {
    let is_ascii_only = !["paths", "URLs", "sudoers"].contains(&class.name);
    let mut pieces = hidden();
    pieces.extend(class.pieces.iter().map(ToString::to_string));
    if is_ascii_only {
        pieces.extend(LOOKALIKE.iter().map(ToString::to_string));
    }
    if is_ascii_only && class.name != "cron" {
        // A `~` sorts a version before others.
        let shell = SHELL
            .iter()
            .filter(|piece| class.name != "versions" || **piece != "~");
        pieces.extend(shell.map(ToString::to_string));
    }
    let mut values: BTreeSet<String> = class.whole.iter().map(ToString::to_string).collect();
    for good in class.good {
        let middle = good.len() / 2;
        let middle = (middle..=good.len())
            .find(|at| good.is_char_boundary(*at))
            .unwrap();
        for piece in &pieces {
            values.insert(format!("{piece}{good}"));
            values.insert(format!("{good}{piece}"));
            values.insert(format!("{}{piece}{}", &good[..middle], &good[middle..]));
        }
    }
    let (length, before, behind) = class.too_long;
    for more in [0, 1, 1000] {
        let fill = "a".repeat(length + more - before.len() - behind.len());
        values.insert(format!("{before}{fill}{behind}"));
    }
    values
}

fn files(block: &str, value: &str) -> Vec<File> {
    let quoted = toml::Value::String(value.to_owned()).to_string();
    scaffold::files(&block.replacen('§', &quoted, 1))
}

/// Whether a target that believes nobody refuses a block.
fn is_refused(block: &str, value: &str) -> bool {
    config::parse(files(block, value), scope(&[])).is_err()
}

/// Whether whoever starts a run refuses it before that.
fn is_refused_at_once(block: &str, value: &str) -> bool {
    config::check(&files(block, value), "", &Given::default()).is_err()
}

#[test]
fn at_least_200_of_each_class_are_refused_everywhere() {
    let mut taken = Vec::new();
    for class in CLASSES {
        let values = hostile(class);
        let (name, count) = (class.name, values.len());
        assert!(count >= 200, "only {count} {name}");
        let first = class.blocks[0];
        let accepted = values
            .iter()
            .filter(|value| !is_refused_at_once(first, value));
        taken.extend(accepted.map(|value| format!("{name}: {value:.80?} at once by {first:?}")));
        for block in class.blocks {
            let accepted = values.iter().filter(|value| !is_refused(block, value));
            taken.extend(accepted.map(|value| format!("{name}: {value:.80?} by {block:?}")));
        }
        println!("{name}: {count} refused by each of {}", class.blocks.len());
    }
    let count = taken.len();
    assert!(taken.is_empty(), "{count} are taken:\n{}", taken.join("\n"));
}

#[test]
fn the_good_ones_beside_them_are_taken() {
    for class in CLASSES {
        for block in class.blocks {
            if block.contains("package_repo") {
                continue; // it wants a key besides, which tests/good_configs.rs has
            }
            for good in class.good {
                assert!(
                    !is_refused(block, good),
                    "{}: {good:?} by {block:?}",
                    class.name
                );
            }
        }
    }
}

//! Fingerprints of secrets in a plan: equal for equal values on one host, and on no two hosts.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use hpt_agent::run::Site;
use hpt_provisioner::describe::Detail;
use hpt_provisioner::plan::Reveal;

/// The last words of each file's details: its fingerprint, before and after if it changes.
fn fingerprints(dir: &Path, values: &[&str]) -> Vec<String> {
    fs::create_dir_all(dir.join("root")).unwrap();
    fs::write(dir.join("root/0"), "old").unwrap();
    let block = |(at, value): (usize, &&str)| {
        format!("[[file]]\npath = \"/{at}\"\ncontent = \"{value}\"\nsensitive = true\n")
    };
    let config: String = values.iter().enumerate().map(block).collect();
    let site = Site::new(common::places_in(dir));
    let plan = site.plan(common::delivery(&config), Reveal::Content);
    let plan = plan.unwrap().unwrap();
    let print = |detail: &Detail| match detail {
        Detail::Text(text) => text.split_once("fingerprint ").map(|(_, p)| p.to_owned()),
        Detail::Diff { .. } => panic!("a secret is shown"),
    };
    let details = plan.blocks.iter().flat_map(|block| &block.details);
    details.filter_map(print).collect()
}

#[test]
fn they_tell_values_apart_on_one_host_and_nothing_across_hosts() {
    let values = ["a", "b", "a", "old"];
    let hosts: Vec<_> = (0..8).map(|_| tempfile::tempdir().unwrap()).collect();
    let mut seen = BTreeSet::new();
    for host in &hosts {
        let [changed, b, a, old] =
            <[String; 4]>::try_from(fingerprints(host.path(), &values)).unwrap();
        assert_eq!(
            changed,
            format!("{old} -> {a}"),
            "one value, one fingerprint"
        );
        let again = fingerprints(host.path(), &values);
        assert_eq!(again[1..], [b.clone(), a.clone(), old.clone()], "it stays");
        seen.extend([a, b, old]);
    }
    assert_eq!(
        seen.len(),
        3 * hosts.len(),
        "other hosts, other fingerprints"
    );
}

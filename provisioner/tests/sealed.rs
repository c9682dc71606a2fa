//! Secrets that are sealed for targets: who opens them, and what is said where that cannot be.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod scaffold;

use std::sync::Arc;

use hpt_provisioner::config::scope::Scope;
use hpt_provisioner::config::{self, Config, Given};
use hpt_provisioner::fault::Fault;
use hpt_provisioner::secret::Secret;
use scaffold::{files, scope};

const SITE: &str = r#"
[secret.db]
sealed = { web1 = "for web1", web2 = "for web2" }
[secret.other.sealed]
db1 = "for db1"
[[file]]
path = "/a"
content = "{{ secret.db }}"
[[file]]
when = "target.name == 'db1'"
path = "/b"
content = "{{ secret.other }}"
"#;

/// As a target reads it whose key opens what is for web1, given these values besides.
fn parse(text: &str, target: &str, given: &[(&str, &str)]) -> Result<Config, Vec<Fault>> {
    let scope = Scope {
        target: target.into(),
        opener: Some(Arc::new(|name, text| match text {
            "for web1" => Ok(Secret::new(format!("value of {name}"))),
            _ => Err("it stays shut".to_owned()),
        })),
        ..scope(given)
    };
    config::parse(files(text), scope)
}

/// What is said, and in which line.
fn told(faults: &[Fault], text: &str) -> Vec<(String, usize)> {
    let line = |fault: &Fault| fault.place.as_ref().unwrap().line_column(text).0;
    let faults = faults.iter();
    faults
        .map(|fault| (fault.what.clone(), line(fault)))
        .collect()
}

fn refused(result: Result<Config, Vec<Fault>>, text: &str) -> Vec<(String, usize)> {
    told(&result.err().expect("it is wrong"), text)
}

#[test]
fn a_target_opens_what_is_for_it_and_nothing_else() {
    let config = parse(SITE, "web1", &[]).ok().unwrap();
    let secrets = config.scope.secrets.unwrap();
    assert_eq!(secrets.keys().collect::<Vec<_>>(), ["db"]);
    assert_eq!(secrets["db"].expose(), "value of db");
}

/// So is the process of a run, which has no key.
#[test]
fn what_was_opened_before_is_taken_as_it_is() {
    let config = parse(SITE, "web2", &[("db", "opened")]).ok().unwrap();
    assert_eq!(config.scope.secrets.unwrap()["db"].expose(), "opened");
}

#[test]
fn what_stays_shut_is_one_fault_at_its_row() {
    let shut = "[secret.db] cannot be opened: it stays shut".to_owned();
    assert_eq!(refused(parse(SITE, "web2", &[]), SITE), [(shut, 3)]);
}

#[test]
fn what_is_for_others_is_a_fault_where_it_is_named() {
    let what = "[secret.db] is sealed for web1 and web2, not for db2".to_owned();
    let wanted = [(what, 8)];
    assert_eq!(refused(parse(SITE, "db2", &[]), SITE), wanted);
    let checked = config::check(&files(SITE), "db2", &Given::default());
    assert_eq!(
        told(&checked.err().unwrap(), SITE),
        wanted,
        "on the workstation"
    );
}

#[test]
fn a_check_without_a_target_leaves_it_open() {
    config::check(&files(SITE), "", &Given::default())
        .ok()
        .unwrap();
}

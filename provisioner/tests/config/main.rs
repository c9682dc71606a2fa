//! What the language promises of a config's text: order, spellings, and every fault with its place.

mod faults;
mod order;
#[path = "../scaffold/mod.rs"]
mod scaffold;
mod spellings;
mod unknown;

use hpt_provisioner::config::scope::Scope;
use hpt_provisioner::config::{self, Config};
use hpt_provisioner::fault::Fault;
use hpt_provisioner::host::facts::Facts;
use scaffold::{files, scope};

fn parse(text: &str) -> Result<Config, Vec<Fault>> {
    let facts = Facts {
        hostname: "web1".to_owned(),
        cpus: 2,
        addresses: vec!["10.0.0.5".to_owned()],
        ..Facts::default()
    };
    let scope = Scope {
        facts: Some(facts),
        ..scope(&[("db", "hunter2")])
    };
    config::parse(files(text), scope)
}

/// Every fault as `line:column what | label | hint`.
fn faults(text: &str) -> Vec<String> {
    let faults = match parse(text) {
        Ok(config) => config.warnings,
        Err(faults) => faults,
    };
    faults
        .into_iter()
        .map(|fault| {
            let (line, column) = fault.place.map_or((0, 0), |place| place.line_column(text));
            let words = [Some(fault.what), fault.label, fault.hint];
            format!(
                "{line}:{column} {}",
                words.into_iter().flatten().collect::<Vec<_>>().join(" | ")
            )
        })
        .collect()
}

fn ids(text: &str) -> Vec<String> {
    let config = parse(text).unwrap_or_else(|faults| panic!("{faults:#?}"));
    config.blocks.iter().map(|block| block.id.clone()).collect()
}

//! A plan says exactly what an apply will do: random configs on random hosts in memory, each
//! planned, applied, and planned again.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod drift;
#[path = "../generator/mod.rs"]
mod generator;
mod hosts;
#[path = "../scaffold/mod.rs"]
mod scaffold;
mod since;
mod undone;

use generator::judge::{contradicts_itself, is_settled, keeps};
use generator::{Random, blocks};
use hosts::{WORLD, host, sources};
use hpt_provisioner::config::scope::Scope;
use hpt_provisioner::config::{self, Config};
use hpt_provisioner::plan::{Reveal, Verdict, plan};
use hpt_provisioner::report::Outcome;
use hpt_provisioner::run::apply;
use hpt_provisioner::source::{Blob, Source};
use scaffold::{files, scope};

/// As many pairs of a config and a host.
const PAIRS: u64 = 10_000;
/// Printed with a failure; a pair is this plus its number.
const SEED: u64 = 0x6870_7400;

fn parse(text: &str) -> Config {
    let blob = |(name, bytes): (&str, Vec<u8>)| {
        let (hash, size) = (blake3::hash(&bytes), u64::try_from(bytes.len()).unwrap());
        (Source::File(name.to_owned()), Blob { hash, size })
    };
    let scope = Scope {
        blobs: sources().into_iter().map(blob).collect(),
        ..scope(&[])
    };
    config::parse(files(text), scope).unwrap_or_else(|faults| panic!("{faults:#?}\n{text}"))
}

#[test]
fn what_is_planned_is_what_happens_and_then_nothing_is_left() {
    let (mut changed, mut blocked, mut empty) = (0, 0, 0);
    for pair in 0..PAIRS {
        let seed = SEED + pair;
        let mut r = Random(seed);
        let mut host = host(&mut r);
        let text = blocks(&mut r, &WORLD).concat();
        let config = parse(&text);
        let first = plan(&config, &host, Reveal::Content);
        let report = apply(&config, &mut host, &mut ());
        let context = || {
            format!(
                "seed {seed:#x}\n{text}\n{:#?}\n{:#?}",
                first.blocks, report.blocks
            )
        };
        let undone = report
            .blocks
            .iter()
            .any(|b| b.note.contains("a later block undid it"));
        for (planned, ended) in first.blocks.iter().zip(&report.blocks) {
            // A config that contradicts itself is told so, block by block; after the first failure nothing runs.
            if undone || ended.outcome == Outcome::NotRun {
                break;
            }
            assert!(
                keeps(planned.verdict, ended.outcome),
                "{} {}",
                planned.id,
                context()
            );
            if ended.outcome == Outcome::Failed {
                let foreseen = matches!(planned.verdict, Verdict::Blocked | Verdict::Maybe);
                assert!(foreseen, "{} failed unforeseen {}", planned.id, context());
                blocked += 1;
                break;
            }
            changed += usize::from(ended.outcome == Outcome::Changed);
        }
        let second = plan(&config, &host, Reveal::Content);
        let left = |i: &usize| !is_settled(second.blocks[*i].verdict);
        let left: Vec<usize> = (0..second.blocks.len()).filter(left).collect();
        if !report.succeeded() || contradicts_itself(&config, &left) {
            continue;
        }
        assert!(
            left.is_empty(),
            "{} is left {}",
            second.blocks[left[0]].id,
            context()
        );
        empty += 1;
    }
    // The generator must reach each of them, or it proves little.
    assert!(
        changed > 5_000 && blocked > 500 && empty > 1_000,
        "{changed} {blocked} {empty}"
    );
}

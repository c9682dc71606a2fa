//! What journal and audit add to a run that writes 1,000 files: the same run with them and without, in
//! turns, on the disk where temporary files lie. `cargo bench -p hpt-agent`

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, Instant};

use hpt_agent::Places;
use hpt_agent::audit::Asked;
use hpt_agent::run::{Order, Site};
use hpt_proto::{Delivery, End, Running};
use hpt_provisioner::config::{File, Given};
use hpt_provisioner::host::Observe as _;
use hpt_provisioner::host::live::{Live, Options};
use hpt_provisioner::plan::{Asker, Reveal, plan};
use hpt_provisioner::report::Report;
use hpt_provisioner::request::Request;
use hpt_provisioner::run::apply;
use tempfile::TempDir;

const FILES: usize = 1000;
const ROUNDS: usize = 15;

fn main() {
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let took = [timed(journaled), timed(bare)];
        // The first round warms up and is not counted.
        if round > 0 {
            with.push(took[0]);
            without.push(took[1]);
        }
    }
    let (with, without) = (median(with), median(without));
    let more = (with.as_secs_f64() / without.as_secs_f64() - 1.0) * 100.0;
    println!("{FILES} files of 1 KiB from nothing, medians of {ROUNDS} in turns");
    println!("  without journal and audit  {:7.1} ms", millis(without));
    println!(
        "  with them                  {:7.1} ms   {more:+.0} %",
        millis(with)
    );
}

/// A host with an empty root, and how long it takes to provision it.
fn timed(provision: fn(&Places) -> Report) -> Duration {
    let dir = TempDir::new().unwrap();
    let [root, state, run] = ["root", "state", "run"].map(|name| dir.path().join(name));
    fs::create_dir_all(root.join("srv")).unwrap();
    rustix::fs::sync();
    let places = Places { root, state, run };
    let start = Instant::now();
    let report = provision(&places);
    let took = start.elapsed();
    assert_eq!(report.blocks.len(), FILES);
    assert_eq!(
        fs::read_dir(places.root.join("srv")).unwrap().count(),
        FILES
    );
    took
}

fn journaled(places: &Places) -> Report {
    let order = Order {
        delivery: delivery(),
        bound: None,
        running: Running {
            run: "20261121-200000-0001".to_owned(),
            by: "local".to_owned(),
            since: 0,
        },
        exec: true,
        rerun: BTreeSet::new(),
        asked: Asked::default(),
        confirm: None,
    };
    match Site::new(places.clone())
        .execute(order, &mut |_| ())
        .unwrap()
    {
        End::Report { report, .. } => report,
        _ => panic!("it was not provisioned"),
    }
}

fn bare(places: &Places) -> Report {
    let mut host = Live::open(Options {
        root: places.root.clone(),
        blobs: places.state.join("blobs"),
        memos: places.state.join("memos"),
        pre_images: places.state.join("pre-images"),
        fingerprint_key: [7; 32],
        reboots: false,
        kept: std::sync::Arc::default(),
    })
    .unwrap();
    let config = delivery().request.parse(host.facts(), None);
    let Ok(config) = config else {
        panic!("the config is valid");
    };
    let asker = Asker {
        reveal: Reveal::Outline,
        ask: None,
    };
    assert!(!plan(&config, &host, asker).is_empty());
    apply(&config, &mut host, &mut ())
}

fn delivery() -> Delivery {
    // A config as long as all of them would be refused.
    let mut text = format!("[vars]\nline = \"{}\"\n", "0123456789abcde ".repeat(63));
    for number in 0..FILES {
        let content = format!("{{{{ vars.line }}}}{number:015}\\n");
        write!(
            text,
            "[[file]]\npath = \"/srv/{number}\"\ncontent = \"{content}\"\n"
        )
        .unwrap();
    }
    let name = "site.toml".to_owned();
    Delivery {
        request: Request {
            target: "web1".to_owned(),
            files: vec![File { name, text }],
            sources: BTreeMap::new(),
            given: Given::default(),
            secrets: BTreeMap::new(),
        },
        contents: HashMap::new(),
    }
}

fn median(mut all: Vec<Duration>) -> Duration {
    all.sort();
    all[all.len() / 2]
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

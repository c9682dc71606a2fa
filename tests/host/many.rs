//! Fifteen hosts that know nothing of hpt become web servers; three lose their power and two their network in the
//! midst of it. Each is told as what it is, and the rest is done by one more command.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::lab::{HPT, Lab};
use super::site::words;

const HOSTS: usize = 15;
/// The last hosts in the order in which they begin: so that they have not ended when these things happen.
const KILLED: [usize; 3] = [15, 13, 11];
const CUT_OFF: [usize; 2] = [14, 12];

struct Fleet {
    lab: Lab,
    dir: tempfile::TempDir,
}

fn name(number: usize) -> String {
    format!("h{number}")
}

impl Fleet {
    fn hpt(&self, args: &[&str]) -> Command {
        let words: Vec<&str> = std::iter::once(HPT).chain(args.iter().copied()).collect();
        let mut command = self.lab.ws(&words);
        command
            .current_dir(self.dir.path())
            .env("HPT_KEYSTORE", self.dir.path().join("client.db"));
        command
    }

    fn ok(&self, args: &[&str]) -> String {
        let output = self.hpt(args).output().unwrap();
        assert!(output.status.success(), "hpt {args:?}\n{}", words(&output));
        words(&output)
    }

    /// Installs hpt on all hosts by ssh, some at a time.
    fn install(&self) {
        let installed = |number: usize| {
            let (name, at) = (name(number), format!("root@{}", name(number)));
            self.ok(&["install", &at, "--target", &name]);
        };
        installed(1); // makes the workstation's own keys
        let rest: Vec<usize> = (2..=HOSTS).collect();
        for some in rest.chunks(4) {
            std::thread::scope(|scope| {
                for number in some {
                    scope.spawn(|| installed(*number));
                }
            });
        }
    }
}

/// How each target has ended, as a program reads it.
fn ended(line: &str, states: &mut BTreeMap<String, String>) {
    let event: Value = serde_json::from_str(line).unwrap();
    if event["event"] == "ended" {
        let text = |key: &str| event[key].as_str().unwrap().to_owned();
        let before = states.insert(text("target"), text("state"));
        assert_eq!(before, None, "one state each: {line}");
    }
}

#[test]
fn fifteen_hosts_are_told_as_what_they_are_and_the_rest_is_done_again() {
    let names: Vec<String> = (1..=HOSTS).map(name).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let Some(lab) = Lab::bare(&names) else { return };
    let dir = tempfile::tempdir().unwrap();
    let fleet = Fleet { lab, dir };
    fleet.install();

    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/web-server/site.toml");
    let site = example.to_str().unwrap();
    let args = [
        "--json",
        "--forks",
        "15",
        "--on",
        "*",
        "provision",
        "--wait",
        "5m",
        site,
    ];
    let mut client = fleet.hpt(&args).stdout(Stdio::piped()).spawn().unwrap();
    let mut states = BTreeMap::new();
    let mut struck = false;
    for line in BufReader::new(client.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        ended(&line, &mut states);
        let event: Value = serde_json::from_str(&line).unwrap();
        // The first package is there: the others are in the midst of theirs.
        if !struck && event["id"] == "packages" && event["outcome"] == "changed" {
            struck = true;
            for host in KILLED {
                fleet.lab.must("kill", &[&name(host)]);
            }
            for host in CUT_OFF {
                fleet.lab.must("partition", &[&name(host)]);
            }
        }
    }
    let code = client.wait().unwrap().code();
    assert!(struck, "nothing was struck: {states:?}");
    assert_eq!(states.len(), HOSTS, "{states:?}");
    assert_eq!(code, Some(1), "{states:?}");
    let meant: BTreeSet<String> = KILLED
        .iter()
        .chain(&CUT_OFF)
        .map(|host| name(*host))
        .collect();
    for (host, state) in &states {
        if meant.contains(host) {
            assert!(
                matches!(&**state, "lost" | "unreachable"),
                "{host}: {states:?}"
            );
        } else {
            assert_eq!(state, "done", "{host}: {states:?}");
        }
    }

    for host in KILLED {
        fleet.lab.must("start", &[&name(host)]);
    }
    for host in CUT_OFF {
        fleet.lab.must("heal", &[&name(host)]);
    }
    let began = Instant::now();
    while !fleet
        .hpt(&["--on", "*", "ping"])
        .output()
        .unwrap()
        .status
        .success()
    {
        assert!(
            began.elapsed() < Duration::from_mins(2),
            "not all are there again"
        );
    }
    let again = fleet.hpt(&["retry", "--failed"]).output().unwrap();
    let told = String::from_utf8(again.stdout).unwrap();
    let mut states = BTreeMap::new();
    told.lines().for_each(|line| ended(line, &mut states));
    let all: BTreeSet<String> = states.keys().cloned().collect();
    assert_eq!(all, meant, "those that were not done, and no others");
    assert!(
        states.values().all(|state| state == "done"),
        "{states:?}\n{told}"
    );
    let plan = fleet.ok(&["--on", "*", "plan", "--detailed-exitcode", site]);
    assert!(
        plan.contains(&format!("{HOSTS} targets  done {HOSTS}")),
        "{plan}"
    );
}

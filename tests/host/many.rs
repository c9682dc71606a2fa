//! Fifteen hosts that know nothing of hpt become web servers; three lose their power and two their network in the
//! midst of it. Each is told as what it is, and the rest is done by one more command.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::lab::{HPT, Lab};
use super::site::words;

const HOSTS: usize = 15;
const KILLED: [usize; 3] = [15, 13, 11];
const CUT_OFF: [usize; 2] = [14, 12];
/// All that the example does is done, and nothing of it is decided, while a host waits for this.
const GATE: &str = "[[wait]]\nfile = \"/go\"\nwithin = \"5m\"\n";

struct Fleet {
    lab: Lab,
    dir: tempfile::TempDir,
}

fn name(number: usize) -> String {
    format!("h{number}")
}

fn struck() -> impl Iterator<Item = usize> {
    KILLED.into_iter().chain(CUT_OFF)
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

    /// Whether all answer, and on none a run goes on or waits for its decision.
    fn is_settled(&self) -> bool {
        let asked = self
            .hpt(&["--json", "--on", "*", "status"])
            .output()
            .unwrap();
        let told = String::from_utf8(asked.stdout).unwrap();
        let events = told.lines().map(|line| serde_json::from_str(line).unwrap());
        let is_free = |event: &Value| event["running"].is_null() && event["confirming"].is_null();
        let statuses = events.filter(|event: &Value| event["event"] == "status");
        asked.status.success() && statuses.filter(is_free).count() == HOSTS
    }

    /// Three lose their power and two their network; the others go on.
    fn strike(&self) {
        for host in KILLED {
            self.lab.must("kill", &[&name(host)]);
        }
        for host in CUT_OFF {
            self.lab.must("partition", &[&name(host)]);
        }
        let is_struck = |host: &usize| struck().any(|other| other == *host);
        let rest = (1..=HOSTS).filter(|host| !is_struck(host));
        rest.for_each(|host| self.go_on(host));
    }

    fn go_on(&self, host: usize) {
        self.lab.ok(&name(host), &["touch", "/go"]);
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// This hpt without what the compiler adds for people, and with this behind it.
    fn program(&self, name: &str, word: &[u8]) -> String {
        let path = self.path(name);
        let stripped = Command::new("strip").args(["-o", &path, HPT]).status();
        assert!(stripped.unwrap().success(), "strip");
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(word).unwrap();
        path
    }

    /// Installs hpt on all hosts by ssh, some at a time.
    fn install(&self) {
        let program = self.program("hpt", b"");
        let installed = |number: usize| {
            let (name, at) = (name(number), format!("root@{}", name(number)));
            self.ok(&["install", &at, "--target", &name, "--program", &program]);
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
    let gate = &fleet.path("gate.toml");
    fs::write(gate, GATE).unwrap();
    let args = [
        "--json",
        "--forks",
        "15",
        "--on",
        "*",
        "provision",
        site,
        gate,
    ];
    let mut client = fleet.hpt(&args).stdout(Stdio::piped()).spawn().unwrap();
    let mut states = BTreeMap::new();
    let mut waiting = 0;
    for line in BufReader::new(client.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        ended(&line, &mut states);
        let event: Value = serde_json::from_str(&line).unwrap();
        let is_waiting = event["id"]
            .as_str()
            .is_some_and(|id| id.starts_with("wait"));
        if event["event"] == "started" && is_waiting {
            waiting += 1;
            if waiting == HOSTS {
                fleet.strike();
            }
        }
    }
    let code = client.wait().unwrap().code();
    assert_eq!(states.len(), HOSTS, "{states:?}");
    assert_eq!(code, Some(1), "{states:?}");
    let meant: BTreeSet<String> = struck().map(name).collect();
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
    struck().for_each(|host| fleet.go_on(host));
    // A run that nobody could confirm is undone by its host, which starts hpt anew then.
    let began = Instant::now();
    while !fleet.is_settled() {
        assert!(
            began.elapsed() < Duration::from_mins(4),
            "not all are there again"
        );
        std::thread::sleep(Duration::from_millis(500));
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
    // All of them come by another hpt, the first alone.
    let other = fleet.program("hpt.other", b"another");
    let args = "--on * upgrade --batch 1,100% --program".split(' ');
    let args: Vec<&str> = args.chain([&*other]).collect();
    let upgraded = fleet.ok(&args);
    let all = format!("{HOSTS} targets  done {HOSTS}");
    assert!(upgraded.contains(&all), "{upgraded}");
    let plan = fleet.ok(&["--on", "*", "plan", "--detailed-exitcode", site, gate]);
    assert!(plan.contains(&all), "{plan}");
}

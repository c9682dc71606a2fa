//! A host that is switched off in mid-run, at any moment, tells the truth when it is back (J1).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use super::site::{Site, words};

/// How often CI does it; by hand, `HPT_ROUNDS` says so.
const ROUNDS: u64 = 5;

/// Blocks of a run, every fourth of them a command that takes its time.
const BLOCKS: usize = 40;

/// About as long as a run takes, in milliseconds.
const SPAN: u64 = 1200;

#[test]
#[allow(clippy::print_stdout, reason = "says what was tried")]
fn a_host_that_is_switched_off_tells_the_truth() {
    let Some(site) = Site::up() else { return };
    let given = std::env::var("HPT_ROUNDS").ok();
    let rounds = given.map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut broke_off = 0;
    for round in 1..=rounds {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let moment = Duration::from_millis(state % SPAN);
        let config = site.path("site.toml");
        fs::write(&config, blocks(round)).unwrap();
        let client = site
            .hpt(&["-t", "web1", "--json", "provision", &config])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        std::thread::sleep(moment);
        site.lab.must("kill", &["web1"]);
        site.lab.must("start", &["web1"]);
        let told = words(&client.wait_with_output().unwrap());
        let holds = |id: &str, there: &BTreeMap<String, String>| {
            there.get(id).is_some_and(|held| *held == round.to_string())
        };

        let there = contents(&site);
        for id in ids(&told, "finished") {
            assert!(holds(&id, &there), "{moment:?}: {id} is gone\n{told}");
        }
        let next = site
            .hpt(&["-t", "web1", "--json", "provision", &config])
            .output()
            .unwrap();
        assert!(next.status.success(), "{moment:?}: {}", words(&next));
        if let Some(interrupted) = events(&words(&next), "interrupted").next() {
            broke_off += 1;
            let (done, in_doubt) = (texts(&interrupted["done"]), texts(&interrupted["in_doubt"]));
            for id in &done {
                assert!(
                    holds(id, &there),
                    "{moment:?}: {id} is not done\n{}",
                    words(&next)
                );
            }
            for id in there.keys().filter(|id| holds(id, &there)) {
                let known = done.contains(id) || in_doubt.contains(id);
                assert!(known, "{moment:?}: {id} has begun\n{}", words(&next));
            }
        }
        let there = contents(&site);
        let all = there.keys().filter(|id| holds(id, &there)).count();
        assert_eq!(all, BLOCKS, "{moment:?}: {}", words(&next));
        let plan = ["-t", "web1", "plan", "--detailed-exitcode", &config];
        site.ok(&plan);
    }
    println!("switched off {rounds} times, {broke_off} of them in mid-run");
}

/// Files that say which round it is, written by hpt and by commands in turn.
fn blocks(round: u64) -> String {
    let mut text = "[[file]]\npath = \"/srv/power\"\ndir = true\n".to_owned();
    for number in 0..BLOCKS {
        let path = format!("/srv/power/{number}");
        if number % 4 == 3 {
            let script = format!("sleep 0.05; echo {round} > {path}");
            let unless = format!("grep -qx {round} {path}");
            write!(
                text,
                "[[exec]]\nid = \"{number}\"\nscript = \"{script}\"\nunless = \"{unless}\"\npure = true\n"
            )
            .unwrap();
        } else {
            write!(
                text,
                "[[file]]\nid = \"{number}\"\npath = \"{path}\"\ncontent = \"{round}\\n\"\n"
            )
            .unwrap();
        }
    }
    text
}

/// What each block's file holds, by the block's id.
fn contents(site: &Site) -> BTreeMap<String, String> {
    let script = "cd /srv/power 2>/dev/null || exit 0; for f in *; do echo \"$f $(cat $f)\"; done";
    let all = site.lab.ok("web1", &["sh", "-c", script]);
    let pairs = all.lines().filter_map(|line| line.split_once(' '));
    pairs
        .map(|(id, held)| (id.to_owned(), held.to_owned()))
        .collect()
}

fn events<'a>(told: &'a str, event: &'a str) -> impl Iterator<Item = Value> + 'a {
    let all = told
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    all.filter(move |value| value["event"] == event)
}

/// The blocks with a file that are told of so, if they have changed.
fn ids(told: &str, event: &str) -> BTreeSet<String> {
    let changed = events(told, event).filter(|value| value["outcome"] == "changed");
    let ids = changed.filter_map(|value| value["id"].as_str().map(str::to_owned));
    ids.filter(|id| id.parse::<usize>().is_ok()).collect()
}

fn texts(value: &Value) -> BTreeSet<String> {
    let all = value.as_array().into_iter().flatten();
    let ids = all.filter_map(|text| text.as_str().map(str::to_owned));
    ids.filter(|id| id.parse::<usize>().is_ok()).collect()
}

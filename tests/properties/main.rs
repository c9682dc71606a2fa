//! A plan says exactly what an apply does, on real hosts: random configs on hosts that earlier
//! configs and plain tools have left in any state, each planned, applied, compared, planned again.
//!
//! A few of them run with the other tests. For a longer run:
//!
//! ```console
//! $ HPT_PROPERTIES_COUNT=300 HPT_PROPERTIES_HOSTS=3 cargo nextest run --test properties --no-capture
//! ```
//!
//! `HPT_PROPERTIES_SEED` (hexadecimal) begins with another story; a story is its seed. What fails is
//! shrunk and printed as a story that can become a file in `cases/`, which are told first.

#![allow(clippy::unwrap_used, reason = "a test may fail")]
#![allow(clippy::disallowed_methods, reason = "a test starts processes")]
#![allow(clippy::print_stderr, reason = "a long run says how far it is")]
#![allow(unreachable_pub, reason = "a test of several files")]

mod compare;
#[path = "../lab/fleet.rs"]
mod fleet;
#[path = "../../provisioner/tests/generator/mod.rs"]
mod generator;
#[path = "../lab/mod.rs"]
mod lab;
mod mischief;
#[path = "../lab/shell.rs"]
mod shell;
mod shrink;
mod snapshot;
mod story;
mod touches;

use std::collections::VecDeque;
use std::sync::Mutex;

use fleet::{Fleet, Host};
use generator::{Random, World};
use story::{Step, Story};

/// What is on these hosts, now and then.
const WORLD: World = World {
    names: &["hpa", "hpb", "hpc", "hpd"],
    paths: &[
        "/etc/a",
        "/etc/b",
        "/srv/d",
        "/srv/d/x",
        "/srv/d/e",
        "/srv/d/e/y",
        "/opt/l",
        "/nowhere/z",
    ],
    packages: &["lab-app", "lab-dep", "hello", "tree", "jq"],
    versions: &[("lab-app", "1.0"), ("lab-app", "1.1"), ("lab-app", "2.0")],
    sysctls: &[
        "net.ipv4.ip_forward",
        "net.ipv4.conf.all.log_martians",
        "net.bridge.x",
    ],
    modules: &[],
    units: &["cron", "hpu", "hpv"],
    // Not those above: what a timer starts ends by itself, and whoever starts it waits for that.
    timers: &["hpt-a", "hpt-b"],
    programs: &["/bin/sleep 1000", "/bin/sleep 2000"],
    repositories: &["https://git/public.git"],
    // No kernel modules and no swap in a container.
    without: &["archive", "kmod", "swap", "sync"],
};

/// Configs of one story, on one host from its first boot on; each can become several, as blocks are
/// taken out.
const CHAPTERS: usize = 3;
/// The first story's seed.
const SEED: u64 = 0x6c61_6200;

/// A number from the environment, or what is good enough for every day.
fn given(name: &str, radix: u32, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| {
        let digits = text.trim_start_matches("0x");
        u64::from_str_radix(digits, radix).unwrap_or_else(|_| panic!("{name}={text} is no number"))
    })
}

#[test]
fn what_is_planned_on_real_hosts_is_what_happens() {
    let count = given("HPT_PROPERTIES_COUNT", 10, 6);
    let seed = given("HPT_PROPERTIES_SEED", 16, SEED);
    let hosts = given("HPT_PROPERTIES_HOSTS", 10, 2);
    let chapters = u64::try_from(CHAPTERS).unwrap();
    let random = (seed..seed + count.div_ceil(chapters)).map(|seed| {
        let story = Story::random(&mut Random(seed), &WORLD, CHAPTERS);
        (format!("seed {seed:#x}"), story)
    });
    tell(hosts, random.collect());
}

#[test]
fn what_once_failed_on_a_real_host_holds() {
    tell(2, story::cases());
}

/// Tells each story to a fresh host, as many at once as there are hosts.
fn tell(hosts: u64, stories: VecDeque<(String, Story)>) {
    let names: Vec<String> = (1..=hosts).map(|n| format!("h{n}")).collect();
    let Some(fleet) = Fleet::up(&names) else {
        return;
    };
    let stories = Mutex::new(stories);
    let told = Mutex::new((compare::Count::default(), Vec::new()));
    std::thread::scope(|scope| {
        for name in &names {
            scope.spawn(|| {
                let host = fleet.host(name);
                while let Some((name, story)) = next(&stories) {
                    let (count, failure) = host.hear(&story);
                    let failure =
                        failure.map(|(story, why)| shrink::words(&host, &name, &story, &why));
                    let mut told = told.lock().unwrap();
                    told.0.add(&count);
                    eprintln!("{name}: {}", told.0);
                    if let Some(words) = failure {
                        eprintln!("{words}");
                        told.1.push(words);
                    }
                }
            });
        }
    });
    let (count, failures) = told.into_inner().unwrap();
    assert!(failures.is_empty(), "{count}\n{}", failures.join("\n"));
    assert!(count.changed > 0, "nothing was changed: {count}");
}

fn next(stories: &Mutex<VecDeque<(String, Story)>>) -> Option<(String, Story)> {
    stories.lock().unwrap().pop_front()
}

impl Host<'_> {
    /// Does what a story says, on a fresh host; at the first lie of a plan, the story so far and why.
    fn hear(&self, story: &Story) -> (compare::Count, Option<(Story, String)>) {
        self.reset();
        let mut count = compare::Count::default();
        let mut told = Story(Vec::new());
        for step in &story.0 {
            let Step::Apply(blocks) = step else {
                self.take(step);
                told.0.push(step.clone());
                continue;
            };
            // Whoever reads why a block fails takes it out and applies the others.
            let mut blocks = blocks.clone();
            while !blocks.is_empty() {
                told.0.push(Step::Apply(blocks.clone()));
                match self.check(&blocks, &mut count) {
                    Err(why) => return (count, Some((told, why))),
                    Ok(stuck) if stuck.is_empty() => break,
                    Ok(stuck) => blocks.retain(|block| !stuck.contains(block)),
                }
            }
        }
        (count, None)
    }

    /// One step of a story, whatever becomes of it.
    fn take(&self, step: &Step) {
        match step {
            Step::Do(lines) => drop(self.shell(&lines.join("\n"))),
            Step::Apply(blocks) => drop(self.hpt(&["provision", "--yes"], &blocks.concat())),
        }
    }
}

//! A host that another run holds: told at once, or waited for.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStderr};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::serving::{Place, Ran};
use super::site;

const HOLDS: &str = "[[file]]\npath = \"/here\"\ncontent = \"\"\n\n\
                     [[wait]]\nfile = \"/go\"\nwithin = \"60s\"\n";

fn until_held(place: &Place) {
    until_there(place, "root/here");
}

fn until_there(place: &Place, path: &str) {
    let began = Instant::now();
    while !place.path(path).exists() {
        assert!(began.elapsed() < Duration::from_secs(20), "it never began");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A client that waits, and what it says from then on.
fn waits(place: &Place, args: &[&str]) -> (Child, BufReader<ChildStderr>) {
    let mut waiting = place.command(args).spawn().unwrap();
    let mut words = BufReader::new(waiting.stderr.take().unwrap());
    let mut line = String::new();
    words.read_line(&mut line).unwrap();
    assert!(line.contains(" is waited for"), "{line}");
    (waiting, words)
}

#[test]
fn a_host_is_waited_for_by_whoever_says_so() {
    let place = Place::serving();
    site(&place);
    place.write("holds.toml", HOLDS);
    let args = ["--target", "web1", "provision", "holds.toml"];
    let holder = place.command(&args).spawn().unwrap();
    until_held(&place);

    place
        .web1(&["provision", "site.toml"])
        .exits(6)
        .says("run ");
    place
        .web1(&["provision", "--wait", "1s", "site.toml"])
        .exits(6)
        .says("is waited for, 1 s at most");

    // Said by the config, and by an option.
    place.write(
        "patient.toml",
        "[settings]\nlock_wait = \"60s\"\n[[file]]\npath = \"/patient\"\ncontent = \"\"\n",
    );
    let waiting = [
        &[
            "--target",
            "web1",
            "provision",
            "--wait",
            "60s",
            "site.toml",
        ][..],
        &["--target", "web1", "provision", "patient.toml"],
    ];
    let waiting = waiting.map(|args| (args, waits(&place, args)));
    place.write("root/go", "");
    let holder = holder.wait_with_output().unwrap();
    Ran::of(&args, &holder).exits(0);
    for (args, (waiting, _words)) in waiting {
        let output = waiting.wait_with_output().unwrap();
        Ran::of(args, &output).exits(0);
    }
    assert!(place.path("root/etc/motd").exists() && place.path("root/patient").exists());
}

/// As it is after each undo that a host has done by itself.
#[test]
fn who_waits_goes_on_waiting_when_hpt_is_started_anew() {
    let mut place = Place::serving();
    site(&place);
    place.write("holds.toml", HOLDS);
    let mut holder = place
        .command(&["--target", "web1", "provision", "holds.toml"])
        .spawn()
        .unwrap();
    until_held(&place);
    let args = "--target web1 provision --wait 60s site.toml";
    let args: Vec<&str> = args.split(' ').collect();
    let (waiting, _words) = waits(&place, &args);
    holder.kill().unwrap();
    holder.wait().unwrap();
    place.stop();
    std::thread::sleep(Duration::from_millis(300));
    place.serve();
    place.write("root/go", "");
    Ran::of(&args, &waiting.wait_with_output().unwrap()).exits(0);
    assert!(place.path("root/etc/motd").exists());
}

/// ^C ends the wait for this very machine too.
#[test]
fn a_wait_is_given_up_by_an_interrupt() {
    let place = Place::new();
    site(&place);
    place.write("holds.toml", HOLDS);
    std::fs::create_dir(place.path("here")).unwrap();
    let local = |words: &'static str| -> Vec<&str> { words.split(' ').collect() };
    let args = local("--root here provision --yes holds.toml");
    let mut holder = place.command(&args).spawn().unwrap();
    until_there(&place, "here/here");
    let args = local("--root here provision --yes --wait 60s site.toml");
    let (waiting, _words) = waits(&place, &args);
    kill_process(Pid::from_child(&waiting), Signal::INT).unwrap();
    Ran::of(&args, &waiting.wait_with_output().unwrap()).exits(6);
    holder.kill().unwrap();
    holder.wait().unwrap();
}

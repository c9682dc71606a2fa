//! A host that another run holds: told at once, or waited for.

use std::io::{BufRead as _, BufReader};
use std::time::{Duration, Instant};

use super::serving::{Place, Ran};
use super::site;

const HOLDS: &str = "[[file]]\npath = \"/here\"\ncontent = \"\"\n\n\
                     [[wait]]\nfile = \"/go\"\nwithin = \"60s\"\n";

#[test]
fn a_host_is_waited_for_by_whoever_says_so() {
    let place = Place::serving();
    site(&place);
    place.write("holds.toml", HOLDS);
    let args = ["--target", "web1", "provision", "holds.toml"];
    let holder = place.command(&args).spawn().unwrap();
    let began = Instant::now();
    while !place.path("root/here").exists() {
        assert!(began.elapsed() < Duration::from_secs(20), "it never began");
        std::thread::sleep(Duration::from_millis(10));
    }

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
    let waiting: Vec<_> = waiting
        .iter()
        .map(|args| {
            let mut waiting = place.command(args).spawn().unwrap();
            let mut words = BufReader::new(waiting.stderr.take().unwrap());
            let mut line = String::new();
            words.read_line(&mut line).unwrap();
            assert!(line.contains("web1 is waited for"), "{line}");
            (args, waiting, words)
        })
        .collect();
    place.write("root/go", "");
    let holder = holder.wait_with_output().unwrap();
    Ran::of(&args, &holder).exits(0);
    for (args, waiting, _words) in waiting {
        let output = waiting.wait_with_output().unwrap();
        Ran::of(args, &output).exits(0);
    }
    assert!(place.path("root/etc/motd").exists() && place.path("root/patient").exists());
}

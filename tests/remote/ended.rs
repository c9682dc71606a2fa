//! What a run has come to: whoever hears it, later too, is told the same, and what became of it since.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::serving::{Place, Ran};

/// The objects of this event.
fn events(ran: &Ran, event: &str) -> Vec<Value> {
    let objects = ran.out.lines().map(|line| {
        let object: Value = serde_json::from_str(line).expect(line);
        object
    });
    objects.filter(|object| object["event"] == event).collect()
}

fn until(what: &str, done: impl Fn() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(20), "in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Starts `hpt ARGS --json` and waits until its run has begun: its process, the id of the run, and how to
/// hear the rest of it.
fn begin(place: &Place, args: &[&str]) -> (Child, String, impl FnOnce(Child) -> Ran) {
    let mut command: Command = place.command(&[&["--target", "web1", "--json"], args].concat());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut heard = String::new();
    let run = loop {
        let line = lines.next().expect("it begins").unwrap();
        let object: Value = serde_json::from_str(&line).unwrap();
        heard += &format!("{line}\n");
        if object["event"] == "begun" {
            break object["run"].as_str().unwrap().to_owned();
        }
    };
    let words = args.join(" ");
    let rest = move |child: Child| {
        for line in lines {
            heard += &format!("{}\n", line.unwrap());
        }
        let mut ran = Ran::of(&[&words], &child.wait_with_output().unwrap());
        ran.out = heard;
        ran
    };
    (child, run, rest)
}

/// J3: the client cannot come back in time, so that the host undoes the run. Whoever asks is told so.
#[test]
fn a_run_that_was_undone_is_never_told_as_done() {
    let place = Place::serving_live();
    let motd = place.path("motd");
    place.write("motd", "old\n");
    let text = format!(
        "[[file]]\npath = \"{}\"\ncontent = \"new\\n\"\n\
         [[exec]]\nid = \"load\"\nscript = \"sleep 0.3\"\nalways = true\n",
        motd.display()
    );
    place.write("site.toml", text);
    let args = ["provision", "--confirm", "1s", "site.toml"];
    let (child, run, rest) = begin(&place, &args);
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::STOP).unwrap();
    until("the command", || place.read("motd") == "new\n");
    until("an undo", || place.read("motd") == "old\n");
    until("its end", || {
        let status = place.web1(&["--json", "status"]).exits(0);
        events(&status, "status")[0]["confirming"].is_null()
    });
    kill_process(pid, Signal::CONT).unwrap();
    let ran = rest(child).exits(8);
    let report = &events(&ran, "report")[0];
    let by = report["undone_by"].as_str().expect("it was undone");
    assert_eq!(report["stays"], serde_json::json!(["load"]));
    let error = events(&ran, "error")[0]["what"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        error.ends_with(&format!("and run {by} has undone it but for: load")),
        "{error}"
    );

    let attached = place.web1(&["attach", &run]).exits(8);
    attached.says(&format!(
        "run {run} was undone by run {by}, as no new session confirmed it but for: load"
    ));
    let json = place.web1(&["--json", "attach", &run]).exits(8);
    let report = &events(&json, "report")[0];
    assert_eq!(report["undone_by"], by);
    // What it took is what it took then.
    let load = events(&json, "finished");
    let load = load.iter().find(|end| end["id"] == "load").unwrap();
    assert!(load["seconds"].as_f64().unwrap() >= 0.3, "{load}");
    assert!(load["at"].as_f64().unwrap() >= 0.3, "{load}");
    assert!(report["seconds"].as_f64().unwrap() >= 0.3, "{report}");

    let undo = place.web1(&["attach", by]).exits(0);
    undo.says("not put back: load");
}

/// A run that its own check reverted ends the same for whoever hears it later.
#[test]
fn a_run_that_its_check_reverted_is_told_as_such_again() {
    let place = Place::serving_live();
    place.write("motd", "old\n");
    let text = format!(
        "[[file]]\npath = \"{}\"\ncontent = \"new\\n\"\n\
         [[check]]\nscript = \"exit 1\"\ntimeout = \"1s\"\n",
        place.path("motd").display()
    );
    place.write("site.toml", text);
    place.web1(&["site.toml"]).exits(8);
    assert_eq!(place.read("motd"), "old\n");
    place.web1(&["attach"]).exits(8).says("reverted 1");
}

/// While it goes on, others are told what it does; when it was stopped, for whom.
#[test]
fn a_run_says_what_it_does_and_who_stopped_it() {
    let place = Place::serving_live();
    let go = place.path("go");
    let text = format!(
        "[[exec]]\nid = \"wait\"\nscript = \"while [ ! -e {} ]; do sleep 0.02; done\"\nalways = true\n\
         [[file]]\npath = \"{}\"\ncontent = \"\"\n",
        go.display(),
        place.path("after").display()
    );
    place.write("shop.toml", text);
    let (child, run, rest) = begin(&place, &["provision", "shop.toml"]);
    let status = || place.web1(&["status"]).exits(0);
    until("its block", || status().out.contains("is at wait"));
    status()
        .says("serving for")
        .says(&format!("run {run} of "))
        .says("provisions shop, is at wait");
    place.web1(&["cancel"]).exits(0);
    status().says("stops then: cancelled by ");
    place.write("go", "");
    let ran = rest(child).exits(1);
    let report = &events(&ran, "report")[0];
    let by = report["cancelled_by"].as_str().expect("it was cancelled");
    assert_eq!(report["not_run"], 1);
    place
        .web1(&["attach"])
        .exits(1)
        .says(&format!("not run 1  cancelled by {by}"));
}

/// What keeps a run from its beginning is said to whoever asked for it, and in the host's own log.
#[test]
fn a_run_that_cannot_begin_says_why() {
    let place = Place::serving();
    place.write("motd.toml", "[[file]]\npath = \"/motd\"\ncontent = \"\"\n");
    place.web1(&["motd.toml"]).exits(0);
    let roots = std::fs::read_dir(place.path("state/roots")).unwrap();
    let audit = roots.last().unwrap().unwrap().path().join("audit.jsonl");
    std::fs::write(&audit, "nothing of hpt's\n").unwrap();
    std::fs::remove_file(place.path("root/motd")).unwrap();
    let why = format!(
        "{}: the last record of the audit is damaged",
        audit.display()
    );
    place
        .web1(&["motd.toml"])
        .exits(1)
        .says("did not begin: nothing was done")
        .says(&why);
    assert!(place.read("serve.log").contains(&why));
    assert!(!place.path("root/motd").exists());
}

/// Who will have to confirm a run is told so with its plan.
#[test]
fn a_plan_says_what_will_have_to_be_confirmed() {
    let place = Place::serving();
    let text = "[[file]]\npath = \"/motd\"\ncontent = \"\"\nconfirm = true\n";
    place.write("motd.toml", text);
    let words = "must be confirmed within 120 s by a new session, else it is undone";
    place.web1(&["plan", "motd.toml"]).exits(0).says(words);
    let json = place.web1(&["--json", "plan", "motd.toml"]).exits(0);
    assert_eq!(events(&json, "plan")[0]["confirm"], 120);
    place.web1(&["motd.toml"]).exits(0).says(words);
    let json = place.web1(&["--json", "plan", "motd.toml"]).exits(0);
    assert!(events(&json, "plan")[0]["confirm"].is_null());
    place.write("root/motd", "other\n");
    let sure = place.web1(&["provision", "--no-confirm", "motd.toml"]);
    assert!(!sure.exits(0).out.contains("must be confirmed"));
}

//! Many targets at once: who goes first, what they have said, and who is left.

mod asked;
mod meant;

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::serving::Place;

const MOTD: &str =
    "[[file]]\npath = \"/motd\"\ncontent = \"{{ vars.text }}\\n\"\n[vars]\ntext = \"hello\"\n";

/// `web-1` and so on, each a directory of its own.
pub(super) struct Fleet {
    pub(super) place: Place,
    pub(super) ports: Vec<u16>,
    pub(super) servers: Vec<Option<Child>>,
}

impl Fleet {
    pub(super) fn new(count: usize) -> Self {
        let place = Place::new();
        place.ok(&["remove", "web1"]);
        let held: Vec<_> = (0..count)
            .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
            .collect();
        let ports: Vec<u16> = held
            .iter()
            .map(|held| held.local_addr().unwrap().port())
            .collect();
        drop(held);
        for (at, port) in ports.iter().enumerate() {
            let name = name(at);
            place.ok(&[
                "gen-target-keys",
                "--target",
                &name,
                "--ip",
                &format!("127.0.0.1:{port}"),
            ]);
            fs::create_dir(place.path(format!("root-{name}"))).unwrap();
        }
        place.write("site.toml", MOTD);
        Self {
            servers: ports.iter().map(|_| None).collect(),
            place,
            ports,
        }
    }

    /// All of them serve.
    pub(super) fn serving(count: usize) -> Self {
        let mut fleet = Self::new(count);
        (0..count).for_each(|at| fleet.serve(at));
        fleet
    }

    pub(super) fn serve(&mut self, at: usize) {
        let (name, port) = (name(at), self.ports[at].to_string());
        let (keystore, root) = (format!("{name}.keystore"), format!("root-{name}"));
        let state = format!("state-{name}");
        let mut command = self.place.command(&[
            "serve",
            "--keystore",
            &keystore,
            "--root",
            &root,
            "--state",
            &state,
            "--listen",
            "127.0.0.1",
            "--port",
            &port,
        ]);
        let log = fs::File::create(self.place.path(format!("{name}.log"))).unwrap();
        self.servers[at] = Some(command.stderr(log).spawn().unwrap());
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.ports[at])).is_err() {
            assert!(
                began.elapsed() < Duration::from_secs(10),
                "{name} does not serve"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(super) fn stop(&mut self, at: usize) {
        if let Some(mut server) = self.servers[at].take() {
            server.kill().unwrap();
            server.wait().unwrap();
        }
    }

    fn motd(&self, at: usize) -> Option<String> {
        fs::read_to_string(self.place.path(format!("root-{}/motd", name(at)))).ok()
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        (0..self.servers.len()).for_each(|at| self.stop(at));
    }
}

pub(super) fn name(at: usize) -> String {
    format!("web-{}", at + 1)
}

/// How each has ended, by `--json`.
pub(super) fn states(out: &str) -> Vec<String> {
    let objects = out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let ended = objects.filter(|object| object["event"] == "ended");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut states: Vec<_> = ended
        .map(|object| format!("{} {}", text(&object["target"]), text(&object["state"])))
        .collect();
    states.sort();
    states
}

#[test]
fn many_targets_are_told_together_and_each_has_one_state() {
    let mut fleet = Fleet::serving(5);
    fs::write(fleet.place.path("root-web-2/motd"), "mine\n").unwrap();
    fleet.stop(3);
    let ran = fleet
        .place
        .run(&["--on", "web-*", "provision", "site.toml"]);
    assert_eq!(ran.code, Some(1), "{}{}", ran.out, ran.err);
    for line in ["web-1", "web-2", "web-3", "web-5"] {
        let line = format!("{line}  changed 1  in place 0  failed 0");
        assert_eq!(ran.out.matches(&line).count(), 1, "{line}\n{}", ran.out);
    }
    let same = "web-1, web-3, web-5 (3 targets)\n+ file:/motd";
    assert!(ran.out.contains(same), "{}", ran.out);
    assert!(ran.out.contains("\nweb-2\n~ file:/motd"), "{}", ran.out);
    assert!(
        ran.out.contains("5 targets  done 4  unreachable 1"),
        "{}",
        ran.out
    );
    assert!(
        ran.err.contains("web-4\nerror: cannot reach"),
        "{}",
        ran.err
    );
    for at in [0, 1, 2, 4] {
        assert_eq!(fleet.motd(at).as_deref(), Some("hello\n"));
    }

    // Programs read each by its name, and all of them in the end.
    let ran = fleet
        .place
        .run(&["--json", "--on", "web-*", "provision", "site.toml"]);
    let ended = [
        "web-1 done",
        "web-2 done",
        "web-3 done",
        "web-4 unreachable",
        "web-5 done",
    ];
    assert_eq!(states(&ran.out), ended);
    let last: Value = serde_json::from_str(ran.out.lines().last().unwrap()).unwrap();
    assert_eq!(last["event"], "all-ended");
    assert_eq!(
        (&last["states"]["done"], &last["states"]["unreachable"]),
        (&4.into(), &1.into())
    );

    let errors = ran
        .out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let errors: Vec<_> = errors.filter(|object| object["event"] == "error").collect();
    assert!(
        errors.len() == 1 && errors[0]["target"] == "web-4",
        "{errors:?}"
    );

    // What all have in common is the exit code.
    assert_eq!(fleet.place.run(&["--on", "web-4", "status"]).code, Some(5));
    assert_eq!(fleet.place.run(&["--on", "!web-4", "status"]).code, Some(0));

    // The rest, when it is there again.
    let kept = fleet.place.read("retry.targets");
    assert!(kept.ends_with("\nweb-4\n"), "{kept}");
    fleet.serve(3);
    let ran = fleet.place.run(&["--on", "@retry.targets", "status"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
}

#[test]
fn what_was_not_done_is_done_again() {
    let mut fleet = Fleet::serving(3);
    fleet.stop(1);
    let ran = fleet.place.run(&["--on", "*", "provision", "site.toml"]);
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.err
            .contains("`hpt retry --failed` does it again on web-2"),
        "{}",
        ran.err
    );
    // Not yet: it is the same command that is kept.
    fleet.place.run(&["retry", "--failed"]).exits(5);
    fleet.serve(1);
    fs::remove_file(fleet.place.path("root-web-1/motd")).unwrap();
    let ran = fleet.place.run(&["retry", "--failed"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("1 target  done 1"), "{}", ran.out);
    assert_eq!(
        (fleet.motd(0), fleet.motd(1).as_deref()),
        (None, Some("hello\n"))
    );
    // All of them are done, and nothing is left to be done again.
    fleet
        .place
        .run(&["retry", "--failed"])
        .exits(64)
        .says("nothing to be done again");
}

/// One goes first, and when it fails nobody else begins.
#[test]
fn a_canary_that_fails_stops_the_rest() {
    let mut fleet = Fleet::serving(4);
    fleet.stop(0);
    let args = [
        "--json",
        "--on",
        "*",
        "--batch",
        "1,100%",
        "--max-fail",
        "0",
        "provision",
        "site.toml",
    ];
    let ran = fleet.place.run(&args);
    assert_eq!(ran.code, Some(1));
    let ended = [
        "web-1 unreachable",
        "web-2 not-run",
        "web-3 not-run",
        "web-4 not-run",
    ];
    assert_eq!(states(&ran.out), ended, "each has its state");
    let last: Value = serde_json::from_str(ran.out.lines().last().unwrap()).unwrap();
    assert_eq!(last["states"]["not-run"], 3, "{last}");
    assert!((0..4).all(|at| fleet.motd(at).is_none()));
    let kept = fleet.place.read("retry.targets");
    assert!(kept.ends_with("\nweb-1\nweb-2\nweb-3\nweb-4\n"), "{kept}");
    // As many may fail.
    let args = [
        "--on",
        "*",
        "--batch",
        "1,100%",
        "--max-fail",
        "25%",
        "provision",
        "site.toml",
    ];
    let ran = fleet.place.run(&args);
    assert!(
        ran.out.contains("4 targets  done 3  unreachable 1"),
        "{}",
        ran.out
    );
}

/// What one target is asked, or had put back, so are many.
#[test]
fn many_are_asked_and_undone_as_one_is() {
    let fleet = Fleet::serving(3);
    let on = |args: &[&str]| fleet.place.run(&[&["--on", "*"], args].concat());
    on(&["provision", "site.toml"]).exits(0);
    let why = on(&["why", "/motd"]).exits(0);
    let log = on(&["log"]).exits(0);
    for at in 0..3 {
        assert!(why.out.contains(&name(at)), "{}", why.out);
        assert!(log.out.contains(&name(at)), "{}", log.out);
    }
    on(&["cancel"]).exits(1).says("no run goes on");
    on(&["undo", "--plan"]).exits(0);
    assert!((0..3).all(|at| fleet.motd(at).is_some()));
    on(&["undo"]).exits(0).says("3 targets  done 3");
    assert!((0..3).all(|at| fleet.motd(at).is_none()));
}

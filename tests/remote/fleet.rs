//! Many targets at once: who is meant, who goes first, what they have said, and who is left.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::serving::{HPT, Place, Ran};

const MOTD: &str =
    "[[file]]\npath = \"/motd\"\ncontent = \"{{ vars.text }}\\n\"\n[vars]\ntext = \"hello\"\n";

/// `web-1` and so on, each a directory of its own.
struct Fleet {
    place: Place,
    ports: Vec<u16>,
    servers: Vec<Option<Child>>,
}

impl Fleet {
    fn new(count: usize) -> Self {
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
    fn serving(count: usize) -> Self {
        let mut fleet = Self::new(count);
        (0..count).for_each(|at| fleet.serve(at));
        fleet
    }

    fn serve(&mut self, at: usize) {
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

    fn stop(&mut self, at: usize) {
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

fn name(at: usize) -> String {
    format!("web-{}", at + 1)
}

/// How each has ended, by `--json`.
fn states(out: &str) -> Vec<String> {
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
    let ended = ["web-1 unreachable"];
    assert_eq!(states(&ran.out), ended);
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

/// Tags, addresses and values of targets are in an inventory, which may be a program's words.
#[test]
fn an_inventory_says_where_they_are_and_what_they_are_called() {
    let mut fleet = Fleet::new(3);
    for at in 0..3 {
        // Where they really are is not in the keystore.
        let port = 1;
        fleet.place.ok(&["remove", &name(at)]);
        fleet.place.ok(&[
            "gen-target-keys",
            "--target",
            &name(at),
            "--ip",
            &format!("127.0.0.1:{port}"),
            "--force",
        ]);
        fleet.serve(at);
    }
    let target = |at: usize, more: &str| {
        let port = fleet.ports[at];
        format!(
            "[target.{}]\nips = [\"127.0.0.2\", \"127.0.0.1\"]\nhpt_port = {port}\n{more}\n",
            name(at)
        )
    };
    let toml = [
        target(0, "tags = [\"prod\"]\nvars = { text = \"first\" }"),
        target(1, "tags = [\"prod\"]"),
        target(2, ""),
        "[group.rest]\nwhere = \"!tag:prod\"\nvars = { text = \"rest\" }\n".to_owned(),
    ]
    .concat();
    fleet.place.write("targets.toml", &toml);
    let ran = fleet
        .place
        .run(&["--on", "tag:prod | group:rest", "provision", "site.toml"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    let motds: Vec<_> = (0..3).map(|at| fleet.motd(at).unwrap()).collect();
    assert_eq!(motds, ["first\n", "hello\n", "rest\n"]);
    // One target is found there as well.
    fleet.place.ok(&["--target", "web-2", "status"]);

    // One that nobody has named is never run.
    let may_run = fs::Permissions::from_mode(0o755);
    fs::set_permissions(fleet.place.path("targets.toml"), may_run).unwrap();
    fleet.place.ok(&["--on", "tag:prod", "status"]);

    let json = serde_json::to_string(&toml::from_str::<toml::Table>(&toml).unwrap()).unwrap();
    fs::remove_file(fleet.place.path("targets.toml")).unwrap();
    fleet
        .place
        .write("cloud", format!("#!/bin/sh\necho '{json}'\n"));
    fs::set_permissions(fleet.place.path("cloud"), fs::Permissions::from_mode(0o755)).unwrap();
    let ran = fleet
        .place
        .run(&["--inventory", "cloud", "--on", "tag:prod", "status"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("2 targets  done 2"), "{}", ran.out);
    fleet
        .place
        .write("cloud", "#!/bin/sh\necho sorry; exit 3\n");
    let ran = fleet
        .place
        .run(&["--inventory", "cloud", "--on", "tag:prod", "status"]);
    assert_eq!(ran.code, Some(3), "{}", ran.err);
    assert!(ran.err.contains("cloud: exit status: 3"), "{}", ran.err);
}

/// What means nobody, or somebody without keys, is wrong before anybody is contacted.
#[test]
fn a_pattern_that_means_nobody_is_refused() {
    let fleet = Fleet::new(2);
    fleet.place.write(
        "targets.toml",
        "[target.web-1]\n[target.new-1]\ntags = [\"new\"]\n",
    );
    for (pattern, code, words) in [
        ("db-*", 64, "means none of 2 targets"),
        ("web-9", 9, "no target is called web-9"),
        ("web-1 &", 64, "at character 8"),
        ("tag:new", 9, "targets without keys here: new-1"),
        ("@nowhere", 64, "nowhere: No such file"),
    ] {
        let ran = fleet.place.run(&["--on", pattern, "status"]);
        assert_eq!(ran.code, Some(code), "{pattern}: {}", ran.err);
        assert!(ran.err.contains(words), "{pattern}: {}", ran.err);
    }
    let ran = fleet
        .place
        .run(&["--on", "web-1", "--ip", "127.0.0.1", "status"]);
    assert_eq!(ran.code, Some(64), "{}", ran.err);
    assert!(!fleet.place.path("retry.targets").exists());
}

/// ^C: what goes on stops before its next block, and nobody else begins.
#[test]
fn an_interrupt_stops_runs_before_their_next_block() {
    let fleet = Fleet::serving(3);
    let text =
        "[[wait]]\nfile = \"/go\"\nwithin = \"1m\"\n[[file]]\npath = \"/after\"\ncontent = \"\"\n";
    fleet.place.write("wait.toml", text);
    let args = [
        "--json",
        "--forks",
        "2",
        "--on",
        "*",
        "provision",
        "wait.toml",
    ];
    let client = fleet.place.command(&args).spawn().unwrap();
    let began = Instant::now();
    let is_at_it = |at: usize| {
        fleet
            .place
            .run(&["--json", "-t", &name(at), "status"])
            .out
            .contains("wait:")
    };
    while !(0..2).all(is_at_it) {
        assert!(began.elapsed() < Duration::from_secs(20));
    }
    let id = rustix::process::Pid::from_child(&client);
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    for at in 0..2 {
        let heard = |ran: &str| {
            ran.contains("\"cancelled_by\":\"") && !ran.contains("\"cancelled_by\":\"\"")
        };
        while !heard(&fleet.place.run(&["--json", "-t", &name(at), "status"]).out) {
            assert!(began.elapsed() < Duration::from_secs(20));
        }
        fs::write(fleet.place.path(format!("root-{}/go", name(at))), "").unwrap();
    }
    let ran = Ran::of(&args, &client.wait_with_output().unwrap()).exits(1);
    assert_eq!(
        states(&ran.out),
        ["web-1 failed", "web-2 failed"],
        "{}",
        ran.out
    );
    assert!(ran.out.contains("\"not-run\":1"), "{}", ran.out);
    for at in 0..3 {
        assert!(
            !fleet
                .place
                .path(format!("root-{}/after", name(at)))
                .exists()
        );
    }
    assert!(
        fleet
            .place
            .read("retry.targets")
            .ends_with("\nweb-1\nweb-2\nweb-3\n")
    );
}

/// Answers the one question on a terminal.
const TYPIST: &str = r#"
import os, pty, sys
hpt, answer, words = sys.argv[1], sys.argv[2], sys.argv[3:]
pid, tty = pty.fork()
if pid == 0:
    os.execv(hpt, ["hpt"] + words)
said = b""
def hear():
    global said
    try:
        piece = os.read(tty, 4096)
    except OSError:
        piece = b""
    said += piece
    return piece
while not (said.endswith(b"go on: ") or said.endswith(b"[y/N] ")) and hear():
    pass
os.write(tty, answer.encode() + b"\n")
while hear():
    pass
_, status = os.waitpid(pid, 0)
print(said.decode().replace("\r", ""))
print("exit", os.waitstatus_to_exitcode(status))
"#;

fn typed(fleet: &Fleet, answer: &str, words: &[&str]) -> String {
    let mut command = std::process::Command::new("python3");
    command
        .args(["-c", TYPIST, HPT, answer])
        .args(words)
        .current_dir(fleet.place.path(""))
        .env("HPT_KEYSTORE", "client.db")
        .env("NO_COLOR", "1");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// All plans are made first and shown once; nobody agrees to more than ten in passing.
#[test]
fn over_ten_targets_their_number_is_typed() {
    let fleet = Fleet::serving(11);
    let words = ["--on", "*", "provision", "--batch", "1,100%", "site.toml"];
    for (answer, count) in [("y", 0), ("10", 0), ("11", 11)] {
        let told = typed(&fleet, answer, &words);
        assert_eq!(told.matches("+ file:/motd").count(), 1, "{told}");
        assert!(told.contains("and 6 more (11 targets)"), "{told}");
        assert!(
            told.contains("Apply to 11 targets? Type their number"),
            "{told}"
        );
        let changed = (0..11).filter(|at| fleet.motd(*at).is_some()).count();
        assert_eq!(changed, count, "{told}");
        assert!(
            told.contains("11 targets  done 11") && told.contains("exit 0"),
            "{told}"
        );
    }
    fs::write(fleet.place.path("root-web-3/motd"), "").unwrap();
    let told = typed(
        &fleet,
        "y",
        &["--on", "web-[2..4]", "provision", "site.toml"],
    );
    assert!(told.contains("Apply to 1 target? [y/N]"), "{told}");
    assert_eq!(fleet.motd(2).as_deref(), Some("hello\n"));
}

//! What a person says to many targets: that they agree, or ^C.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::super::serving::{HPT, Ran};
use super::{Fleet, name, states};

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
os.write(tty, answer.encode() + (b"" if answer == "\x03" else b"\n"))
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
        let state = if count == 0 { "declined" } else { "done" };
        let all = format!("11 targets  {state} 11 ");
        assert!(told.contains(&all) && told.contains("exit 0"), "{told}");
        assert!(!fleet.place.path("retry.targets").exists());
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

/// Nor does anybody let others in, or upgrade hpt, on more than ten in passing.
#[test]
fn over_ten_targets_nobody_is_let_in_in_passing() {
    let fleet = Fleet::serving(11);
    let key = fleet.place.keys_of("desk");
    let words = ["--on", "*", "authorize", &key, "--name", "desk"];
    for (answer, state) in [("y", "declined"), ("\x03", "declined"), ("11", "done")] {
        let told = typed(&fleet, answer, &words);
        let asks = "Let it in at 11 targets? Type their number";
        let ends = format!("11 targets  {state} 11 ");
        assert!(told.contains(asks) && told.contains(&ends), "{told}");
        let is_told = fleet.place.path("desk.pins").exists();
        assert_eq!(is_told, state == "done", "{told}");
    }
    let told = typed(&fleet, "y", &["--on", "web-[2..4]", "revoke", "desk"]);
    assert!(!told.contains('?') && told.contains("done 3 "), "{told}");
}

/// It goes on when a file is there, and then makes another.
const WAIT: &str =
    "[[wait]]\nfile = \"/go\"\nwithin = \"1m\"\n[[file]]\npath = \"/after\"\ncontent = \"\"\n";

/// A client whose runs wait.
struct Waiting<'a> {
    args: &'a [&'a str],
    client: Child,
    out: BufReader<ChildStdout>,
    told: String,
}

impl<'a> Waiting<'a> {
    /// As soon as it has heard that so many do.
    fn on(fleet: &Fleet, count: usize, args: &'a [&'a str]) -> Self {
        fleet.place.write("wait.toml", WAIT);
        let mut client = fleet.place.command(args).spawn().unwrap();
        let mut out = BufReader::new(client.stdout.take().unwrap());
        let mut told = String::new();
        while told.matches("\"event\":\"started\"").count() < count {
            assert!(out.read_line(&mut told).unwrap() > 0, "{told}");
        }
        Self {
            args,
            client,
            out,
            told,
        }
    }

    fn interrupt(&self) {
        kill_process(Pid::from_child(&self.client), Signal::INT).unwrap();
    }

    fn end(mut self) -> Ran {
        self.out.read_to_string(&mut self.told).unwrap();
        let mut output = self.client.wait_with_output().unwrap();
        output.stdout = self.told.into_bytes();
        Ran::of(self.args, &output)
    }
}

/// ^C is an answer too, and at once.
#[test]
fn an_interrupt_at_the_question_is_a_no() {
    let fleet = Fleet::serving(2);
    let told = typed(&fleet, "\x03", &["--on", "*", "provision", "site.toml"]);
    assert!(told.contains("2 targets  declined 2 "), "{told}");
    assert!((0..2).all(|at| fleet.motd(at).is_none()));
}

/// ^C: what goes on stops before its next block, and nobody else begins.
#[test]
fn an_interrupt_stops_runs_before_their_next_block() {
    let fleet = Fleet::serving(3);
    let args = "--json --forks 2 --on * provision wait.toml";
    let args: Vec<&str> = args.split(' ').collect();
    let waiting = Waiting::on(&fleet, 2, &args);
    waiting.interrupt();
    let ran = waiting.end().exits(1);
    assert_eq!(
        states(&ran.out),
        ["web-1 failed", "web-2 failed", "web-3 not-run"],
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

const ONE: &[&str] = &["--json", "--target", "web-1", "provision", "wait.toml"];

/// ^C stops the run of one target as well, and says so.
#[test]
fn an_interrupt_stops_the_run_of_one_target() {
    let fleet = Fleet::serving(1);
    let waiting = Waiting::on(&fleet, 1, ONE);
    waiting.interrupt();
    let stopped = waiting.end().exits(1);
    stopped.says("stops before its next block");
    assert!(!fleet.place.path("root-web-1/after").exists());
}

/// ^C once more leaves a run to itself, also where its host answers nothing.
#[test]
fn a_second_interrupt_leaves_a_run_to_itself() {
    let fleet = Fleet::serving(1);
    let mut waiting = Waiting::on(&fleet, 1, ONE);
    let server = Pid::from_child(fleet.servers[0].as_ref().unwrap());
    kill_process(server, Signal::STOP).unwrap();
    let began = Instant::now();
    while waiting.client.try_wait().unwrap().is_none() {
        waiting.interrupt();
        assert!(began.elapsed() < Duration::from_secs(20), "it stays");
        std::thread::sleep(Duration::from_millis(100));
    }
    let left = waiting.end().exits(7);
    left.says("interrupted; run ").says(" goes on there");
    kill_process(server, Signal::CONT).unwrap();
    fs::write(fleet.place.path("root-web-1/go"), "").unwrap();
    let is_over = |status: &str| status.contains("\"running\":null");
    while !is_over(&fleet.place.run(&["--json", "-t", "web-1", "status"]).out) {
        assert!(began.elapsed() < Duration::from_secs(40), "it does not end");
    }
}

/// Whatever a target does that answers nothing: two ^C end the command.
#[test]
fn a_second_interrupt_leaves_a_target_that_answers_nothing() {
    let fleet = Fleet::serving(2);
    let server = Pid::from_child(fleet.servers[1].as_ref().unwrap());
    kill_process(server, Signal::STOP).unwrap();
    let args = ["--json", "--on", "*", "revoke", "nobody"];
    let mut client = fleet.place.command(&args).spawn().unwrap();
    let mut out = BufReader::new(client.stdout.take().unwrap());
    let mut told = String::new();
    while !told.contains("\"state\":\"done\"") {
        assert!(out.read_line(&mut told).unwrap() > 0, "{told}");
    }
    while client.try_wait().unwrap().is_none() {
        kill_process(Pid::from_child(&client), Signal::INT).unwrap();
        std::thread::sleep(Duration::from_millis(100));
    }
    out.read_to_string(&mut told).unwrap();
    assert_eq!(states(&told), ["web-1 done", "web-2 lost"], "{told}");
    kill_process(server, Signal::CONT).unwrap();
}

//! What a process finds, what it leaves, and how it is ended.

use std::fs;
use std::time::Instant;

use rustix::process::{Pid, Signal};

use super::*;
use crate::host::live::running::CHUNK;

fn sh(script: &str) -> Spawn {
    Spawn::tool("/bin/sh", ["-c", script])
}

fn run(spawn: &Spawn) -> (End, String) {
    let mut output = Vec::new();
    let end = spawn
        .run(&mut |_, bytes| output.extend_from_slice(bytes))
        .unwrap();
    (end, String::from_utf8_lossy(&output).into_owned())
}

/// X1: a command finds the standard three descriptors and the variables it was given, no more.
#[test]
fn nothing_of_ours_is_left_in_a_command() {
    // One that would be inherited: opened without close-on-exec.
    let leak = rustix::fs::open(
        "/etc/passwd",
        rustix::fs::OFlags::RDONLY,
        rustix::fs::Mode::empty(),
    );
    let (end, output) = run(&sh(
        "for fd in /proc/$$/fd/*; do [ -e $fd ] && echo ${fd##*/}; done; env; umask; pwd",
    ));
    drop(leak);
    let mut lines: Vec<&str> = output.lines().collect();
    let fds: Vec<&str> = lines.drain(..3).collect();
    assert_eq!(
        (end, fds.join("")),
        (End::Exit(0), "012".into()),
        "{output}"
    );
    let mut env: Vec<&str> = lines.drain(..lines.len() - 2).collect();
    env.retain(|line| {
        !line.starts_with("PWD=") && !line.starts_with("_=") && !line.starts_with("OLDPWD=")
    });
    env.sort_unstable();
    let path = format!("PATH={PATH}");
    assert_eq!(
        env,
        ["HOME=/root", "LC_ALL=C", "LOGNAME=root", &path, "USER=root"]
    );
    assert_eq!(lines, ["0022", "/"]);
}

#[test]
fn signals_are_back_to_their_defaults() {
    let (_, output) = run(&sh("grep -E '^Sig(Blk|Ign)' /proc/self/status"));
    for line in output.lines() {
        assert!(line.ends_with("0000000000000000"), "{line}");
    }
}

#[test]
fn a_command_has_its_own_session_and_no_terminal() {
    let (_, output) = run(&sh(
        "cut -d' ' -f1,6,7 /proc/$$/stat; : < /dev/tty && echo tty",
    ));
    let words: Vec<&str> = output.lines().next().unwrap().split(' ').collect();
    assert!(
        words[0] == words[1] && words[2] == "0" && !output.contains("\ntty"),
        "{output}"
    );
}

#[test]
fn arguments_are_never_words_of_a_shell() {
    let hostile = [
        "$(id)",
        "`id`",
        "; id",
        "a b",
        "*",
        "",
        "-n",
        "\"'\\",
        "--",
        "\u{1f4a9}",
    ];
    let (_, output) = run(&Spawn::tool(
        "printf",
        ["[%s]\n"].iter().chain(&hostile).copied(),
    ));
    let expected: String = hostile
        .iter()
        .flat_map(|word| ["[", *word, "]\n"])
        .collect();
    assert_eq!(output, expected);
}

#[test]
fn input_longer_than_a_pipe_arrives_whole_and_an_early_end_is_no_error() {
    let bytes = vec![b'x'; 1 << 20];
    let spawn = Spawn {
        stdin: Some(Zeroizing::new(bytes)),
        ..sh("wc -c")
    };
    assert_eq!(run(&spawn), (End::Exit(0), "1048576\n".into()));
    let spawn = Spawn {
        stdin: Some(Zeroizing::new(vec![b'x'; 1 << 20])),
        ..sh("exit 3")
    };
    assert_eq!(run(&spawn).0, End::Exit(3));
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let missing = Spawn::tool("no-such-tool", ["x"])
        .run(&mut |_, _| {})
        .unwrap_err();
    assert!(
        missing
            .to_string()
            .starts_with("no-such-tool was not found in /usr"),
        "{missing}"
    );
    let spawn = Spawn {
        dir: "/no/such/dir".into(),
        ..sh("true")
    };
    assert!(
        spawn
            .run(&mut |_, _| {})
            .unwrap_err()
            .to_string()
            .contains("/no/such/dir")
    );
}

#[test]
fn a_background_process_is_neither_waited_for_nor_killed() {
    let begun = Instant::now();
    let (end, output) = run(&sh("sleep 5 & echo $!"));
    assert!(begun.elapsed() < Duration::from_secs(3));
    let pid = output.trim().to_owned();
    assert_eq!(end, End::Exit(0));
    assert!(fs::metadata(format!("/proc/{pid}")).is_ok());
    let pid = Pid::from_raw(pid.parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, Signal::KILL).unwrap();
}

#[test]
fn a_background_process_that_never_stops_writing_holds_nobody_up() {
    let begun = Instant::now();
    let (end, output) = run(&sh("yes & sleep 0.1"));
    assert_eq!(end, End::Exit(0));
    assert!(begun.elapsed() < Duration::from_secs(5) && output.starts_with("y\n"));
}

fn is_alive(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// X3: a daemon that left its session and its parent dies with the command.
#[test]
fn a_timeout_ends_the_whole_tree() {
    let script =
        "setsid sh -c 'sleep 60 & echo $!; wait' & (setsid sleep 61 & echo $!); echo $$; sleep 62";
    let spawn = Spawn {
        timeout: Duration::from_millis(300),
        ..sh(script)
    };
    let begun = Instant::now();
    let (end, output) = run(&spawn);
    assert!(matches!(end, End::Timeout(_)));
    assert!(begun.elapsed() < Duration::from_secs(5), "TERM was enough");
    let pids: Vec<&str> = output.lines().collect();
    assert_eq!(pids.len(), 3, "{output}");
    assert!(!pids.iter().any(|pid| is_alive(pid)), "{output}");
}

/// In a container, hpt's own session is often one that began outside: it has no number there.
#[test]
fn a_timeout_ends_the_whole_tree_in_a_container() {
    if !crate::host::live::tests::is_root() {
        return;
    }
    let test = "host::live::command::tests::a_timeout_ends_the_whole_tree";
    let program = std::env::current_exe().unwrap();
    let args = ["--pid", "--fork", "--mount-proc", program.to_str().unwrap()];
    let (end, output) = run(&Spawn::tool(
        "unshare",
        args.iter().chain(&["--exact", test]).copied(),
    ));
    assert_eq!(end, End::Exit(0), "{output}");
    assert!(output.contains("1 passed"), "{output}");
}

/// X3: who does not obey TERM is killed ten seconds later, its orphans too.
#[test]
fn who_ignores_term_is_killed() {
    let script = "trap '' TERM; (trap '' TERM; setsid sleep 63 & echo $!) ; echo $$; while :; do sleep 1; done";
    let spawn = Spawn {
        timeout: Duration::from_millis(200),
        ..sh(script)
    };
    let begun = Instant::now();
    let (end, output) = run(&spawn);
    assert!(matches!(end, End::Timeout(_)));
    assert!(
        begun.elapsed() < Duration::from_millis(11_500),
        "{:?}",
        begun.elapsed()
    );
    assert!(!output.lines().any(is_alive), "{output}");
}

/// X3: output is handed on as it comes and is not collected.
#[test]
fn endless_output_costs_no_memory() {
    let mut heard = 0_usize;
    let spawn = Spawn {
        timeout: Duration::from_millis(500),
        ..sh("yes")
    };
    let end = spawn.run(&mut |_, bytes| {
        assert!(bytes.len() <= CHUNK);
        heard += bytes.len();
    });
    assert!(matches!(end.unwrap(), End::Timeout(_)));
    assert!(heard > 1 << 20, "{heard}");
}

/// X2: a user gets what a login would give him. Needs root, to become somebody else.
#[test]
fn a_command_is_its_user_in_every_way() {
    if !crate::host::live::tests::is_root() {
        return;
    }
    let gids = [4, 27].map(rustix::process::Gid::from_raw);
    let identity = Identity {
        uid: rustix::process::Uid::from_raw(4242),
        gid: rustix::process::Gid::from_raw(4243),
        groups: gids.into(),
    };
    let script = "id -u; id -g; grep -E '^(Uid|Gid|Groups):' /proc/self/status | tr -s '\\t ' ' '";
    let (_, output) = run(&Spawn {
        identity: Some(identity),
        ..sh(script)
    });
    let lines: Vec<&str> = output.lines().map(str::trim).collect();
    assert_eq!(lines[..2], ["4242", "4243"]);
    assert_eq!(lines[2], "Uid: 4242 4242 4242 4242");
    assert_eq!(lines[3], "Gid: 4243 4243 4243 4243");
    assert_eq!(lines[4], "Groups: 4 27");
}

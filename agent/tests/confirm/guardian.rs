//! A guardian that is killed is missed, and what it was to do is done.

use super::*;

/// The process that guards a run: it alone has this file open.
fn guardian(server: &TestServer, run: &str) -> rustix::process::Pid {
    find_guardian(server, run).expect("somebody guards it")
}

pub(crate) fn find_guardian(server: &TestServer, run: &str) -> Option<rustix::process::Pid> {
    let guard = stage(server, run, "guard");
    let of = |pid: &Path| {
        let open = fs::read_dir(pid.join("fd")).into_iter().flatten().flatten();
        open.filter_map(|fd| fs::read_link(fd.path()).ok())
            .any(|file| file == guard)
    };
    let all = fs::read_dir("/proc")
        .unwrap()
        .map(|pid| pid.unwrap().path());
    let mut pids = all.filter(|pid| of(pid)).filter_map(|pid| {
        let name = pid.file_name()?.to_str()?;
        rustix::process::Pid::from_raw(name.parse().ok()?)
    });
    pids.next()
}

/// Whether a process is there that has ended and nobody waits for.
fn zombies() -> usize {
    let children = format!("/proc/{}/task", std::process::id());
    let tasks = fs::read_dir(children).unwrap().flatten();
    let children = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let is_zombie = |child: &str| {
        let stat = fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        stat.contains(") Z ")
    };
    children
        .map(|all| {
            all.split_whitespace()
                .filter(|child| is_zombie(child))
                .count()
        })
        .sum()
}

/// Whoever guarded a run was killed, and no client gets in: hpt notices that by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_guardian_was_killed_is_undone_without_any_contact() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start(&[laptop.pin(EVERYTHING)]);
    fs::write(server.root().join("motd"), "old\n").unwrap();
    let mut client = server.connect(&laptop).await;
    let (_, run) = apply(&mut client, CONFIG, 3).await;
    drop(client);
    for _ in 0..2 {
        let killed = guardian(&server, &run);
        rustix::process::kill_process(killed, rustix::process::Signal::KILL).unwrap();
        let start = Instant::now();
        while find_guardian(&server, &run).is_none_or(|pid| pid == killed) {
            assert!(
                start.elapsed() < Duration::from_secs(20),
                "nobody guards it"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    until("an undo", || stage(&server, &run, "reverted").exists()).await;
    assert_eq!(motd(&server), "old\n");
    until("all to be reaped", || zombies() == 0).await;
}

/// As if the guardian were killed in the midst of an undo.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_guardian_has_left_is_undone_without_any_contact() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start_live(&[laptop.pin(EVERYTHING)]);
    let dir = tempfile::tempdir().unwrap();
    let [at, go] = ["at", "go"].map(|name| dir.path().join(name));
    let script = format!(
        "touch {}; while [ ! -e {} ]; do sleep 0.01; done",
        at.display(),
        go.display()
    );
    let text = file_and_command(dir.path(), &script);
    let run = apply_live(&server, &laptop, &text, 1).await;
    until("an undo", || at.exists()).await;
    let killed = guardian(&server, &run);
    rustix::process::kill_process(killed, rustix::process::Signal::KILL).unwrap();
    fs::write(go, "").unwrap();
    until("an undo", || stage(&server, &run, "reverted").exists()).await;
    assert_eq!(fs::read_to_string(dir.path().join("a")).unwrap(), "old\n");
}

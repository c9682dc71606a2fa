//! Runs that somebody ends in the middle, and hosts that refuse them.

use std::fs;
use std::time::{Duration, Instant};

use hpt_keystore::{Existing, Grants, target};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

use super::case::Case;
use super::search::ENVIRON;
use super::world::{World, hear};

const SLOW: &str = r#"
[[file]]
path = "OUT/file"
content = "{{ secret.file }}"

[[exec]]
script = "cat > OUT/began; : '{{ secret.script }}'; sleep 30; echo '{{ secret.script }}'"
stdin = "{{ secret.stdin }}"
env = { WORD = "{{ secret.word }}" }
creates = "OUT/never"
"#;

/// A run of [`SLOW`] that has begun its command.
fn slow(world: &World) -> (Case<'_>, std::process::Child) {
    let mut case = world.case("slow");
    for name in ["file", "began"] {
        let _ = fs::remove_file(case.out(name));
    }
    let file = case.secret("file");
    case.plain_secret("script");
    let stdin = case.secret("stdin");
    let variable = case.secret("word");
    world
        .canaries
        .borrow_mut()
        .may_rest(ENVIRON.as_ref(), &variable);
    case.config(SLOW);
    let client = case.start(&["--target", "web1", "-v", "provision"]);
    let began = Instant::now();
    while fs::read(case.out("began")).map_or(0, |text| text.len()) < stdin.text().len() {
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "the command begins"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    world.holds(&case.out("file"), &file);
    world.holds(&case.out("began"), &stdin);
    (case, client)
}

fn kill(process: u32) {
    let process = Pid::from_raw(process.try_into().unwrap()).unwrap();
    match kill_process(process, Signal::KILL) {
        Ok(()) | Err(Errno::SRCH) => {} // it has ended since it was found
        Err(why) => panic!("{why}"),
    }
}

/// The processes of runs and of their commands, below the server.
fn below(process: u32) -> Vec<u32> {
    let path = format!("/proc/{process}/task");
    let tasks = fs::read_dir(path).into_iter().flatten().flatten();
    let children = tasks.flat_map(|task| {
        let text = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        text.split_whitespace()
            .map(|id| id.parse().unwrap())
            .collect::<Vec<u32>>()
    });
    children
        .flat_map(|child| [vec![child], below(child)].concat())
        .collect()
}

#[test]
fn who_dies_in_the_middle_leaves_nothing_behind() {
    let Some(mut world) = World::serving(7) else {
        return;
    };
    // The client; its run goes on, until its process is ended too.
    let (_, mut client) = slow(&world);
    client.kill().unwrap();
    world.keep("a client that was killed", hear(&mut client));
    client.wait().unwrap();
    world
        .run(&["--target", "web1", "-v", "status"])
        .exits(0)
        .says("run");
    below(world.server_id()).into_iter().for_each(kill);
    // The run, under its client's eyes.
    let (_, mut client) = slow(&world);
    below(world.server_id()).into_iter().for_each(kill);
    world.keep("a client whose run was killed", hear(&mut client));
    assert!(!client.wait().unwrap().success());
    // The server and the run.
    let (_, mut client) = slow(&world);
    let orphans = below(world.server_id());
    world.kill_server();
    orphans.into_iter().for_each(kill);
    world.keep("a client whose host was killed", hear(&mut client));
    assert!(!client.wait().unwrap().success());
    // What a process that was killed could not remove, the next one does.
    let left = || {
        let names = fs::read_dir(world.host("/run")).unwrap().flatten();
        names
            .filter(|e| e.file_name().to_string_lossy().starts_with("hpt-private-"))
            .count()
    };
    assert_ne!(left(), 0, "a script of a killed run is there");
    world.serve();
    let mut case = world.case("after");
    case.config("[[exec]]\nscript = \"exit 0\"\nalways = true\n");
    case.remote(&["provision"]).exits(0);
    world.end(12);
}

#[test]
fn a_host_that_refuses_has_heard_nothing_it_keeps() {
    let Some(mut world) = World::new(8) else {
        return;
    };
    let path = world.place.path("web1.keystore");
    let grants = |text: &str| {
        let mut keys = target::load(&path).unwrap();
        keys.clients[0].grants = Grants::parse(text).unwrap();
        let own = keys.own.open(&path, None).unwrap();
        target::write_new(&path, own, &keys.clients, Existing::Replace).unwrap();
    };
    let run = |world: &World, words: &str, code: i32| {
        let mut case = world.case("refused");
        let secrets = [case.secret("a"), case.env_secret("b")];
        let _ = secrets;
        case.config("[[file]]\npath = \"OUT/x\"\ncontent = \"{{ secret.a }}\"\n[[exec]]\nscript = \": {{ secret.b }}\"\nalways = true\n");
        for form in ["-v", "--json"] {
            case.remote(&[form, "provision"]).exits(code).says(words);
        }
        assert!(!case.out("x").exists());
    };
    run(&world, "refused", 5);
    grants("status plan");
    world.serve();
    run(&world, "does not have the grant apply", 4);
    world.kill_server();
    grants("status plan apply");
    world.serve();
    run(&world, "grant", 4);
    world.kill_server();
    garbage(&world);
    world.end(7);
}

/// What is no order to `hpt run`, though a secret is in it, is not repeated.
fn garbage(world: &World) {
    let case = world.case("garbage");
    let canary = case.plain("order");
    for length in [0, 5, 20, 5000] {
        let mut order = u32::to_be_bytes(length).to_vec();
        order.extend(canary.text().repeat(20).bytes());
        let mut command = world.command(&["run"]);
        let ran = world.ran(&["run"], &mut command, &order);
        assert_eq!(ran.code, Some(1), "{}", ran.err);
    }
}

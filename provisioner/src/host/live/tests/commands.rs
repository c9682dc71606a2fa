//! Commands and guards.

use super::*;
use crate::effect::ChangedIf;

fn command(argv: &[&str]) -> Command {
    let secret = |word: &&str| crate::secret::Secret::new((*word).to_owned());
    Command {
        program: crate::effect::Program::Argv(argv.iter().map(secret).collect()),
        user: None,
        group: None,
        dir: None,
        env: Vec::new(),
        stdin: None,
        umask: Mode::new(0o022),
        success: vec![0],
        changed_if: None,
        undo: None,
    }
}

#[test]
fn commands_and_guards_run_only_in_a_running_root() {
    let mut live = open(Path::new("/"));
    assert!(live.guard(&command(&["true"])).unwrap() && !live.guard(&command(&["false"])).unwrap());
    let mut heard = Vec::new();
    let effect = Effect::Run(Box::new(command(&["echo", "hello"])));
    let done = live.perform(std::slice::from_ref(&effect), &mut |at, progress| {
        if let Progress::Output { bytes, .. } = progress {
            heard.push((at, bytes));
        }
    });
    assert_eq!(
        (done[0].as_ref().unwrap().exit, heard),
        (Some(0), vec![(0, b"hello\n".to_vec())])
    );
    let dir = tempfile::tempdir().unwrap();
    let mut image = open(dir.path());
    assert!(!image.powers().exec && !image.powers().services && !image.powers().packages);
    assert!(image.guard(&command(&["true"])).is_err());
    assert!(perform(&mut image, &[effect])[0].is_err());
}

fn shell(text: &str) -> Command {
    command(&["sh", "-c", text])
}

#[test]
fn a_command_says_itself_whether_it_changed_anything() {
    let mut live = open(Path::new("/"));
    let pattern = |text| ChangedIf::Stdout(crate::name::Pattern::parse(text).unwrap());
    for (changed_if, text, idle) in [
        (None, "true", false),
        (Some(ChangedIf::Exit(2)), "exit 2", false),
        (Some(ChangedIf::Exit(2)), "exit 0", true),
        (
            Some(pattern("^updated [0-9]")),
            "echo no; echo updated 3",
            false,
        ),
        (Some(pattern("^updated [0-9]")), "echo updated 3 >&2", true),
    ] {
        let command = Command {
            success: vec![0, 2],
            changed_if,
            ..shell(text)
        };
        let done = perform(&mut live, &[Effect::Run(Box::new(command))]);
        assert_eq!(done[0].as_ref().unwrap().idle, idle, "{text}");
    }
}

/// The time that a block gives itself is for all that is started for it.
#[test]
fn a_block_that_takes_too_long_is_ended() {
    let mut live = open(Path::new("/"));
    let slow = Effect::Run(Box::new(shell("sleep 60")));
    live.limit(Some(Duration::from_millis(300)));
    let answers = perform(&mut live, std::slice::from_ref(&slow));
    live.limit(None);
    let error = answers[0].as_ref().unwrap_err().to_string();
    assert!(error.contains("did not end within 1 s"), "{error}");
    let quick = Effect::Run(Box::new(shell("true")));
    assert!(perform(&mut live, &[quick])[0].is_ok());
}

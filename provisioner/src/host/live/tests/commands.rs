//! Commands and guards.

use super::*;

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
        timeout: Duration::from_secs(20),
        success: vec![0],
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

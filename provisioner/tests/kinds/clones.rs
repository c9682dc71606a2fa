//! `[[clone]]`.

use super::*;

#[test]
fn a_clone_that_is_there_is_left_alone_and_another_one_is_not_replaced() {
    // The original failed if the destination was there.
    let mut host = Host::new();
    let text = "[[clone]]\nurl = \"https://git.example.org/app\"\ndest = \"/opt/app\"\n";
    settles(text, &mut host);
    let why = blocked(&text.replace("org/app", "org/other"), &host);
    assert!(
        why.contains("is a clone of https://git.example.org/app"),
        "{why}"
    );
    let tagged = format!("{text}rev = \"v2\"\n");
    assert_eq!(planned(&tagged, &host).0, Verdict::Update);
    settles(&tagged, &mut host);
    let mut host = Host::new();
    host.inner.put(&written("/opt/app", "", 0o644));
    assert!(blocked(text, &host).contains("is no directory"));
}

#[test]
fn a_clone_wants_a_place_of_its_own_and_the_plan_says_so() {
    let text = "[[clone]]\nurl = \"https://git.example.org/app\"\ndest = \"/opt/app\"\n";
    let mut host = Host::new();
    host.inner.put(&directory("/opt/app"));
    assert_eq!(planned(text, &host).0, Verdict::Create);
    host.inner.put(&written("/opt/app/old", "", 0o644));
    assert!(blocked(text, &host).contains("holds files and is no git working tree"));
    // What earlier blocks take away is not in the way, and what they leave is.
    let removed = |path: &str| format!("[[file]]\npath = \"{path}\"\nabsent = true\n{text}");
    settles(&removed("/opt/app/old"), &mut host);
    let mut host = Host::new();
    host.inner.put(&directory("/opt/app"));
    host.inner.put(&written("/opt/app/old", "", 0o644));
    host.inner.put(&written("/opt/app/other", "", 0o644));
    let plan = look(&config(&removed("/opt/app/old")), &host);
    assert_eq!(plan.blocks[1].verdict, Verdict::Blocked);
    let nowhere = text.replace("/opt/app", "/nowhere/app");
    assert!(blocked(&nowhere, &host).contains("the directory /nowhere does not exist"));
}

#[test]
fn git_works_in_nothing_that_is_somebody_elses_and_the_plan_says_so() {
    let mut host = Host::new();
    host.inner.put(&Effect::User(user("ana")));
    host.inner.put(&directory("/opt/app"));
    let text = "[[clone]]\nurl = \"https://git.example.org/app\"\ndest = \"/opt/app\"\n";
    let hers = "[[file]]\npath = \"/opt/app\"\ndir = true\nowner = \"ana\"\n";
    settles(hers, &mut host);
    let why = blocked(text, &host);
    assert!(why.contains("/opt/app is not root's"), "{why}");
    // Whom the block names gets it.
    assert_eq!(
        planned(&format!("{text}owner = \"ana\"\n"), &host).0,
        Verdict::Create
    );
    settles(&hers.replace("ana", "root"), &mut host);
    settles(text, &mut host);
    settles(hers, &mut host);
    assert_eq!(planned(text, &host).0, Verdict::Ok);
    assert!(blocked(&format!("{text}rev = \"v2\"\n"), &host).contains("is not root's"));
}

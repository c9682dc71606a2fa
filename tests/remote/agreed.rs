//! What a person agrees to, on a terminal or by a plan that is kept, is what is done.

use std::fs;
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use super::serving::{HPT, Place};
use super::site;

#[test]
fn a_question_is_asked_on_a_terminal_and_only_yes_is_yes() {
    let place = Place::serving();
    site(&place);
    let on_tty = |answer: &str| {
        let (code, shown) = on_terminal(&place, answer, || ());
        assert_eq!(code, Some(0), "{shown}");
        shown
    };
    let shown = on_tty("n\n");
    assert!(shown.contains("Apply to web1? [y/N]"), "{shown}");
    assert!(shown.contains("nothing was changed"), "{shown}");
    assert_eq!(fs::read_dir(place.path("root")).unwrap().count(), 0);
    let shown = on_tty("y\n");
    assert!(
        shown.contains("\x1b[33mchanged"),
        "colour repeats the word: {shown}"
    );
    assert_eq!(place.read("root/etc/motd"), "Welcome.\n");
}

/// What a person agrees to is the plan that was shown, and not what it has become meanwhile.
#[test]
fn an_apply_is_bound_to_the_plan_that_was_shown() {
    let place = Place::serving();
    site(&place);
    place.web1(&["provision", "site.toml"]).exits(0);
    place.write("root/etc/motd", "One.\n");
    let meddle = || place.write("root/etc/motd", "Two and three.\n");
    let (code, shown) = on_terminal(&place, "y\n", meddle);
    assert_eq!(code, Some(1), "{shown}");
    assert!(shown.contains("has changed since plan"), "{shown}");
    assert_eq!(place.read("root/etc/motd"), "Two and three.\n");
}

/// A plan that is kept in a file is applied by that file alone, and only while it holds.
#[test]
fn a_kept_plan_is_applied_or_names_the_block_that_moved() {
    let place = Place::serving();
    site(&place);
    place
        .web1(&["plan", "-O", "web1.plan", "site.toml"])
        .exits(0);
    place.ok(&["provision", "--plan", "web1.plan"]);
    assert_eq!(place.read("root/etc/motd"), "Welcome.\n");

    place.write("root/etc/motd", "One.\n");
    place
        .web1(&["plan", "-O", "web1.plan", "site.toml"])
        .exits(0);
    place.write("root/etc/motd", "Two.\n");
    let refused = place.run(&["provision", "--plan", "web1.plan"]).exits(1);
    refused.says("what differs: file:/etc/motd");
    assert_eq!(place.read("root/etc/motd"), "Two.\n");

    place
        .web1(&["plan", "-O", "web1.plan", "site.toml"])
        .exits(0);
    place.write("site.toml", place.read("site.toml") + "# as before\n");
    let refused = place.run(&["provision", "--plan", "web1.plan"]).exits(1);
    refused.says("site.toml has changed since the plan was made");
    let elsewhere = ["--target", "web2", "provision", "--plan", "web1.plan"];
    place.run(&elsewhere).exits(64).says("a plan for web1");
    assert_eq!(place.read("root/etc/motd"), "Two.\n");
}

/// `hpt --target web1 provision site.toml` on a terminal, which `script` is: its exit code and what
/// it showed. When it asks, `meddle` is done and then answered.
fn on_terminal(place: &Place, answer: &str, meddle: impl FnOnce()) -> (Option<i32>, String) {
    let line = format!("{HPT} --target web1 provision site.toml");
    let mut terminal = Command::new("script");
    terminal
        .args(["-qec", &line, "/dev/null"])
        .current_dir(place.path(""));
    for (name, value) in place.command(&[]).env("TERM", "xterm").get_envs() {
        terminal.env(name, value.unwrap_or_default());
    }
    terminal.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = terminal
        .spawn()
        .expect("script is there (apt install bsdutils)");
    let (mut shown, mut byte) = (Vec::new(), [0]);
    let mut out = child.stdout.take().unwrap();
    while !shown.ends_with(b"[y/N] ") && out.read(&mut byte).unwrap() == 1 {
        shown.push(byte[0]);
    }
    meddle();
    child
        .stdin
        .as_mut()
        .unwrap()
        .write_all(answer.as_bytes())
        .unwrap();
    out.read_to_end(&mut shown).unwrap();
    let code = child.wait().unwrap().code();
    (code, String::from_utf8(shown).unwrap())
}

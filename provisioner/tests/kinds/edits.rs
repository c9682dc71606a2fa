//! `[[line]]`, `[[edit]]`, `[[hosts]]` and `[[authorized_key]]`: parts of files that others write too.

use super::*;

const LINE: &str = "[[line]]\npath = \"/etc/x\"\nline = \"Port 22\"\nmatch = \"^#?Port \"\n";
const EDIT: &str = "[[edit]]\npath = \"/etc/x\"\nformat = \"ini\"\nset = { a = { b = 1 } }\n";
const HOSTS: &str = "[[hosts]]\nip = \"10.0.0.5\"\nnames = [\"db\"]\n";
const KEY: &str = "[[authorized_key]]\nuser = \"ana\"\nkey = \"ssh-ed25519 AAAAana ana\"\n";

#[test]
fn an_edit_is_planned_as_a_diff_applied_and_then_in_place() {
    let mut host = Host::new();
    host.inner.put(&written("/etc/x", "a\n#Port 1\n", 0o640));
    let plan = only(look(&config(LINE), &host));
    assert_eq!(plan.verdict, Verdict::Update);
    let shown = format!("{:?}", plan.details);
    assert!(
        shown.contains("#Port 1") && shown.contains("Port 22"),
        "{shown}"
    );
    settles(LINE, &mut host);
    assert_eq!(host.text("/etc/x"), "a\nPort 22\n");
    assert_eq!(host.entry("/etc/x").unwrap().mode, Mode::new(0o640));
}

#[test]
fn an_edit_makes_its_file_and_no_directory() {
    for (text, at) in [(LINE, "/etc/x"), (EDIT, "/etc/x"), (HOSTS, "/etc/hosts")] {
        let mut host = Host::new();
        assert_eq!(planned(text, &host).0, Verdict::Create, "{text}");
        settles(text, &mut host);
        assert_eq!(host.entry(at).unwrap().mode, Mode::new(0o644));
    }
    for text in [LINE, EDIT] {
        let why = blocked(&text.replace("/etc/x", "/no/x"), &Host::new());
        assert!(why.contains("the directory /no does not exist"), "{why}");
    }
}

#[test]
fn what_takes_something_out_never_makes_a_file() {
    let mut host = Host::new();
    host.inner.put(&Effect::User(user("ana")));
    for text in [
        format!("{LINE}absent = true\n"),
        EDIT.replace("set = { a = { b = 1 } }", "unset = [\"a\"]"),
        format!("{HOSTS}absent = true\n"),
        format!("{KEY}absent = true\n"),
    ] {
        assert_eq!(planned(&text, &host).0, Verdict::Ok, "{text}");
    }
    let nobody = format!("{KEY}absent = true\n").replace("\"ana\"", "\"bo\"");
    assert_eq!(planned(&nobody, &host).0, Verdict::Ok);
}

#[test]
fn what_is_there_is_taken_out() {
    let mut host = Host::new();
    host.inner
        .put(&written("/etc/x", "[a]\nb = 1\n#Port 9\n", 0o644));
    host.inner
        .put(&written("/etc/hosts", "10.0.0.5 db web\n", 0o644));
    settles(
        &EDIT.replace("set = { a = { b = 1 } }", "unset = [\"a.b\"]"),
        &mut host,
    );
    settles(&format!("{LINE}absent = true\n"), &mut host);
    settles(&format!("{HOSTS}absent = true\n"), &mut host);
    assert_eq!(host.text("/etc/x"), "[a]\n");
    assert_eq!(host.text("/etc/hosts"), "10.0.0.5\tweb\n");
}

#[test]
fn edits_of_one_file_compose_in_a_plan_and_in_a_run() {
    let mut host = Host::new();
    let text = format!(
        "[[file]]\npath = \"/etc/x\"\ncontent = \"c = 1\\n\"\noverwrite = false\n{LINE}{EDIT}\
         [[line]]\npath = \"/etc/x\"\nline = \"d = 2\"\ninsert_after = \"^c\"\n"
    );
    let plan = look(&config(&text), &host);
    assert!(
        plan.blocks.iter().all(|b| b.verdict.is_pending()),
        "{plan:#?}"
    );
    settles(&text, &mut host);
    let all = "c = 1\nd = 2\nPort 22\n\n[a]\nb = 1\n";
    assert_eq!(host.text("/etc/x"), all);
}

#[test]
fn what_is_no_text_file_is_not_edited() {
    let mut host = Host::new();
    let why = blocked(&LINE.replace("/etc/x", "/opt"), &host);
    assert!(why.contains("/opt is a directory"), "{why}");
    host.inner.put(&Effect::Link {
        path: path("/etc/x"),
        to: "y".to_owned(),
    });
    let why = blocked(LINE, &host);
    assert!(why.contains("is a symbolic link; name the file"), "{why}");
    let mut host = Host::new();
    host.inner.put(&Effect::WriteFile(WriteFile {
        path: path("/etc/x"),
        content: Content::Inline([0xff, 0xfe].as_slice().into()),
        access: Access::default(),
        verify: None,
        secret: false,
    }));
    let why = blocked(LINE, &host);
    assert!(why.contains("is not text in UTF-8"), "{why}");
}

#[test]
fn a_place_that_is_not_there_and_a_file_of_another_form_block() {
    let mut host = Host::new();
    host.inner.put(&written("/etc/x", "[1, 2]\n", 0o644));
    let why = blocked(&format!("{LINE}insert_after = \"^zz\"\n"), &host);
    assert_eq!(why, "/etc/x: no line matches `insert_after`");
    let why = blocked(&EDIT.replace("\"ini\"", "\"json\""), &host);
    assert_eq!(why, "/etc/x: what holds `a.b` is no object");
    let why = blocked(&EDIT.replace("\"ini\"", "\"toml\""), &host);
    assert!(why.starts_with("/etc/x: "), "{why}");
}

#[test]
fn a_package_that_is_still_to_come_may_bring_the_file_or_the_user() {
    let mut host = Host::new();
    for text in [LINE, EDIT, HOSTS, KEY, &format!("{LINE}absent = true\n")] {
        let with = config(&format!("packages = [\"nginx\"]\n{text}"));
        assert_eq!(
            look(&with, &host).blocks[1].verdict,
            Verdict::Maybe,
            "{text}"
        );
    }
    settles(
        &format!("packages = [\"nginx\"]\n{LINE}{EDIT}{HOSTS}"),
        &mut host,
    );
    // A file that is there is known.
    let with = config(&format!("packages = [\"git\"]\n{LINE}"));
    assert_eq!(look(&with, &host).blocks[1].verdict, Verdict::Ok);
}

#[test]
fn a_key_is_put_among_the_others_for_its_user() {
    let mut host = Host::new();
    let why = blocked(KEY, &host);
    assert!(why.contains("the user ana does not exist"), "{why}");
    let with_user = format!("[[user]]\nname = \"ana\"\nhome = \"/home/ana\"\n{KEY}");
    settles(&with_user, &mut host);
    let mode = |at| host.entry(at).unwrap().mode;
    assert_eq!(mode("/home/ana/.ssh"), Mode::new(0o700));
    assert_eq!(mode("/home/ana/.ssh/authorized_keys"), Mode::new(0o600));
    let bo = KEY.replace("AAAAana ana", "AAAAbo bo");
    settles(&format!("{bo}options = [\"no-pty\"]\n"), &mut host);
    assert_eq!(
        host.text("/home/ana/.ssh/authorized_keys"),
        "ssh-ed25519 AAAAana ana\nno-pty ssh-ed25519 AAAAbo bo\n"
    );
    settles(&format!("{KEY}absent = true\n"), &mut host);
    settles(&format!("{KEY}exclusive = true\n"), &mut host);
    assert_eq!(
        host.text("/home/ana/.ssh/authorized_keys"),
        "ssh-ed25519 AAAAana ana\n"
    );
}

#[test]
fn a_user_without_a_home_has_no_place_for_a_key() {
    let mut host = Host::new();
    let UserEdit::Add {
        name, as_, system, ..
    } = user("ana")
    else {
        unreachable!()
    };
    host.inner.put(&Effect::User(UserEdit::Add {
        name,
        as_,
        system,
        create_home: false,
    }));
    let why = blocked(KEY, &host);
    assert!(
        why.contains("does not exist, and its keys lie there"),
        "{why}"
    );
    assert_eq!(
        planned(&format!("{KEY}absent = true\n"), &host).0,
        Verdict::Ok
    );
}

#[test]
fn a_secret_in_an_edit_is_shown_nowhere_and_its_file_is_born_private() {
    for secret in [
        "[[line]]\npath = \"/etc/x\"\nline = \"pw = {{ secret.db }}\"\n",
        "[[edit]]\npath = \"/etc/x\"\nformat = \"ini\"\nset = { pw = \"{{ secret.db }}\" }\n",
    ] {
        let mut host = Host::new();
        let beside = "[[line]]\npath = \"/etc/x\"\nline = \"a\"\n";
        let config = config(&format!("{secret}{beside}"));
        let shown = format!("{:?}", look(&config, &host));
        assert!(!shown.contains("hunter2"), "{shown}");
        // The block after it edits what holds the secret by then.
        assert_eq!(shown.matches("secret content").count(), 2, "{shown}");
        settles_with(&config, &mut host);
        assert_eq!(host.text("/etc/x"), "pw = hunter2\na\n");
        assert_eq!(host.entry("/etc/x").unwrap().mode, Mode::new(0o600));
    }
}

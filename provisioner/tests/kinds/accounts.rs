//! `[[group]]` and `[[user]]`, and their sudo.

use super::*;

#[test]
fn sudo_is_one_line_however_often_it_is_asked_for() {
    // The original appended a line in each run.
    let mut host = Host::new();
    let text = "[[group]]\nname = \"wheel\"\npasswordless_sudo = true\n[[user]]\nname = \"ana\"\nsudo = \"nopasswd\"\n";
    settles(text, &mut host);
    settles(
        &text.replace("nopasswd", "ALL=(root) /usr/bin/apt"),
        &mut host,
    );
    assert_eq!(
        host.text("/etc/sudoers.d/hpt-group-wheel"),
        "%wheel ALL=(ALL:ALL) NOPASSWD: ALL\n"
    );
    assert_eq!(
        host.text("/etc/sudoers.d/hpt-user-ana"),
        "ana ALL=(root) /usr/bin/apt\n"
    );
    assert_eq!(
        host.entry("/etc/sudoers.d/hpt-user-ana").unwrap().mode,
        Mode::new(0o440)
    );
    // What no longer asks for it has it no longer.
    settles(
        "[[group]]\nname = \"wheel\"\n[[user]]\nname = \"ana\"\nabsent = true\n",
        &mut host,
    );
    for kind in ["group-wheel", "user-ana"] {
        assert!(
            host.entry(&format!("/etc/sudoers.d/hpt-{kind}")).is_none(),
            "{kind}"
        );
    }
}

#[test]
fn a_sudoers_file_that_sudo_would_ignore_is_not_in_place() {
    let mut host = Host::new();
    let text = "[[group]]\nname = \"wheel\"\npasswordless_sudo = true\n";
    settles(text, &mut host);
    host.inner.put(&Effect::User(user("ana")));
    host.inner.put(&Effect::SetAccess {
        path: path("/etc/sudoers.d/hpt-group-wheel"),
        access: Access {
            owner: Some(UserName::parse("ana").unwrap()),
            ..Access::default()
        },
    });
    assert_eq!(planned(text, &host).0, Verdict::Update);
    settles(text, &mut host);
}

#[test]
fn sudo_that_is_not_there_is_named() {
    let mut host = Host::new();
    host.inner.put(&Effect::Remove {
        path: path("/usr/sbin/visudo"),
        recursive: false,
    });
    let text = "[[group]]\nname = \"wheel\"\npasswordless_sudo = true\n";
    assert!(blocked(text, &host).contains("sudo is not installed"));
    let installed = format!("packages = [\"sudo\"]\n{text}");
    let verdicts: Vec<_> = look(&config(&installed), &host)
        .blocks
        .iter()
        .map(|b| b.verdict)
        .collect();
    assert_eq!(verdicts, [Verdict::Create, Verdict::Maybe]);
}

#[test]
fn keys_are_there_once_and_private() {
    let mut host = Host::new();
    let hash = host.inner.put_blob(b"PRIVATE\n");
    let blobs = BTreeMap::from([(Source::File("id".to_owned()), Blob { hash, size: 8 })]);
    let text = "[[user]]\nname = \"ana\"\nhome = \"/home/ana\"\nssh_public_key = \"ssh-ed25519 AAAAana ana\"\nssh_private_key = \"id\"\nauthorized_keys = [\"ssh-ed25519 AAAAana again\", \"ssh-ed25519 AAAAbo bo\"]\n";
    settles_with(&config_with(text, blobs), &mut host);
    assert_eq!(
        host.text("/home/ana/.ssh/authorized_keys"),
        "ssh-ed25519 AAAAana ana\nssh-ed25519 AAAAbo bo\n"
    );
    for (file, mode) in [
        ("", 0o700),
        ("/id_rsa", 0o600),
        ("/id_rsa.pub", 0o644),
        ("/authorized_keys", 0o600),
    ] {
        let entry = host.entry(&format!("/home/ana/.ssh{file}")).unwrap();
        assert_eq!(entry.mode, Mode::new(mode), "{file}");
    }
}

#[test]
fn a_home_that_its_user_tampered_with_is_left_alone() {
    let mut host = Host::new();
    host.inner.put(&Effect::User(user("ana")));
    host.inner.put(&Effect::Link {
        path: path("/home/ana/.ssh"),
        to: "/etc".to_owned(),
    });
    let text = "[[user]]\nname = \"ana\"\nauthorized_keys = [\"ssh-ed25519 AAAAana ana\"]\n";
    let why = blocked(text, &host);
    assert!(
        why.contains("/home/ana/.ssh") && why.contains("not a directory"),
        "{why}"
    );
}

#[test]
fn an_account_has_what_is_asked_for_and_keeps_the_rest() {
    let mut host = Host::new();
    let text = "[[group]]\nname = \"web\"\ngid = 1099\n[[group]]\nname = \"dev\"\n[[user]]\nname = \"ana\"\nuid = 1500\ngroup = \"web\"\ngroups = [\"dev\"]\nhome = \"/home/ana\"\nshell = \"/bin/bash\"\ncomment = \"Ana\"\npassword_hash = \"{{ secret.hash }}\"\n";
    settles(text, &mut host);
    let less = "[[user]]\nname = \"ana\"\nshell = \"/bin/sh\"\n";
    assert_eq!(
        planned(less, &host),
        (Verdict::Update, "shell /bin/bash -> /bin/sh".to_owned())
    );
    settles(less, &mut host);
    let ana = host
        .inner
        .user(&UserName::parse("ana").unwrap())
        .unwrap()
        .unwrap();
    assert_eq!(
        (ana.comment.as_str(), ana.home.as_str()),
        ("Ana", "/home/ana")
    );
    assert_eq!(ana.groups, [GroupName::parse("dev").unwrap()]);
    let alone = "[[user]]\nname = \"ana\"\ngroups_exclusive = true\n";
    assert_eq!(
        planned(alone, &host),
        (Verdict::Update, "leaves dev".to_owned())
    );
    settles(alone, &mut host);
}

#[test]
fn a_group_that_is_nowhere_is_named() {
    let why = blocked(
        "[[user]]\nname = \"ana\"\ngroups = [\"ops\"]\n",
        &Host::new(),
    );
    assert!(why.contains("the group ops does not exist"), "{why}");
}

#[test]
fn a_member_who_is_nowhere_is_named() {
    let text = "[[group]]\nname = \"ops\"\nmembers = [\"ana\"]\n";
    let why = blocked(text, &Host::new());
    assert!(why.contains("the user ana does not exist"), "{why}");
    settles(
        &format!("[[user]]\nname = \"ana\"\n{text}"),
        &mut Host::new(),
    );
}

#[test]
fn a_number_belongs_to_one_group() {
    let mut host = Host::new();
    settles("[[group]]\nname = \"dev\"\ngid = 2000\n", &mut host);
    let ops = "[[group]]\nname = \"ops\"\ngid = 2000\n";
    let why = blocked(ops, &host);
    assert!(why.contains("that of the group dev"), "{why}");
    let moved = format!("[[group]]\nname = \"dev\"\ngid = 2001\n{ops}");
    settles(&moved, &mut host);
}

#[test]
fn a_number_belongs_to_one_user() {
    let mut host = Host::new();
    settles("[[user]]\nname = \"ana\"\nuid = 2000\n", &mut host);
    let bo = "[[user]]\nname = \"bo\"\nuid = 2000\n";
    let why = blocked(bo, &host);
    assert!(why.contains("that of the user ana"), "{why}");
    let moved = format!("[[user]]\nname = \"ana\"\nuid = 2001\n{bo}");
    settles(&moved, &mut host);
    // Also one whom an earlier block makes.
    let made = bo.replace("bo", "ida").replace("2000", "2002");
    let both = format!("{made}{}", made.replace("ida", "eva"));
    let plan = look(&config(&both), &host);
    assert_eq!(plan.blocks[1].verdict, Verdict::Blocked);
}

#[test]
fn the_primary_group_of_a_user_stays() {
    let mut host = Host::new();
    settles("[[user]]\nname = \"ana\"\n", &mut host);
    let absent = "[[group]]\nname = \"ana\"\nabsent = true\n";
    let why = blocked(absent, &host);
    assert!(why.contains("the primary group of ana"), "{why}");
    // Also of one whom an earlier block makes.
    let made = format!("[[user]]\nname = \"ana\"\n{absent}");
    let plan = look(&config(&made), &Host::new());
    assert_eq!(plan.blocks[1].verdict, Verdict::Blocked);
    let gone = format!("[[user]]\nname = \"ana\"\nabsent = true\n{absent}");
    settles(&gone, &mut host);
}

#[test]
fn members_join_and_others_stay() {
    let mut host = Host::new();
    for name in ["ana", "bo"] {
        host.inner.put(&Effect::User(user(name)));
    }
    settles("[[group]]\nname = \"dev\"\nmembers = [\"bo\"]\n", &mut host);
    settles(
        "[[group]]\nname = \"dev\"\nmembers = [\"ana\"]\n",
        &mut host,
    );
    let dev = host
        .inner
        .group(&GroupName::parse("dev").unwrap())
        .unwrap()
        .unwrap();
    assert_eq!(dev.members.len(), 2);
    host.inner.put(&Effect::Group(GroupEdit::SetGid {
        name: GroupName::parse("dev").unwrap(),
        gid: 7,
    }));
    assert_eq!(
        planned("[[group]]\nname = \"dev\"\ngid = 8\n", &host),
        (Verdict::Update, "gid 7 -> 8".to_owned())
    );
}

#[test]
fn a_primary_group_goes_by_name_or_by_number() {
    let mut host = Host::new();
    let numbered = "[[user]]\nname = \"ana\"\ngid = 1000\n";
    let why = blocked(numbered, &host);
    assert!(
        why.contains("no group has the number 1000; make it"),
        "{why}"
    );
    let made = format!("[[group]]\nname = \"staff\"\ngid = 1000\n{numbered}");
    settles(&made, &mut host);
    let name = GroupName::parse("staff").unwrap();
    let ana = host.inner.user(&UserName::parse("ana").unwrap()).unwrap();
    assert_eq!(ana.unwrap().group, Some(name));
    for same in [
        "gid = \"1000\"",
        "group = 1000",
        "group = \"staff\"",
        "gid = \"staff\"",
    ] {
        let text = numbered.replace("gid = 1000", same);
        assert_eq!(planned(&text, &host).0, Verdict::Ok, "{same}");
    }
    // A number that its group is about to lose.
    let moved = format!("[[group]]\nname = \"staff\"\ngid = 1001\n{numbered}");
    let plan = look(&config(&moved), &host);
    assert_eq!(plan.blocks[1].verdict, Verdict::Blocked);
}

#[test]
fn an_account_ends_on_a_day_and_goes_on_again() {
    let mut host = Host::new();
    let text = |end: &str| format!("[[user]]\nname = \"ana\"\nexpires = \"{end}\"\n");
    settles(&text("2030-12-31"), &mut host);
    assert_eq!(
        planned(&text("2031-01-01"), &host),
        (Verdict::Update, "expires 2031-01-01".to_owned())
    );
    settles(&text("2031-01-01"), &mut host);
    settles(&text("never"), &mut host);
    assert_eq!(planned("[[user]]\nname = \"ana\"\n", &host).0, Verdict::Ok);
}

#[test]
fn only_a_password_that_is_there_is_unlocked() {
    let text = "[[user]]\nname = \"ana\"\nlocked = false\n";
    let mut host = Host::new();
    assert!(blocked(text, &host).contains("no password"));
    settles(&text.replace("false", "true"), &mut host);
    assert!(blocked(text, &host).contains("no password"));
    settles(
        &format!("{text}password_hash = \"$6$salt$hash\"\n"),
        &mut host,
    );
    settles(&text.replace("false", "true"), &mut host);
    settles(text, &mut host);
}

//! `[[file]]`.

use super::*;

#[test]
fn removing_a_file_that_is_gone_does_not_make_it() {
    // The original fell through from removal to creation.
    let mut host = Host::new();
    host.inner.put(&written("/etc/old", "x", 0o644));
    for spelling in ["absent", "remove"] {
        let text = format!("[[file]]\npath = \"/etc/old\"\n{spelling} = true\n");
        if spelling == "absent" {
            assert_eq!(planned(&text, &host).0, Verdict::Delete);
            settles(&text, &mut host);
        }
        assert_eq!(planned(&text, &host).0, Verdict::Ok, "{spelling}");
        assert!(host.entry("/etc/old").is_none());
    }
}

#[test]
fn a_directory_is_made_with_its_parents_and_may_be_there() {
    let mut host = Host::new();
    let text = "[[file]]\npath = \"/srv/a/b\"\ndir = true\nmode = \"0750\"\n";
    settles(text, &mut host);
    let mode = |at| host.entry(at).unwrap().mode;
    assert_eq!(
        (mode("/srv/a"), mode("/srv/a/b")),
        (Mode::new(0o755), Mode::new(0o750))
    );
}

#[test]
fn a_link_to_nowhere_is_no_directory() {
    let mut host = Host::new();
    let link = |to: &str| Effect::Link {
        path: path("/srv/d"),
        to: to.to_owned(),
    };
    let text = "[[file]]\npath = \"/srv/d/e\"\nsymlink_to = \"/opt\"\n";
    for nowhere in ["/nowhere/z", "z", "d"] {
        host.inner.put(&link(nowhere));
        let why = planned(text, &host);
        // Whoever follows links for ever is told so by the host.
        if nowhere != "d" {
            assert_eq!(why.0, Verdict::Blocked, "{nowhere}: {why:?}");
        }
    }
    host.inner.put(&link("/opt"));
    assert_eq!(planned(text, &host).0, Verdict::Create);
}

#[test]
fn a_wrong_mode_alone_is_set_right_without_writing_the_content() {
    let mut host = Host::new();
    host.inner.put(&written("/etc/x", "same\n", 0o644));
    let text = "[[file]]\npath = \"/etc/x\"\ncontent = \"same\\n\"\nmode = \"0600\"\n";
    assert_eq!(planned(text, &host), (Verdict::Update, "mode".to_owned()));
    settles(text, &mut host);
}

#[test]
fn a_file_and_a_directory_never_replace_each_other() {
    let mut host = Host::new();
    host.inner.put(&written("/etc/x", "", 0o644));
    let why = blocked("[[file]]\npath = \"/etc/x\"\ndir = true\n", &host);
    assert!(
        why.contains("/etc/x is a file and not a directory"),
        "{why}"
    );
    let why = blocked("[[file]]\npath = \"/opt\"\ncontent = \"\"\n", &host);
    assert!(why.contains("/opt is a directory and not a file"), "{why}");
    let why = blocked("[[file]]\npath = \"/etc/x\"\nsymlink_to = \"y\"\n", &host);
    assert!(why.contains("not a symbolic link"), "{why}");
}

#[test]
fn a_link_is_made_and_moved() {
    let mut host = Host::new();
    settles(
        "[[file]]\npath = \"/opt/now\"\nsymlink_to = \"v1\"\n",
        &mut host,
    );
    let moved = "[[file]]\npath = \"/opt/now\"\nsymlink_to = \"v2\"\n";
    assert_eq!(
        planned(moved, &host),
        (Verdict::Update, "v1 -> v2".to_owned())
    );
    settles(moved, &mut host);
}

#[test]
fn a_file_that_may_not_be_overwritten_is_only_made() {
    let mut host = Host::new();
    let text = "[[file]]\npath = \"/etc/x\"\ncontent = \"mine\"\noverwrite = false\n";
    settles(text, &mut host);
    host.inner.put(&written("/etc/x", "theirs", 0o644));
    assert_eq!(planned(text, &host).0, Verdict::Ok);
}

#[test]
fn what_a_file_lacks_is_named_in_the_plan() {
    let mut host = Host::new();
    let why = blocked("[[file]]\npath = \"/no/x\"\ncontent = \"\"\n", &host);
    assert!(why.contains("the directory /no does not exist"), "{why}");
    let why = blocked(
        "[[file]]\npath = \"/etc/x\"\ncontent = \"\"\nowner = \"ana\"\n",
        &host,
    );
    assert!(why.contains("the user ana does not exist"), "{why}");
    let why = blocked(
        "[[file]]\npath = \"/etc/x\"\ncontent = \"\"\ngroup = \"web\"\n",
        &host,
    );
    assert!(why.contains("the group web does not exist"), "{why}");
    host.powers.chown = false;
    host.inner.put(&Effect::User(user("ana")));
    let why = blocked(
        "[[file]]\npath = \"/etc/x\"\ncontent = \"\"\nowner = \"ana\"\n",
        &host,
    );
    assert!(
        why.contains("only root can give a file to another"),
        "{why}"
    );
}

#[test]
fn a_file_with_a_secret_in_it_is_born_private() {
    let mut host = Host::new();
    let text = "[[file]]\npath = \"/etc/env\"\ncontent = \"DB={{ secret.db }}\\n\"\n";
    assert!(
        planned(text, &host).1.starts_with("0600"),
        "{:?}",
        planned(text, &host)
    );
    settles(text, &mut host);
    assert_eq!(host.entry("/etc/env").unwrap().mode, Mode::new(0o600));
    // Whoever says a mode gets it.
    let text = "[[file]]\npath = \"/etc/env2\"\ncontent = \"{{ secret.db }}\"\nmode = \"0640\"\n";
    settles(text, &mut host);
    assert_eq!(host.entry("/etc/env2").unwrap().mode, Mode::new(0o640));
}

#[test]
fn a_template_is_rendered_with_its_own_values_and_secrets_make_it_private() {
    let mut host = Host::new();
    let hash = host.inner.put_blob(b"{{ who }} {{ secret.db }}\n");
    let blobs = BTreeMap::from([(Source::File("x.j2".to_owned()), Blob { hash, size: 26 })]);
    let text =
        "[[file]]\npath = \"/etc/x\"\ntemplate = \"x.j2\"\ntemplate_vars = { who = \"ana\" }\n";
    let config = config_with(text, blobs);
    settles_with(&config, &mut host);
    assert_eq!(host.text("/etc/x"), "ana hunter2\n");
    assert_eq!(host.entry("/etc/x").unwrap().mode, Mode::new(0o600));
}

#[test]
fn what_is_replaced_is_kept_beside_it() {
    let mut host = Host::new();
    host.inner.put(&written("/etc/x", "old", 0o640));
    let text = "[[file]]\npath = \"/etc/x\"\ncontent = \"new\"\nbackup = true\n";
    settles(text, &mut host);
    assert_eq!(host.text("/etc/x"), "new");
    assert_eq!(host.text("/etc/x.hpt-backup"), "old");
    let mode = host.entry("/etc/x.hpt-backup").unwrap().mode;
    assert_eq!(mode, Mode::new(0o640));
    // What is new replaces nothing.
    settles(&text.replace("/etc/x", "/etc/y"), &mut host);
    assert!(host.entry("/etc/y.hpt-backup").is_none());
    host.inner
        .put(&written("/etc/y", &"a".repeat(1_100_000), 0o644));
    let why = blocked(&text.replace("/etc/x", "/etc/y"), &host);
    assert!(why.contains("longer than 1 MiB"), "{why}");
}

#[test]
fn what_no_block_is_about_is_purged_and_the_rest_stays() {
    let mut host = Host::new();
    for dir in ["/etc/conf.d", "/etc/conf.d/old", "/etc/conf.d/sub"] {
        host.inner.put(&directory(dir));
    }
    for file in ["10-mine", "20-theirs", "old/x", "sub/mine"] {
        host.inner
            .put(&written(&format!("/etc/conf.d/{file}"), "x", 0o644));
    }
    let purge = "[[file]]\npath = \"/etc/conf.d\"\ndir = true\npurge = true\n";
    let text = format!(
        "{purge}[[file]]\npath = \"/etc/conf.d/10-mine\"\ncontent = \"x\"\n\
         [[line]]\npath = \"/etc/conf.d/sub/mine\"\nline = \"x\"\n"
    );
    let plan = look(&config(&text), &host);
    let said = format!("{:?}", plan.blocks[0].details);
    for goes in [
        "/etc/conf.d/20-theirs goes",
        "/etc/conf.d/old and all that it holds goes",
    ] {
        let (path, words) = goes.split_once(' ').unwrap();
        assert!(said.contains(path), "{words} {said}");
    }
    assert_eq!(plan.blocks[0].summary, "purge");
    settles(&text, &mut host);
    assert!(host.entry("/etc/conf.d/20-theirs").is_none());
    assert!(host.entry("/etc/conf.d/old").is_none());
    assert_eq!(host.text("/etc/conf.d/sub/mine"), "x");
    // What an archive or a copy brings is theirs.
    let whole = format!("{purge}[[clone]]\nurl = \"https://h/x\"\ndest = \"/etc/conf.d\"\n");
    assert_eq!(look(&config(&whole), &host).blocks[0].verdict, Verdict::Ok);
    // A block that is not for this host claims nothing.
    let text = text.replacen(
        "content = \"x\"\n",
        "content = \"x\"\nwhen = \"facts.os == 'none'\"\n",
        1,
    );
    assert_eq!(
        look(&config(&text), &host).blocks[0].verdict,
        Verdict::Update
    );
}

#[test]
fn the_keys_that_blocks_keep_are_not_purged() {
    let mut host = Host::new();
    let purge = "[[file]]\npath = \"/home/ana\"\ndir = true\npurge = true\n";
    let user = "[[user]]\nname = \"ana\"\nhome = \"/home/ana\"\n";
    let key = "[[authorized_key]]\nuser = \"ana\"\nkey = \"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGpv9vQkL0Vw0ZLw1bXk4iTfP3J6sPpR3t8mSxYyYyYy\"\n";
    settles(&format!("{user}{key}"), &mut host);
    host.inner.put(&written("/home/ana/old", "x", 0o644));
    settles(&format!("{purge}{key}"), &mut host);
    assert!(host.entry("/home/ana/old").is_none());
    assert!(host.entry("/home/ana/.ssh/authorized_keys").is_some());
    // Nobody keeps them now.
    settles(purge, &mut host);
    assert!(host.entry("/home/ana/.ssh").is_none());
}

#[test]
fn the_links_that_enable_a_block_s_unit_are_not_purged() {
    let mut host = Host::new();
    let dirs = ["", "/multi-user.target.wants", "/old.target.wants"];
    for dir in dirs {
        let dir = format!("/etc/systemd/system{dir}");
        host.inner.put(&directory(&dir));
    }
    host.inner.put(&directory("/etc/systemd"));
    for (link, to) in [
        ("multi-user.target.wants/nginx.service", "nginx.service"),
        ("multi-user.target.wants/old.service", "old.service"),
        ("old.target.wants/old.service", "old.service"),
        ("www.service", "nginx.service"),
        ("old-alias.service", "old.service"),
    ] {
        host.inner.put(&Effect::Link {
            path: path(&format!("/etc/systemd/system/{link}")),
            to: format!("/usr/lib/systemd/system/{to}"),
        });
    }
    host.inner
        .put_unit(UnitName::parse("nginx.service").unwrap());
    let service = "[[service]]\nname = \"nginx\"\nenabled = true\n";
    let purge = |dir: &str| format!("[[file]]\npath = \"{dir}\"\ndir = true\npurge = true\n");
    let there = |host: &Host, names: &[&str]| {
        let at = |name: &&str| path(&format!("/etc/systemd/system/{name}"));
        let seen = names
            .iter()
            .map(|n| host.inner.path(&at(n)).unwrap().is_some());
        seen.collect::<Vec<_>>()
    };
    let all = [
        "multi-user.target.wants/nginx.service",
        "www.service",
        "multi-user.target.wants/old.service",
        "old.target.wants",
        "old-alias.service",
    ];
    settles(
        &format!("{service}{}", purge("/etc/systemd/system")),
        &mut host,
    );
    assert_eq!(there(&host, &all), [true, true, true, false, false]);
    let wants = purge("/etc/systemd/system/multi-user.target.wants");
    settles(&format!("{wants}{service}"), &mut host);
    assert_eq!(there(&host, &all), [true, true, false, false, false]);
    let above = format!("{}{service}", purge("/etc/systemd"));
    assert!(look(&config(&above), &host).is_empty());
    settles(&purge("/etc/systemd/system"), &mut host);
    assert_eq!(there(&host, &all), [false; 5]);
}

#[test]
fn all_that_a_directory_holds_is_given_to_its_owner() {
    let mut host = Host::new();
    host.inner.put(&Effect::User(user("ana")));
    for dir in ["/srv/a", "/srv/a/b"] {
        host.inner.put(&directory(dir));
    }
    host.inner.put(&written("/srv/a/b/c", "x", 0o600));
    host.inner.put(&Effect::Link {
        path: path("/srv/a/etc"),
        to: "/etc".to_owned(),
    });
    let text = "[[file]]\npath = \"/srv/a\"\ndir = true\nowner = \"ana\"\nrecurse = true\n";
    assert_eq!(
        planned(text, &host),
        (Verdict::Update, "owner, owners of what it holds".to_owned())
    );
    settles(text, &mut host);
    assert_eq!(host.entry("/srv/a/b/c").unwrap().mode, Mode::new(0o600));
    host.inner.put(&written("/srv/a/new", "x", 0o644));
    assert_eq!(planned(text, &host).0, Verdict::Update);
    host.powers.chown = false;
    assert!(blocked(text, &host).contains("only root"));
}

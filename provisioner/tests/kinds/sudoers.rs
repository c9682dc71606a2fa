//! The last who can become root by sudo stays so, unless a config says otherwise.

use super::*;

/// As Debian has it.
const RULES: &str = "Defaults env_reset\nroot ALL=(ALL:ALL) ALL\n%admin ALL=(ALL) ALL\n%sudo ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n";

/// Who can take the right from ana, each in another way.
const WAYS: [&str; 8] = [
    "[[user]]\nname = \"ana\"\ngroups_exclusive = true\ngroups = []\n",
    "[[user]]\nname = \"ana\"\nabsent = true\n",
    "[[user]]\nname = \"ana\"\nlocked = true\n",
    "[[user]]\nname = \"ana\"\nexpires = \"2020-01-01\"\n",
    "[[group]]\nname = \"sudo\"\nabsent = true\n",
    "[[file]]\npath = \"/etc/sudoers\"\nabsent = true\n",
    "[[file]]\npath = \"/etc/sudoers\"\ncontent = \"root ALL=(ALL) ALL\"\n",
    "[[line]]\npath = \"/etc/sudoers\"\nline = \"%sudo ALL=(ALL:ALL) ALL\"\nabsent = true\n",
];

/// A host with these rules, where ana is in the group sudo.
fn host(rules: &str) -> Host {
    let mut host = Host::new();
    host.inner.put(&written("/etc/sudoers", rules, 0o440));
    add_group(&mut host, "sudo");
    add_user(&mut host, "ana", &["sudo"]);
    host
}

fn add_group(host: &mut Host, name: &str) {
    host.inner.put(&Effect::Group(GroupEdit::Add {
        name: GroupName::parse(name).unwrap(),
        gid: None,
        system: true,
    }));
}

fn add_user(host: &mut Host, name: &str, groups: &[&str]) {
    host.inner.put(&Effect::User(UserEdit::Add {
        name: UserName::parse(name).unwrap(),
        as_: UserShape {
            join: groups
                .iter()
                .map(|g| GroupName::parse(g).unwrap())
                .collect(),
            password_hash: Some(hpt_provisioner::secret::Secret::new("$6$a$b".to_owned())),
            ..UserShape::default()
        },
        system: false,
        create_home: false,
    }));
}

fn verdicts(text: &str, host: &Host) -> Vec<Verdict> {
    let plan = look(&config(text), host);
    plan.blocks.iter().map(|block| block.verdict).collect()
}

#[test]
fn the_last_sudoer_keeps_that_right() {
    for way in WAYS {
        let mut host = host(RULES);
        let why = blocked(way, &host);
        assert!(
            why.contains("ana could until now") && why.contains("allow_no_sudoer"),
            "{way}{why}"
        );
        let report = apply(&config(way), &mut host, &mut ());
        assert_eq!(report.blocks[0].outcome, Outcome::Failed, "{way}");
        settles(
            &format!("{way}[settings]\nallow_no_sudoer = true\n"),
            &mut host,
        );
    }
}

#[test]
fn the_rule_that_was_the_only_grant_stays() {
    let mut host = host("@includedir /etc/sudoers.d\n");
    settles(
        "[[sudoers]]\nname = \"ana\"\nrules = [\"ana ALL=(ALL) ALL\"]\n",
        &mut host,
    );
    for text in [
        "[[sudoers]]\nname = \"ana\"\nabsent = true\n",
        "[[sudoers]]\nname = \"ana\"\nrules = [\"ana ALL=(ALL) /usr/bin/apt\"]\n",
        "[[file]]\npath = \"/etc/sudoers.d\"\nabsent = true\nrecurse = true\n",
    ] {
        blocked(text, &host);
    }
    // Her own file, and the group's, are kept by blocks; the block that drops it comes last.
    settles("[[user]]\nname = \"bo\"\nsudo = \"nopasswd\"\n", &mut host);
    settles("[[sudoers]]\nname = \"ana\"\nabsent = true\n", &mut host);
    blocked("[[user]]\nname = \"bo\"\n", &host);
    blocked("[[user]]\nname = \"bo\"\nabsent = true\n", &host);
}

#[test]
fn who_has_another_sudoer_beside_them_may_go() {
    for way in WAYS.iter().take(4) {
        let mut host = host(RULES);
        add_user(&mut host, "bo", &["sudo"]);
        settles(way, &mut host);
    }
    // A block before it makes one, in any of the ways there are.
    for other in [
        "[[user]]\nname = \"bo\"\ngroups = [\"sudo\"]\n",
        "[[user]]\nname = \"bo\"\n[[group]]\nname = \"sudo\"\nmembers = [\"bo\"]\n",
        "[[user]]\nname = \"bo\"\nsudo = \"nopasswd\"\n",
        "[[user]]\nname = \"bo\"\n[[sudoers]]\nname = \"bo\"\nrules = [\"bo ALL=(ALL) ALL\"]\n",
    ] {
        for way in WAYS.iter().take(4) {
            let mut host = host(RULES);
            settles(&format!("{other}{way}"), &mut host);
        }
    }
    // One that comes after it is too late, though both would do.
    let late = "[[user]]\nname = \"bo\"\ngroups = [\"sudo\"]\n";
    assert_eq!(
        verdicts(&format!("{}{late}", WAYS[1]), &host(RULES)),
        [Verdict::Blocked, Verdict::Create]
    );
    // Two who both go: the second is the last.
    let mut host = host(RULES);
    add_user(&mut host, "bo", &["sudo"]);
    let both = format!("{}{}", WAYS[1], WAYS[0].replace("ana", "bo"));
    assert_eq!(verdicts(&both, &host), [Verdict::Delete, Verdict::Blocked]);
}

#[test]
fn nothing_is_refused_where_nobody_could_or_others_may() {
    for rules in [
        "",
        "root ALL=(ALL) ALL\n",
        "%wheel ALL=(ALL) ALL\n",
        "%sudo ALL=(ALL) ALL\nADMINS ALL=(ALL) ALL\n",
        "%sudo ALL=(ALL) ALL\n#1000 ALL=(ALL) ALL\n",
        "%sudo ALL=(ALL) ALL\n@include /etc/sudoers.local\n",
    ] {
        settles(WAYS[1], &mut host(rules));
    }
    let mut host = host(RULES);
    let names = "passwd: files ldap\ngroup: files\n";
    host.inner.put(&written("/etc/nsswitch.conf", names, 0o644));
    settles(WAYS[1], &mut host);
}

#[test]
fn what_leaves_the_right_as_it_is_is_not_refused() {
    let mut host = host(RULES);
    settles(
        "[[user]]\nname = \"ana\"\nshell = \"/bin/bash\"\nexpires = \"never\"\ncomment = \"Ana\"\n[[group]]\nname = \"web\"\n",
        &mut host,
    );
    settles("[[group]]\nname = \"web\"\nabsent = true\n", &mut host);
    // Who needs no password for it loses nothing with a locked one.
    settles(
        "[[user]]\nname = \"ana\"\nsudo = \"nopasswd\"\nlocked = true\n",
        &mut host,
    );
}

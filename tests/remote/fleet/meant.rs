//! Which targets are meant, and where they are.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::{Fleet, name};

/// Tags, addresses and values of targets are in an inventory, which may be a program's words.
#[test]
fn an_inventory_says_where_they_are_and_what_they_are_called() {
    let mut fleet = Fleet::new(3);
    for at in 0..3 {
        // Where they really are is not in the keystore.
        let port = 1;
        fleet.place.ok(&["remove", &name(at)]);
        fleet.place.ok(&[
            "gen-target-keys",
            "--target",
            &name(at),
            "--ip",
            &format!("127.0.0.1:{port}"),
            "--force",
        ]);
        fleet.serve(at);
    }
    let target = |at: usize, more: &str| {
        let port = fleet.ports[at];
        format!(
            "[target.{}]\nips = [\"127.0.0.2\", \"127.0.0.1\"]\nhpt_port = {port}\n{more}\n",
            name(at)
        )
    };
    let toml = [
        target(0, "tags = [\"prod\"]\nvars = { text = \"first\" }"),
        target(1, "tags = [\"prod\"]"),
        target(2, ""),
        "[group.rest]\nwhere = \"!tag:prod\"\nvars = { text = \"rest\" }\n".to_owned(),
    ]
    .concat();
    fleet.place.write("targets.toml", &toml);
    let ran = fleet
        .place
        .run(&["--on", "tag:prod | group:rest", "provision", "site.toml"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    let motds: Vec<_> = (0..3).map(|at| fleet.motd(at).unwrap()).collect();
    assert_eq!(motds, ["first\n", "hello\n", "rest\n"]);
    // One target is found there as well.
    fleet.place.ok(&["--target", "web-2", "status"]);

    // One that nobody has named is never run.
    let may_run = fs::Permissions::from_mode(0o755);
    fs::set_permissions(fleet.place.path("targets.toml"), may_run).unwrap();
    fleet.place.ok(&["--on", "tag:prod", "status"]);

    let json = serde_json::to_string(&toml::from_str::<toml::Table>(&toml).unwrap()).unwrap();
    fs::remove_file(fleet.place.path("targets.toml")).unwrap();
    fleet
        .place
        .write("cloud", format!("#!/bin/sh\necho '{json}'\n"));
    fs::set_permissions(fleet.place.path("cloud"), fs::Permissions::from_mode(0o755)).unwrap();
    let ran = fleet
        .place
        .run(&["--inventory", "cloud", "--on", "tag:prod", "status"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("2 targets  done 2"), "{}", ran.out);
    fleet
        .place
        .write("cloud", "#!/bin/sh\necho sorry; exit 3\n");
    let ran = fleet
        .place
        .run(&["--inventory", "cloud", "--on", "tag:prod", "status"]);
    assert_eq!(ran.code, Some(3), "{}", ran.err);
    assert!(ran.err.contains("cloud: exit status: 3"), "{}", ran.err);
}

/// What means nobody, or somebody without keys, is wrong before anybody is contacted.
#[test]
fn a_pattern_that_means_nobody_is_refused() {
    let fleet = Fleet::new(2);
    fleet.place.write(
        "targets.toml",
        "[target.web-1]\n[target.new-1]\ntags = [\"new\"]\n",
    );
    for (pattern, code, words) in [
        ("db-*", 64, "means none of 2 targets"),
        ("web-9", 9, "no target is called web-9"),
        ("web-1 &", 64, "at character 8"),
        ("tag:new", 9, "targets without keys here: new-1"),
        ("@nowhere", 64, "nowhere: No such file"),
    ] {
        let ran = fleet.place.run(&["--on", pattern, "status"]);
        assert_eq!(ran.code, Some(code), "{pattern}: {}", ran.err);
        assert!(ran.err.contains(words), "{pattern}: {}", ran.err);
    }
    let ran = fleet
        .place
        .run(&["--on", "web-1", "--ip", "127.0.0.1", "status"]);
    assert_eq!(ran.code, Some(64), "{}", ran.err);
    assert!(!fleet.place.path("retry.targets").exists());
}

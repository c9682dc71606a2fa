//! Files of a git repository.

use std::process::Command;

use super::SHA256_OF_ABC;
use super::serving::{Place, Ran};

/// A `PATH` whose `ssh` is the server too: it runs here what it is asked to run there.
fn ssh_to_here(place: &Place) -> String {
    place.write(
        "bin/ssh",
        "#!/bin/sh\nfor last; do :; done\nexec sh -c \"$last\"\n",
    );
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(place.path("bin/ssh"), mode).unwrap();
    let path = std::env::var("PATH").unwrap();
    format!("{}:{path}", place.path("bin").display())
}

#[test]
fn a_file_of_a_repository_is_a_source() {
    let place = Place::new();
    let script = "set -e; git init -q -b main app; cd app; git config user.email a@b; \
                  git config user.name n; mkdir etc; echo one > etc/app.conf; git add .; \
                  git commit -qm 1; git tag v1; echo two > etc/app.conf; git commit -qam 2";
    let mut made = Command::new("sh");
    let made = made.args(["-c", script]).current_dir(place.path(""));
    assert!(made.status().unwrap().success(), "git makes a repository");
    let site = |rev: &str, path: &str, more: &str| {
        let url = format!("ssh://git@here{}", place.path("app").display());
        let repo = format!("[repo.app]\nurl = \"{url}\"\n{rev}");
        format!("{repo}[[file]]\npath = \"/got\"\nsource = \"app://{path}\"\n{more}")
    };
    let provision = |site: String| {
        place.write("site.toml", site);
        let args = ["--root", "root", "provision", "site.toml"];
        let mut command = place.command(&args);
        command.env("PATH", ssh_to_here(&place));
        Ran::of(&args, &command.output().unwrap())
    };
    provision(site("", "etc/app.conf", ""))
        .exits(0)
        .says("changed 1");
    assert_eq!(place.read("root/got"), "two\n");
    provision(site("", "etc/app.conf", ""))
        .exits(0)
        .says("1 in place, nothing to do");
    provision(site("rev = \"v1\"\n", "etc/app.conf", ""))
        .exits(0)
        .says("changed 1");
    assert_eq!(place.read("root/got"), "one\n");
    let sha256 = format!("sha256 = \"{SHA256_OF_ABC}\"\n");
    for (wrong, words) in [
        (site("", "etc/none", ""), "etc/none"),
        (site("", "etc", ""), "cannot fetch ssh://git@here"),
        (site("rev = \"v9\"\n", "etc/app.conf", ""), "v9"),
        (
            site("", "etc/app.conf", &sha256),
            "is not what the config says",
        ),
    ] {
        provision(wrong).exits(1).says(words);
        assert_eq!(place.read("root/got"), "one\n");
    }
}

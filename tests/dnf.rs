//! A host whose packages are rpm's: dnf and rpm themselves on a real host, driven by hpt over the
//! channel, with a repository that is made here.

#![allow(clippy::unwrap_used, reason = "a test may fail")]
#![allow(clippy::disallowed_methods, reason = "a test starts processes")]
#![allow(clippy::print_stderr, reason = "a skipped test says so")]
#![allow(unreachable_pub, reason = "a test of several files")]

#[path = "lab/fleet.rs"]
mod fleet;
mod lab;
#[path = "lab/shell.rs"]
mod shell;

use std::fs;
use std::path::Path;
use std::process::Command;

use fleet::{Fleet, Host};
use serde_json::Value;

/// What makes packages and repositories on this machine.
const TOOLS: [&str; 2] = ["/usr/bin/rpmbuild", "/usr/bin/createrepo_c"];

/// Builds one package into the repository `dir`.
fn build(dir: &Path, name: &str, version: &str) {
    let spec = dir.join("one.spec");
    let text = format!(
        "Name: {name}\nVersion: {version}\nRelease: 1\nSummary: x\nLicense: MIT\nBuildArch: noarch\n\
         %description\nx\n%files\n"
    );
    fs::write(&spec, text).unwrap();
    let top = format!("_topdir {}/build", dir.display());
    let to = format!("_rpmdir {}", dir.display());
    let args = ["-bb", "--quiet", "--define", &top, "--define", &to];
    let built = Command::new(TOOLS[0]).args(args).arg(&spec).output();
    let built = built.unwrap();
    assert!(built.status.success(), "{built:?}");
}

/// Gives the host what is in `dir` as its repository.
fn publish(host: &Host<'_>, dir: &Path) {
    let index = Command::new(TOOLS[1]).arg("-q").arg(dir).status();
    assert!(index.is_ok_and(|status| status.success()));
    let dir = dir.display().to_string();
    host.fleet.lab.must("cp", &[&dir, "web1:/srv/rpms"]);
}

/// A host on which nothing but dnf installs packages.
fn with_dnf(host: &Host<'_>) {
    host.reset();
    let version = host.shell(
        "apt-get install -qq -y --no-install-recommends dnf dnf-plugins-core rpm >&2
        mv /usr/bin/apt-get /usr/bin/apt-get.away
        mkdir -p /etc/dnf/vars /etc/yum.repos.d
        # Debian's dnf keeps what it installs as a repository of its own, which no key signs.
        printf '[main]\\nenabled=0\\n' > /etc/dnf/plugins/local.conf
        echo 1 > /etc/dnf/vars/releasever
        printf '[lab]\\nname=lab\\nbaseurl=file:///srv/rpms\\ngpgcheck=0\\n' > /etc/yum.repos.d/lab.repo
        rpm --initdb; systemctl restart hpt; dnf --version | head -1",
    );
    assert!(version.starts_with("4."), "no dnf: {version}");
}

/// How many blocks an apply of this config changed; none may fail.
fn changed(host: &Host<'_>, config: &str) -> u64 {
    let told = host.hpt(&["provision", "--yes"], config);
    let report = told.last().unwrap();
    assert_eq!(report["failed"], 0, "{config}\n{told:#?}");
    report["changed"].as_u64().unwrap()
}

/// Applies it, and once more: the first run changes one block, the second none.
fn settles(host: &Host<'_>, config: &str) {
    assert_eq!(changed(host, config), 1, "{config}");
    assert_eq!(changed(host, config), 0, "{config}");
}

fn plan(host: &Host<'_>, config: &str) -> Value {
    host.hpt(&["plan"], config).pop().unwrap()
}

#[test]
fn dnf_keeps_what_a_config_says_on_a_real_host() {
    if let Some(tool) = TOOLS.iter().find(|tool| !Path::new(tool).exists()) {
        let all = std::env::var_os("HPT_REQUIRE_ALL").is_some();
        assert!(!all, "{tool} is missing: run tests/setup.sh");
        eprintln!("SKIPPED: {tool} is missing: run tests/setup.sh");
        return;
    }
    let Some(fleet) = Fleet::up(&["web1".to_owned()]) else {
        return;
    };
    let host = fleet.host("web1");
    with_dnf(&host);
    let repo = tempfile::tempdir().unwrap();
    for version in ["1.0", "1.1"] {
        build(repo.path(), "labtool", version);
    }
    publish(&host, repo.path());
    let version = || host.shell("rpm -q --qf '%{VERSION}' labtool");
    let block = |rest: &str| format!("[[package]]\nname = \"labtool\"\n{rest}\n");

    settles(&host, &block("version = \"1.0-1\""));
    assert_eq!(version(), "1.0");
    // Installed is installed, whatever the version.
    assert_eq!(plan(&host, &block(""))["ok"], 1);

    settles(&host, &block("hold = true"));
    let list = host.shell("cat /etc/dnf/plugins/versionlock.list");
    assert!(list.contains("labtool"), "{list}");
    settles(&host, &block("hold = false"));

    settles(&host, &block("state = \"latest\""));
    assert_eq!(version(), "1.1");

    // What rpm has on record is asked for once: a plan of what is in place starts no process.
    let counter = "printf '#!/bin/sh\\necho x >> /run/rpm-was-asked\\nexec /usr/bin/rpm.real \"$@\"\\n' > /usr/bin/rpm.new
        chmod 0755 /usr/bin/rpm.new; mv /usr/bin/rpm /usr/bin/rpm.real; mv /usr/bin/rpm.new /usr/bin/rpm";
    assert_eq!(plan(&host, &block(""))["ok"], 1);
    host.shell(counter);
    assert_eq!(plan(&host, &block(""))["ok"], 1);
    assert_eq!(host.shell("cat /run/rpm-was-asked"), "");
    host.shell("mv /usr/bin/rpm.real /usr/bin/rpm");

    settles(&host, &block("absent = true"));
    assert!(version().contains("not installed"));

    // A repository of hpt's own words instead of the one above.
    host.shell("rm /etc/yum.repos.d/lab.repo");
    let others = include_str!("../testdata/good/package_repo.toml");
    let key = others.split("\"\"\"").nth(1).unwrap().trim_start();
    let own = format!(
        "[[package_repo]]\nname = \"own\"\nuris = [\"file:///srv/rpms\"]\nkey = \"\"\"\n{key}\"\"\"\n\
         fingerprint = \"5DEFAC8526D742C59F72DACE51D841E5A93A646F\"\n"
    );
    settles(&host, &own);
    let told = host.hpt(&["provision", "--yes"], &format!("{own}{}", block("")));
    // It says whose signature it wants, and these packages have none.
    let refused = format!("{told:?}");
    assert_eq!(told.last().unwrap()["failed"], 1, "{refused}");
    assert!(
        refused.contains("not signed") || refused.contains("GPG"),
        "{refused}"
    );
}

//! The Debian package and the RPM: the same bytes each time, and on a real host what they say.

#![allow(clippy::unwrap_used, reason = "a test may fail")]
#![allow(clippy::disallowed_methods, reason = "a test starts processes")]
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

mod lab;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lab::{HPT, Lab};

/// Both packages of the hpt under test.
struct Packages {
    dir: tempfile::TempDir,
    deb: PathBuf,
    rpm: PathBuf,
}

/// Makes them; `None`, and a word why, where a tool is missing.
fn packages() -> Option<Packages> {
    for tool in ["dpkg-deb", "dpkg-shlibdeps", "rpmbuild", "rpm", "strip"] {
        let found = Command::new("sh")
            .args(["-c", &format!("command -v {tool}")])
            .output();
        if !found.unwrap().status.success() {
            assert!(
                std::env::var_os("HPT_REQUIRE_ALL").is_none(),
                "{tool} is missing: run tests/setup.sh"
            );
            eprintln!("SKIPPED: {tool} is missing: run tests/setup.sh");
            return None;
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let binary = dir.path().join("hpt");
    // As a release build is.
    done(Command::new("strip").arg("-o").arg(&binary).arg(HPT));
    let [deb, rpm] = build(&binary, dir.path());
    Some(Packages { dir, deb, rpm })
}

fn build(binary: &Path, out: &Path) -> [PathBuf; 2] {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/build");
    let made = done(Command::new(script).arg(binary).arg(out));
    let paths: Vec<_> = made.lines().map(PathBuf::from).collect();
    paths.try_into().unwrap()
}

/// Runs a command that must succeed; its output.
fn done(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}\n{}", words(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn words(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    format!("{out}{err}")
}

/// The files that stand at the end of each line of a list, but for those that each sort of package has
/// elsewhere.
fn shared(list: &str) -> BTreeSet<&str> {
    let names = list
        .lines()
        .filter_map(|line| line.split_whitespace().last());
    let is_elsewhere = |name: &str| {
        ["/zsh/", "/doc/", "/licenses/"]
            .iter()
            .any(|of| name.contains(of))
    };
    names
        .map(|name| name.trim_start_matches('.'))
        .filter(|name| !name.ends_with('/') && !is_elsewhere(name))
        .collect()
}

#[test]
fn packages_are_the_same_bytes_each_time_and_hold_the_same() {
    let Some(Packages { dir, deb, rpm }) = packages() else {
        return;
    };
    let again = dir.path().join("again");
    let built = build(&dir.path().join("hpt"), &again);
    for (first, second) in [&deb, &rpm].into_iter().zip(&built) {
        assert_eq!(first.file_name(), second.file_name());
        assert!(
            fs::read(first).unwrap() == fs::read(second).unwrap(),
            "{}",
            first.display()
        );
    }
    let checked = done(Command::new("rpm").args(["-K", "--nosignature"]).arg(&rpm));
    assert!(checked.trim_end().ends_with("digests OK"), "{checked}");
    let listed_rpm = done(Command::new("rpm").arg("-qlp").arg(&rpm));
    let listed_deb = done(Command::new("dpkg-deb").arg("--contents").arg(&deb));
    let (of_rpm, of_deb) = (shared(&listed_rpm), shared(&listed_deb));
    assert_eq!(of_deb, of_rpm);
    for there in [
        "/usr/bin/hpt",
        "/usr/lib/systemd/system/hpt.service",
        "/usr/lib/systemd/system/hpt.socket",
        "/usr/lib/tmpfiles.d/hpt.conf",
        "/usr/share/bash-completion/completions/hpt",
        "/usr/share/fish/vendor_completions.d/hpt.fish",
        "/usr/share/man/man1/hpt.1.gz",
        "/usr/share/man/man1/hpt-provision.1.gz",
    ] {
        assert!(of_rpm.contains(there), "no {there} in {of_rpm:?}");
    }
    assert!(
        listed_rpm.contains("/usr/share/zsh/site-functions/_hpt"),
        "{listed_rpm}"
    );
    assert!(
        listed_deb.contains("/usr/share/zsh/vendor-completions/_hpt"),
        "{listed_deb}"
    );
    assert!(
        listed_deb.contains("/usr/share/doc/hpt/copyright"),
        "{listed_deb}"
    );
    assert!(
        listed_rpm.contains("/usr/share/licenses/hpt/LICENSE-MIT"),
        "{listed_rpm}"
    );
    let unpacked = dir.path().join("unpacked");
    done(
        Command::new("dpkg-deb")
            .arg("--extract")
            .arg(&deb)
            .arg(&unpacked),
    );
    let libraries =
        done(Command::new("zcat").arg(unpacked.join("usr/share/doc/hpt/third-party.gz")));
    for library in ["ring ", "snow ", "tokio "] {
        assert!(
            libraries.lines().any(|line| line.starts_with(library)),
            "no {library}"
        );
    }
}

/// `hpt ARGS` on the workstation.
fn hpt(lab: &Lab, dir: &Path, args: &[&str]) -> Output {
    let words: Vec<&str> = std::iter::once(HPT).chain(args.iter().copied()).collect();
    let mut command = lab.ws(&words);
    command
        .current_dir(dir)
        .env("HPT_KEYSTORE", dir.join("client.db"));
    command.output().unwrap()
}

#[test]
fn a_debian_host_is_served_from_its_package_and_never_loses_its_keys() {
    let Some(lab) = Lab::bare(&["web1"]) else {
        return;
    };
    let Some(Packages { dir, deb, .. }) = packages() else {
        return;
    };
    let sh = |script: &str| lab.ok("web1", &["sh", "-c", script]);
    lab.must("cp", &[deb.to_str().unwrap(), "web1:/root/hpt.deb"]);
    sh("dpkg -i /root/hpt.deb");
    assert_eq!(sh("dpkg --verify hpt"), "", "each file is as it was packed");
    assert_eq!(sh("stat -c '%a %U:%G' /etc/hpt"), "700 root:root");
    // Without a keystore there is nobody to serve.
    assert_eq!(
        sh("systemctl is-enabled hpt.service hpt.socket || true"),
        "disabled\ndisabled"
    );
    assert_eq!(sh("systemctl is-active hpt.service || true"), "inactive");

    let made = ["gen-target-keys", "--target", "web1", "--ip", "10.77.0.11"];
    let made = hpt(&lab, dir.path(), &made);
    assert!(made.status.success(), "{}", words(&made));
    let keystore = dir.path().join("web1.keystore");
    lab.must(
        "cp",
        &[keystore.to_str().unwrap(), "web1:/etc/hpt/keystore.db"],
    );
    sh("systemctl enable --quiet --now hpt.service");
    let ping = || hpt(&lab, dir.path(), &["--target", "web1", "ping"]);
    assert!(ping().status.success(), "{}", words(&ping()));
    let doctor = lab.run("web1", &["hpt", "doctor"]).output().unwrap();
    assert!(doctor.status.success(), "{}", words(&doctor));
    assert!(
        words(&doctor).contains("warn 0  fail 0"),
        "{}",
        words(&doctor)
    );

    // An upgrade: another process serves, and what was enabled stays so.
    let process = || sh("systemctl show --property=MainPID --value hpt.service");
    let before = process();
    sh("dpkg -i /root/hpt.deb");
    assert_ne!(process(), before);
    assert!(ping().status.success(), "{}", words(&ping()));
    assert_eq!(sh("systemctl is-enabled hpt.service"), "enabled");

    sh("dpkg --remove hpt");
    assert_eq!(ping().status.code(), Some(5), "{}", words(&ping()));
    let left = "test ! -e /usr/bin/hpt && test ! -e /etc/systemd/system/multi-user.target.wants/hpt.service";
    sh(left);
    let purged = sh("dpkg --purge hpt");
    for left in ["/etc/hpt", "/var/lib/hpt"] {
        assert!(purged.contains(&format!("hpt: {left} is left")), "{purged}");
    }
    sh("test -s /etc/hpt/keystore.db && test -s /var/lib/hpt/audit.jsonl");
    sh("dpkg -i /root/hpt.deb && systemctl enable --quiet --now hpt.service");
    assert!(
        ping().status.success(),
        "the keys are the same: {}",
        words(&ping())
    );
}

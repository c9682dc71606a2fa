//! hpt comes to hosts that know nothing of it, by ssh (the user's own, with its keys and its sudo).

use std::fs;
use std::process::Command;

use super::lab::{HPT, Lab};
use super::site::words;

/// `hpt ARGS` on the workstation, in a directory of its own.
pub(super) fn hpt(lab: &Lab, dir: &std::path::Path, args: &[&str]) -> Command {
    let words: Vec<&str> = std::iter::once(HPT).chain(args.iter().copied()).collect();
    let mut command = lab.ws(&words);
    command
        .current_dir(dir)
        .env("HPT_KEYSTORE", dir.join("client.db"));
    command
}

#[test]
fn a_bare_host_is_installed_by_ssh_and_answers_to_its_keys() {
    let Some(lab) = Lab::bare(&["web1", "db1"]) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| hpt(&lab, dir.path(), args).output().unwrap();
    // A program for other machines goes to none, and no keys are made for it.
    let mut other = [0; 64];
    other[..6].copy_from_slice(b"\x7fELF\x02\x01");
    other[18] = 183;
    for (program, why) in [
        (&other[..], "this hpt is for aarch64; nothing was changed"),
        (b"#!/bin/sh", "it is no program of a machine"),
    ] {
        fs::write(dir.path().join("hpt.other"), program).unwrap();
        let args = "install root@web1 --target web1 --program hpt.other";
        let args: Vec<&str> = args.split(' ').collect();
        let refused = words(&run(&args));
        assert!(refused.contains(why), "{refused}");
    }
    assert!(!dir.path().join("client.db").exists());

    let installed = run(&["install", "root@web1", "--target", "web1"]);
    let told = words(&installed);
    assert!(installed.status.success(), "{told}");
    assert!(
        told.contains("web1 is installed, and answers to its keys"),
        "{told}"
    );
    assert!(
        !dir.path().join("web1.keystore").exists(),
        "it was delivered"
    );
    let modes = "stat -c '%a %U %n' /etc/hpt /etc/hpt/keystore.db /usr/local/bin/hpt; ls -A /etc/hpt /usr/local/bin";
    let modes = lab.ok("web1", &["sh", "-c", modes]);
    assert_eq!(
        modes,
        "700 root /etc/hpt\n600 root /etc/hpt/keystore.db\n755 root /usr/local/bin/hpt\n\
         /etc/hpt:\nkeystore.db\n\n/usr/local/bin:\nhpt"
    );
    let enabled = lab.ok("web1", &["systemctl", "is-enabled", "hpt.service"]);
    assert_eq!(enabled, "enabled");

    // Nobody's installation is replaced in passing.
    let again = run(&["install", "root@web1", "--target", "other"]);
    assert_eq!(again.status.code(), Some(1), "{}", words(&again));
    assert!(
        words(&again).contains("`--force` replaces"),
        "{}",
        words(&again)
    );
    let status = run(&["--target", "web1", "status"]);
    assert!(status.status.success(), "{}", words(&status));
    let replaced = run(&["install", "root@web1", "--target", "web1", "--force"]);
    assert!(replaced.status.success(), "{}", words(&replaced));

    // Who logs in need not be root; keys that were made before are delivered.
    lab.ok("db1", &["sh", "-c", ADMIN]);
    let made = run(&["gen-target-keys", "--target", "db1"]);
    assert!(made.status.success(), "{}", words(&made));
    let fingerprint = |text: &str| {
        let line = text
            .lines()
            .find(|line| line.contains("fingerprint"))
            .unwrap();
        line.split_whitespace().last().unwrap().to_owned()
    };
    let installed = run(&["install", "admin@db1", "--target", "db1"]);
    assert!(installed.status.success(), "{}", words(&installed));
    assert_eq!(fingerprint(&words(&installed)), fingerprint(&words(&made)));
    let both = run(&["--on", "*", "ping"]);
    assert!(
        words(&both).contains("2 targets  done 2"),
        "{}",
        words(&both)
    );

    // Without sudo nothing is changed.
    lab.ok("db1", &["rm", "/etc/sudoers.d/admin"]);
    let refused = run(&["install", "admin@db1", "--target", "more", "--force"]);
    assert_eq!(refused.status.code(), Some(1), "{}", words(&refused));
    assert!(
        words(&refused).contains("may sudo without a password"),
        "{}",
        words(&refused)
    );
    let status = run(&["--target", "db1", "status"]);
    assert!(status.status.success(), "{}", words(&status));
}

/// Somebody who may become root, with the lab's own key.
const ADMIN: &str = "useradd -m -s /bin/bash admin && install -d -m 700 -o admin /home/admin/.ssh \
    && install -m 600 -o admin /root/.ssh/authorized_keys /home/admin/.ssh/authorized_keys \
    && echo 'admin ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/admin";

//! Runs that reboot their host, that a failed check reverts, and commands that are undone.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::site::{Site, wait_for, words};

/// The first boot leaves a mark, and the second block takes it away again before that of the second.
const REBOOTS: &str = r#"
name = "kernel"

[[file]]
path = "/etc/before"
content = "{{ facts.hostname }}\n"

[[reboot]]
max_wait = "2m"

[[exec]]
script = "cat /proc/sys/kernel/random/boot_id > /var/tmp/boot; sleep 2"
always = true

[[file]]
path = "/etc/after"
content = "{{ secret.token }}\n"
mode = "0600"

[secret.token]
env = "TEST_DB_PASSWORD"
"#;

fn boot(site: &Site) -> String {
    site.lab
        .ok("web1", &["cat", "/proc/sys/kernel/random/boot_id"])
}

/// What the host has rebooted how often, by its own journal of boots.
#[test]
fn a_run_goes_on_after_its_host_was_rebooted() {
    let Some(site) = Site::up() else { return };
    let config = site.path("site.toml");
    fs::write(&config, REBOOTS).unwrap();
    let local = site
        .lab
        .run("web1", &["hpt", "--version"])
        .output()
        .unwrap();
    assert!(local.status.success());
    let first = boot(&site);
    let began = Instant::now();
    let output = site
        .hpt(&["--target", "web1", "provision", "--confirm", "20s", &config])
        .output()
        .unwrap();
    let told = words(&output);
    println!("{told}\nafter {:?}", began.elapsed());
    assert_eq!(output.status.code(), Some(0), "{told}{}", log(&site));
    for line in [
        "changed  file:/etc/before",
        "changed  reboot:",
        "changed  file:/etc/after",
        "web1 goes down",
        "changed 4",
        "confirmed by a new session",
    ] {
        assert_eq!(told.matches(line).count(), 1, "{line}\n{told}");
    }
    assert_ne!(boot(&site), first);
    assert_eq!(site.lab.ok("web1", &["cat", "/var/tmp/boot"]), boot(&site));
    let state = "ls /var/lib/hpt/orders; grep -rl correct-horse /var/lib/hpt || echo none";
    let state = site.lab.ok("web1", &["sh", "-c", state]);
    assert!(
        !state.contains("run-") && state.contains("config-") && state.ends_with("none"),
        "{state}"
    );
    // The whole run again, from its beginning: each event once, over both boots.
    let told = site.ok(&["--target", "web1", "attach"]);
    assert_eq!(
        told.matches("changed  file:/etc/before").count(),
        1,
        "{told}"
    );
    assert_eq!(told.matches("changed  reboot:").count(), 1, "{told}");
    let audit = site.ok(&["--target", "web1", "log"]);
    assert!(audit.contains("run resumed"), "{audit}");
    site.ok(&["--target", "web1", "drift"]);

    // Once more, and hpt is killed in the midst of the second half.
    site.lab.ok("web1", &["rm", "/etc/after", "/var/tmp/boot"]);
    let client = site
        .hpt(&["--target", "web1", "provision", &config])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for(&site, "/var/tmp/boot");
    site.lab
        .ok("web1", &["systemctl", "kill", "-s", "KILL", "hpt.service"]);
    let output = client.wait_with_output().unwrap();
    assert!(output.status.success(), "{}{}", words(&output), log(&site));
    assert_eq!(
        words(&output).matches("changed  file:/etc/after").count(),
        1
    );

    // On the host itself there is nobody to go on with it.
    site.lab.must("cp", &[&config, "web1:/root/site.toml"]);
    let local = "TEST_DB_PASSWORD=x hpt plan /root/site.toml";
    let local = site.lab.run("web1", &["sh", "-c", local]).output().unwrap();
    assert!(
        words(&local).contains("a unit that starts at boot"),
        "{}",
        words(&local)
    );
}

const GATED: &str = r#"
[[file]]
path = "/etc/gated"
content = "new\n"

[[exec]]
script = "touch /var/tmp/made"
creates = "/var/tmp/made"
undo = "rm /var/tmp/made"

[[check]]
script = "test -e /var/tmp/healthy || { echo not yet; exit 3; }"
within = "2s"
"#;

#[test]
fn a_failed_check_reverts_the_run_and_a_command_is_undone() {
    let Some(site) = Site::up() else { return };
    let config = site.path("site.toml");
    fs::write(&config, GATED).unwrap();
    site.lab.ok("web1", &["sh", "-c", "echo old > /etc/gated"]);
    let reverted = site
        .hpt(&["--target", "web1", "provision", &config])
        .output()
        .unwrap();
    let told = words(&reverted);
    assert_eq!(reverted.status.code(), Some(8), "{told}");
    assert!(
        told.contains("the command exited with 3: not yet"),
        "{told}"
    );
    assert!(told.contains("reverted file:/etc/gated"), "{told}");
    assert!(told.contains("reverted exec:touch"), "{told}");
    let there = |path: &str| {
        let status = site.lab.run("web1", &["test", "-e", path]).status();
        status.unwrap().success()
    };
    assert_eq!(site.lab.ok("web1", &["cat", "/etc/gated"]), "old");
    assert!(!there("/var/tmp/made"));
    let attached = site.hpt(&["--target", "web1", "attach"]).output().unwrap();
    assert_eq!(attached.status.code(), Some(8), "{}", words(&attached));

    site.lab.ok("web1", &["touch", "/var/tmp/healthy"]);
    let began = Instant::now();
    site.ok(&["--target", "web1", "provision", &config]);
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(there("/var/tmp/made"));
    let plan = site.ok(&["--target", "web1", "undo", "--plan"]);
    assert!(
        plan.contains("! exec:touch /var/tmp/made  its `undo` runs"),
        "{plan}"
    );
    site.ok(&["--target", "web1", "undo", "--yes"]);
    assert!(!there("/var/tmp/made"));
    assert_eq!(site.lab.ok("web1", &["cat", "/etc/gated"]), "old");
    let plan = site.ok(&["--target", "web1", "plan", &config]);
    assert!(plan.contains("! check:"), "{plan}");
}

fn log(site: &Site) -> String {
    let all = "journalctl --no-pager -o short-precise -u 'hpt*'; ls -l /var/lib/hpt/runs /var/lib/hpt/orders";
    site.lab.ok("web1", &["sh", "-c", all])
}

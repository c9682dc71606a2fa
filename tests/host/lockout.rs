//! A config that locks its operator out is undone by the host itself (J3).

use std::fs;
use std::time::{Duration, Instant};

use super::lab::HPT;
use super::site::{Site, words};

/// How long a run waits to be confirmed, and how long after that the host may take to be reached again.
const WINDOW: Duration = Duration::from_secs(5);
const SPARE: Duration = Duration::from_secs(5);

/// Nobody lets port 6632 in.
const FIREWALL: &str = r#"
[[file]]
path = "/etc/nftables.conf"
content = """
flush ruleset
table inet lockout {
  chain input {
    type filter hook input priority 0;
    tcp dport 6632 drop
  }
}
"""
[[service]]
name = "nftables"
status = "started"
"#;

/// Nothing serves any more.
const UNIT: &str = r#"
[[file]]
path = "/etc/systemd/system/hpt.service"
content = "[Service]\nExecStart=/bin/false\n"
[[exec]]
script = "systemctl daemon-reload; systemctl restart hpt"
always = true
on_error = "continue"
"#;

/// Another client is pinned instead.
const PIN: &str = r#"
[[file]]
path = "/etc/hpt/keystore.db"
source = "other.keystore"
mode = "0600"
"#;

#[test]
fn a_host_that_locks_its_operator_out_lets_him_in_again() {
    let Some(site) = Site::up() else { return };
    let stranger = |args: &[&str]| {
        let other = site.path("other.db");
        let output = site.hpt(args).env("HPT_KEYSTORE", other).output().unwrap();
        assert!(output.status.success(), "{}", words(&output));
    };
    let other = site.path("other.keystore");
    stranger(&["gen-client-keys"]);
    stranger(&[
        "gen-target-keys",
        "--target=web1",
        "--ip=10.77.0.11",
        "--output",
        &other,
    ]);
    let config = site.path("site.toml");
    let sums = "sha256sum /etc/nftables.conf /etc/hpt/keystore.db /etc/systemd/system/hpt.service";
    let before = site.lab.ok("web1", &["sh", "-c", sums]);
    for text in [FIREWALL, UNIT, PIN] {
        fs::write(&config, text).unwrap();
        let provision = ["-t", "web1", "provision", "--confirm", "5s", &config];
        let client = site
            .hpt(&provision)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let start = Instant::now();
        while is_reached(&site) {
            assert!(start.elapsed() < Duration::from_secs(20), "in vain: {text}");
        }
        let locked = Instant::now();
        while !is_reached(&site) {
            let out = locked.elapsed();
            assert!(
                out < WINDOW + SPARE,
                "locked out for {out:?}: {text}{}",
                log(&site)
            );
        }
        println!("locked out for {:?}", locked.elapsed());
        let output = client.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(8), "{text}{}", words(&output));
        assert!(
            words(&output).contains("has undone it"),
            "{}",
            words(&output)
        );
        assert_eq!(site.lab.ok("web1", &["sh", "-c", sums]), before, "{text}");
    }

    // What locks nobody out stays, and is confirmed in passing.
    fs::write(&config, "[[group]]\nname = \"staying\"\n").unwrap();
    let told = site
        .hpt(&["-t", "web1", "provision", "--confirm", "5s", &config])
        .output()
        .unwrap();
    assert!(told.status.success(), "{}", words(&told));
    assert!(
        words(&told).contains("confirmed by a new session"),
        "{}",
        words(&told)
    );
    std::thread::sleep(WINDOW + Duration::from_secs(1));
    site.lab.ok("web1", &["getent", "group", "staying"]);
}

/// What the host says of it.
fn log(site: &Site) -> String {
    let all = "journalctl --no-pager -o short-precise -u 'hpt*'; ls -l /var/lib/hpt/runs";
    site.lab.ok("web1", &["sh", "-c", all])
}

/// Whether the operator's keys still open the host.
fn is_reached(site: &Site) -> bool {
    let status = ["timeout", "2", HPT, "-t", "web1", "status"];
    let mut command = site.lab.ws(&status);
    command.env("HPT_KEYSTORE", site.path("client.db"));
    command.output().unwrap().status.success()
}

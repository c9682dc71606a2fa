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

/// The same, of which no file and no unit knows.
const BARE: &str = r#"
[[exec]]
script = """
nft add table inet bare
nft add chain inet bare input '{ type filter hook input priority 0; }'
nft add rule inet bare input tcp dport 6632 drop
"""
always = true
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
    // What somebody else has loaded, and no file has either.
    let theirs = "nft add table inet theirs; nft add chain inet theirs here";
    site.lab.ok("web1", &["sh", "-c", theirs]);
    let sums = "nft -s list ruleset; sha256sum /etc/nftables.conf /etc/hpt/keystore.db /etc/systemd/system/hpt.service";
    let before = site.lab.ok("web1", &["sh", "-c", sums]);
    for round in 1..=rounds() {
        for (name, text) in [
            ("firewall", FIREWALL),
            ("bare", BARE),
            ("unit", UNIT),
            ("pin", PIN),
        ] {
            if name == "bare" && round > 1 {
                continue; // for the rest it is the firewall once more
            }
            fs::write(&config, text).unwrap();
            let out = locked_out(&site, &config, name == "bare");
            println!(
                "round {round}, {name}: locked out for {:.1} s",
                out.as_secs_f64()
            );
            assert_eq!(site.lab.ok("web1", &["sh", "-c", sums]), before, "{text}");
        }
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
    attach_confirms(&site, &config);
    an_undo_is_confirmed(&site, &config);
}

/// What may cut the way to the host is confirmed without a word about it, and so is its undo.
fn an_undo_is_confirmed(site: &Site, config: &str) {
    let text =
        "[[file]]\npath = \"/etc/ssh/sshd_config.d/90-site.conf\"\ncontent = \"# nothing\\n\"\n";
    fs::write(config, text).unwrap();
    for verb in [&["provision", config][..], &["undo", "--yes"]] {
        let told = site
            .hpt(&[&["-t", "web1"], verb].concat())
            .output()
            .unwrap();
        assert!(told.status.success(), "{}", words(&told));
        let told = words(&told);
        assert!(
            told.contains("confirmed by a new session"),
            "{verb:?}: {told}"
        );
    }
}

/// Nothing serves any more, and has no keys to serve with.
const NOTHING: &str = r#"
[[file]]
path = "/etc/systemd/system/hpt.service"
content = "[Service]\nExecStart=/bin/false\n"
[[file]]
path = "/etc/hpt/keystore.db"
content = "none\n"
mode = "0600"
[[exec]]
script = "systemctl daemon-reload; systemctl restart hpt"
always = true
on_error = "continue"
"#;

/// The guardian goes down with its host, and nobody serves when that is back.
#[test]
fn a_host_that_is_booted_within_the_time_lets_its_operator_in_again() {
    let Some(site) = Site::up() else { return };
    let config = site.path("site.toml");
    fs::write(&config, NOTHING).unwrap();
    let sums = "sha256sum /etc/hpt/keystore.db /etc/systemd/system/hpt.service";
    let before = site.lab.ok("web1", &["sh", "-c", sums]);
    let mut client = site
        .hpt(&["-t", "web1", "provision", "--confirm", "10m", &config])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while is_reached(&site) {
        assert!(start.elapsed() < Duration::from_secs(20), "{}", log(&site));
    }
    site.lab.must("kill", &["web1"]);
    // With a unit that fails, as systemd may say by now, and this verb with it.
    let _ = site.lab.command("start").arg("web1").output().unwrap();
    let booted = Instant::now();
    while !is_reached(&site) {
        let out = booted.elapsed();
        assert!(out < Duration::from_mins(1), "{out:?}{}", log(&site));
    }
    println!(
        "reached again after {:.1} s",
        booted.elapsed().as_secs_f64()
    );
    let _ = client.kill();
    client.wait().unwrap();
    assert_eq!(site.lab.ok("web1", &["sh", "-c", sums]), before);
    let told = site.ok(&["-t", "web1", "attach"]);
    assert!(
        told.contains("reverted file:/etc/hpt/keystore.db"),
        "{told}"
    );
    // Nothing of it is left for the boot after that.
    let left = "while ls /etc/systemd/system.control/*standby* /var/lib/hpt/runs/*.order; do sleep 0.1; done";
    site.lab.ok("web1", &["timeout", "10", "sh", "-c", left]);
}

/// Whoever began a run is gone: anybody sees that it waits, and attaching to it confirms it.
fn attach_confirms(site: &Site, config: &str) {
    let text = "[[exec]]\nscript = \"sleep 4\"\nalways = true\n[[group]]\nname = \"attached\"\n";
    fs::write(config, text).unwrap();
    let began = ["timeout", "-s", "KILL", "2", HPT, "-t", "web1", "provision"];
    let mut began = site
        .lab
        .ws(&[&began[..], &["--confirm", "60s", config]].concat());
    began.env("HPT_KEYSTORE", site.path("client.db"));
    let killed = began.output().unwrap();
    assert!(!killed.status.success(), "{}", words(&killed));
    let told = site.ok(&["-t", "web1", "status"]);
    assert!(told.contains("must be confirmed within"), "{told}");
    let attached = site.hpt(&["-t", "web1", "attach"]).output().unwrap();
    assert!(attached.status.success(), "{}", words(&attached));
    let attached = words(&attached);
    assert!(
        attached.contains("confirmed by a new session"),
        "{attached}"
    );
    let told = site.ok(&["-t", "web1", "status"]);
    assert!(!told.contains("confirmed"), "{told}");
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

/// How often each is tried: `HPT_ROUNDS`, or three times.
fn rounds() -> u32 {
    let given = std::env::var("HPT_ROUNDS");
    given.map_or(3, |rounds| rounds.parse().expect("HPT_ROUNDS is a number"))
}

/// Kills whoever guards a run, by the hand of the host.
const KILL: &str = "systemctl kill --signal=KILL \
    $(systemctl list-units --plain --no-legend 'hpt-guard-*' | cut -d' ' -f1)";

/// Provisions a host with a config that locks its operator out; how long he was. The guardian may be
/// killed on the way.
fn locked_out(site: &Site, config: &str, is_killed: bool) -> Duration {
    let provision = ["-t", "web1", "provision", "--confirm", "5s", config];
    let mut client = site
        .hpt(&provision)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while is_reached(site) {
        if start.elapsed() > Duration::from_secs(20) {
            let _ = client.kill();
            let told = words(&client.wait_with_output().unwrap());
            panic!("it locks nobody out: {told}{}", log(site));
        }
    }
    let locked = Instant::now();
    if is_killed {
        site.lab.ok("web1", &["sh", "-c", KILL]);
    }
    while !is_reached(site) {
        let out = locked.elapsed();
        assert!(
            out < WINDOW + SPARE,
            "locked out for {out:?}: {config}{}",
            log(site)
        );
    }
    let out = locked.elapsed();
    let output = client.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(8), "{}", words(&output));
    assert!(
        words(&output).contains("has undone it"),
        "{}",
        words(&output)
    );
    out
}

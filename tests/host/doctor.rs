//! What the doctor finds on a host: each thing that is broken there is said, and mended as it says.

use std::process::Stdio;

use super::lab::Lab;
use super::site::{Site, wait_for, words};

/// `hpt doctor` on the host: its exit code and its words.
fn doctor(lab: &Lab) -> (Option<i32>, String) {
    let output = lab.run("web1", &["hpt", "doctor"]).output().unwrap();
    (output.status.code(), words(&output))
}

/// Breaks something, and mends it as the line says that the doctor has of it.
fn broken_and_mended(lab: &Lab, breaks: &str, line: &str, exit: i32) {
    lab.ok("web1", &["sh", "-c", breaks]);
    let (code, told) = doctor(lab);
    let mut lines = told.lines().skip_while(|told| !told.starts_with(line));
    assert!(lines.next().is_some(), "no `{line}` in\n{told}");
    assert_eq!(code, Some(exit), "{breaks}\n{told}");
    let mend = lines.next().and_then(|mend| mend.split('`').nth(1));
    let mend = mend.unwrap_or_else(|| panic!("no mend of `{line}` in\n{told}"));
    lab.ok("web1", &["sh", "-c", mend]);
    assert_all_well(lab);
}

fn assert_all_well(lab: &Lab) {
    let (code, told) = doctor(lab);
    assert_eq!(code, Some(0), "{told}");
    let ok = told.lines().filter(|line| line.starts_with("ok ")).count();
    let all = format!("this machine  ok {ok}  warn 0  fail 0");
    assert!(told.contains(&all), "{told}");
}

#[test]
fn what_breaks_on_a_host_is_found_and_mended() {
    let Some(site) = Site::up() else { return };
    let lab = &site.lab;
    assert_all_well(lab);
    let keystore = "/etc/hpt/keystore.db";
    for (breaks, line, exit) in [
        (
            format!("chmod 640 {keystore}"),
            "fail  keystore    /etc/hpt/keystore.db: refused, its mode is 0640",
            1,
        ),
        (
            "systemctl disable -q hpt.service".into(),
            "warn  unit        not enabled",
            0,
        ),
        (
            "systemctl stop hpt.service".into(),
            "fail  port        nobody listens: hpt.service is inactive",
            1,
        ),
        (
            "chmod 750 /var/lib/hpt".into(),
            "fail  state       /var/lib/hpt must belong to this user",
            1,
        ),
    ] {
        broken_and_mended(lab, &breaks, line, exit);
    }

    // A program that serves and was replaced; here it is a mount, so that a copy stands for it.
    let copied = "cp /usr/local/bin/hpt /usr/bin/hpt.new && mv /usr/bin/hpt.new /usr/bin/hpt \
        && sed -i s:/usr/local/bin/hpt:/usr/bin/hpt: /etc/systemd/system/hpt.service \
        && systemctl daemon-reload && systemctl restart hpt.service \
        && cp /usr/bin/hpt /usr/bin/hpt.new && mv /usr/bin/hpt.new /usr/bin/hpt";
    broken_and_mended(
        lab,
        copied,
        "warn  version     what serves is not /usr/bin/hpt",
        0,
    );

    let changed = "systemctl stop hpt && sed -i '1s/served/Served/' /var/lib/hpt/audit.jsonl \
        && systemctl start hpt";
    lab.ok("web1", &["sh", "-c", changed]);
    let (code, told) = doctor(lab);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("fail  audit       record 1 "), "{told}");
}

#[test]
fn a_run_that_broke_off_is_found_on_its_host_and_from_afar() {
    let Some(site) = Site::up() else { return };
    let config = site.path("site.toml");
    let text = "[[exec]]\nscript = \"touch /var/tmp/begun; sleep 60\"\nalways = true\n";
    std::fs::write(&config, text).unwrap();
    let mut client = site
        .hpt(&["--target", "web1", "provision", "--yes", &config])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait_for(&site, "/var/tmp/begun");
    let (code, told) = doctor(&site.lab);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("goes on"), "{told}");
    client.kill().unwrap();
    client.wait().unwrap();
    site.lab.must("kill", &["web1"]);
    site.lab.must("start", &["web1"]);
    let (code, told) = doctor(&site.lab);
    assert_eq!(code, Some(1), "{told}");
    let afar = site.hpt(&["--target", "web1", "doctor"]).output().unwrap();
    assert_eq!(afar.status.code(), Some(1), "{}", words(&afar));
    for told in [told, words(&afar)] {
        let line = told.lines().find(|line| line.starts_with("fail  run "));
        assert!(
            line.is_some_and(|line| line.contains("broke off")),
            "{told}"
        );
        assert!(told.contains("--rerun "), "{told}");
    }
}

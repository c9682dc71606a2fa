//! Another hpt comes in the place of the one on a host, and goes again unless it answers (J8).

use std::fs;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::lab::HPT;
use super::site::{Site, wait_for, words};

/// Where it is on the host: the lab has mounted the one that is tested where it usually is.
const PLACE: &str = "/opt/hpt/hpt";
/// How long a new program may take to answer, and the host after that to be reached again.
const WINDOW: Duration = Duration::from_secs(5);
const SPARE: Duration = Duration::from_secs(15);

/// Says its version, and nothing else ever.
const MUTE: &str = r#"
#include <stdio.h>
#include <string.h>
#include <unistd.h>
int main(int count, char **words) {
    if (count > 1 && !strcmp(words[1], "--version")) return puts("hpt 9.9.9") < 0;
    for (;;) pause();
}
"#;

/// A host that serves by a program that can be swapped; its bytes.
fn up() -> Option<(Site, Vec<u8>)> {
    let site = Site::up()?;
    let old = site.path("hpt.old");
    // What the compiler adds for people is more than can be put back.
    let stripped = Command::new("strip").args(["-o", &old, HPT]).status();
    assert!(stripped.unwrap().success(), "strip");
    site.lab.ok("web1", &["mkdir", "-p", "/opt/hpt"]);
    site.lab.must("cp", &[&old, &format!("web1:{PLACE}")]);
    let serve = "chmod 0755 /opt/hpt/hpt \
        && sed -i s:/usr/local/bin/hpt:/opt/hpt/hpt: /etc/systemd/system/hpt.service \
        && systemctl daemon-reload && systemctl restart hpt";
    site.lab.ok("web1", &["sh", "-c", serve]);
    let bytes = fs::read(old).unwrap();
    assert_eq!(answering(&site), Some(hash(&bytes)));
    Some((site, bytes))
}

/// A file on the workstation that may be run.
fn program(site: &Site, name: &str, bytes: &[u8]) -> String {
    use std::os::unix::fs::PermissionsExt as _;

    let path = site.path(name);
    fs::write(&path, bytes).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// The same program for whoever runs it, and another one by its hash.
fn another(old: &[u8], word: &str) -> Vec<u8> {
    [old, word.as_bytes()].concat()
}

fn mute(site: &Site) -> (String, Vec<u8>) {
    let (source, path) = (site.path("mute.c"), site.path("mute"));
    fs::write(&source, MUTE).unwrap();
    let compiled = Command::new("gcc")
        .args(["-static", "-o", &path, &source])
        .status();
    assert!(compiled.unwrap().success(), "gcc");
    let bytes = fs::read(&path).unwrap();
    (path, bytes)
}

fn hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

/// The hash of the program that answers, if one does.
fn answering(site: &Site) -> Option<String> {
    let args = ["timeout", "3", HPT, "-t", "web1", "--json", "status"];
    let mut command = site.lab.ws(&args);
    let asked = command.env("HPT_KEYSTORE", site.path("client.db")).output();
    let asked = asked.unwrap();
    if !asked.status.success() {
        return None;
    }
    let status: serde_json::Value = serde_json::from_slice(&asked.stdout).unwrap();
    Some(status["program"].as_str().unwrap().to_owned())
}

fn upgrade(site: &Site, program: &str, more: &[&str]) -> Output {
    let args = ["-t", "web1", "upgrade", "--program", program];
    site.hpt(&[&args, more].concat()).output().unwrap()
}

fn begin_upgrade(site: &Site, program: &str, window: &str) -> Child {
    let args = [
        "-t",
        "web1",
        "upgrade",
        "--program",
        program,
        "--confirm",
        window,
    ];
    let mut command = site.hpt(&args);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// How many runs have begun, as the host has written down.
fn runs(site: &Site) -> usize {
    let log = site.ok(&["-t", "web1", "log", "--from", "1"]);
    log.matches("run began").count()
}

/// What the host says of it.
fn log(site: &Site) -> String {
    let all = "journalctl --no-pager -o short-precise -u 'hpt*'; ls -l /var/lib/hpt/runs /opt/hpt";
    site.lab.ok("web1", &["sh", "-c", all])
}

#[test]
fn a_host_answers_with_the_new_hpt_or_is_left_alone() {
    let Some((site, old)) = up() else { return };
    let bytes = another(&old, "new");
    let new = program(&site, "hpt.new", &bytes);

    // The workstation's own program, as one types it.
    let own = [&new[..], "-t", "web1", "upgrade"];
    let mut own = site.lab.ws(&own);
    let upgraded = own
        .env("HPT_KEYSTORE", site.path("client.db"))
        .output()
        .unwrap();
    assert!(
        upgraded.status.success(),
        "{}{}",
        words(&upgraded),
        log(&site)
    );
    let (is, was) = (hash(&bytes), hash(&old));
    let line = format!("hpt 0.1.0 ({}), 0.1.0 ({}) before", &is[..8], &was[..8]);
    assert!(words(&upgraded).contains(&line), "{}", words(&upgraded));
    assert_eq!(answering(&site), Some(is.clone()));
    let left = "stat -c '%a %U %n' /opt/hpt/*; ls -A /opt/hpt | wc -l; ls /var/lib/hpt | grep upgrade; \
        ls /etc/systemd/system.control/*standby* 2> /dev/null; true";
    let left = site.lab.ok("web1", &["sh", "-c", left]);
    assert_eq!(left, "755 root /opt/hpt/hpt\n1");
    let recorded = site.ok(&["-t", "web1", "log"]);
    assert!(
        recorded.contains(&format!("program {}", &is[..12])),
        "{recorded}"
    );
    assert!(
        recorded.contains(&format!("replaces {}", &was[..12])),
        "{recorded}"
    );

    let before = runs(&site);
    let again = upgrade(&site, &new, &[]);
    assert!(words(&again).contains("in place"), "{}", words(&again));
    println!("{}{}", words(&upgraded), words(&again));
    assert_eq!(runs(&site), before, "nothing was done");

    // What cannot serve is refused before anything is changed.
    let mut other = old[..4096].to_vec();
    other[18] ^= 0x55;
    for (bytes, why) in [
        (&b"#!/bin/sh\necho hpt 0.1.0\n"[..], "it is no program"),
        (&other, "another architecture"),
        (&old[..4096], "does not run here"),
        (&fs::read("/bin/true").unwrap(), "it is no hpt"),
        (&fs::read("/bin/false").unwrap(), "does not run here"),
    ] {
        let refused = upgrade(&site, &program(&site, "refused", bytes), &[]);
        assert_eq!(refused.status.code(), Some(1), "{}", words(&refused));
        let told = words(&refused);
        assert!(
            told.contains("nothing was changed") && told.contains(why),
            "{told}"
        );
    }
    assert_eq!((runs(&site), answering(&site)), (before, Some(is.clone())));

    // Never in the midst of a run.
    let config = site.path("site.toml");
    fs::write(
        &config,
        "[[exec]]\nscript = \"touch /run/began; sleep 5\"\nalways = true\n",
    )
    .unwrap();
    let args = ["-t", "web1", "provision", &config];
    let mut goes_on = site.hpt(&args).stdout(Stdio::null()).spawn().unwrap();
    wait_for(&site, "/run/began");
    let busy = upgrade(&site, &site.path("hpt.old"), &[]);
    assert_eq!(busy.status.code(), Some(6), "{}", words(&busy));
    assert!(goes_on.wait().unwrap().success());

    // An undo is one too: the program that was there before answers.
    let upgraded = site.ok(&["-t", "web1", "--json", "log", "--from", "1"]);
    let upgraded = upgraded
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let mut upgraded =
        upgraded.filter(|record: &serde_json::Value| record["detail"]["program"] == is);
    let run = upgraded.next_back().unwrap()["run"]
        .as_str()
        .unwrap()
        .to_owned();
    let undone = site
        .hpt(&["-t", "web1", "undo", "--yes", &run])
        .output()
        .unwrap();
    assert!(undone.status.success(), "{}{}", words(&undone), log(&site));
    assert_eq!(answering(&site), Some(was), "{}", log(&site));
}

/// Who may have what become of them while the new program does not answer.
const KILLED: [&str; 4] = [
    "true",
    "systemctl kill -s KILL $(systemctl list-units --plain --no-legend 'hpt-guard-*' | cut -d' ' -f1)",
    "systemctl kill -s KILL hpt.service",
    "systemctl kill -s KILL hpt.service $(systemctl list-units --plain --no-legend 'hpt-guard-*' | cut -d' ' -f1)",
];

#[test]
fn a_program_that_does_not_answer_is_replaced_by_the_old_one() {
    let Some((site, old)) = up() else { return };
    let (mute, bytes) = mute(&site);
    let sum = |bytes: &[u8]| {
        fs::write(site.path("sum"), bytes).unwrap();
        let summed = Command::new("sha256sum")
            .arg(site.path("sum"))
            .output()
            .unwrap();
        String::from_utf8(summed.stdout).unwrap()[..64].to_owned()
    };
    let (is_mute, is_old) = (sum(&bytes), sum(&old));
    let on_disk = || site.lab.ok("web1", &["sha256sum", PLACE])[..64].to_owned();
    let config = "[[group]]\nname = \"meanwhile\"\n";
    fs::write(site.path("site.toml"), config).unwrap();
    let copied = format!("web1:{}", "/root/site.toml");
    site.lab.must("cp", &[&site.path("site.toml"), &copied]);
    let swapped = || {
        let began = Instant::now();
        while on_disk() != is_mute {
            assert!(began.elapsed() < Duration::from_secs(30), "{}", log(&site));
            sleep(Duration::from_millis(50));
        }
        Instant::now()
    };
    let reached = |since: Instant, most: Duration| {
        while answering(&site) != Some(hash(&old)) {
            assert!(
                since.elapsed() < most,
                "{:?} {}",
                answering(&site),
                log(&site)
            );
        }
        println!("reached again after {:.1} s", since.elapsed().as_secs_f64());
        assert_eq!(on_disk(), is_old);
    };
    for killed in KILLED {
        let client = begin_upgrade(&site, &mute, "5s");
        let at = swapped();
        // No run begins meanwhile, not even on the host itself.
        let local = site
            .lab
            .run("web1", &["hpt", "/root/site.toml"])
            .output()
            .unwrap();
        assert_eq!(local.status.code(), Some(6), "{}", words(&local));
        site.lab.ok("web1", &["sh", "-c", killed]);
        reached(at, WINDOW + SPARE);
        let told = client.wait_with_output().unwrap();
        assert_eq!(
            told.status.code(),
            Some(8),
            "{killed}: {}{}",
            words(&told),
            log(&site)
        );
        assert!(
            words(&told).contains("has put the old one back"),
            "{}",
            words(&told)
        );
    }

    // A boot is the end of the time.
    let mut client = begin_upgrade(&site, &mute, "10m");
    swapped();
    site.lab.must("kill", &["web1"]);
    let _ = site.lab.command("start").arg("web1").output().unwrap();
    reached(Instant::now(), Duration::from_mins(1));
    let _ = client.kill();
    client.wait().unwrap();
}

/// Whoever is killed when: one of the two programs answers in the end, and the host is free.
#[test]
fn whoever_is_killed_during_an_upgrade_one_of_both_answers() {
    let Some((site, old)) = up() else { return };
    let mut names = vec![hash(&old)];
    let victims = ["hpt.service", "hpt-run-*", "hpt-guard-*"];
    for (round, victim) in victims.iter().cycle().take(6).enumerate() {
        let bytes = another(&old, &round.to_string());
        names.push(hash(&bytes));
        let client = begin_upgrade(&site, &program(&site, "hpt.new", &bytes), "3s");
        // As soon as the run has begun, or a little later.
        let script = format!(
            "for i in $(seq 600); do \
               systemctl list-units --plain --no-legend 'hpt-run-*' | grep -q . && break; sleep 0.02; \
             done; sleep 0.{}; \
             for unit in $(systemctl list-units --plain --no-legend '{victim}' | cut -d' ' -f1); do \
               systemctl kill -s KILL $unit; done; true",
            round * 7 % 40,
        );
        site.lab.ok("web1", &["sh", "-c", &script]);
        let since = Instant::now();
        let told = words(&client.wait_with_output().unwrap());
        let is_free = || {
            let status = site.hpt(&["-t", "web1", "status"]).output().unwrap();
            status.status.success() && !words(&status).contains("confirmed")
        };
        while answering(&site).is_none_or(|name| !names.contains(&name)) || !is_free() {
            assert!(
                since.elapsed() < Duration::from_mins(1),
                "{victim}: {told}{}",
                log(&site)
            );
        }
        println!(
            "{victim} killed: free after {:.1} s\n{told}",
            since.elapsed().as_secs_f64()
        );
    }
}

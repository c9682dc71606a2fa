//! A host that makes keys of its own: once, in time, for the one who has invited it.

use std::fs;
use std::net::TcpStream;
use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::serving::{Place, Ran};

/// A workstation that waits for a host, and what the host is told.
struct Invited {
    place: Place,
    waiting: Child,
    invitation: String,
}

fn invite(lasts: &str) -> Invited {
    let place = Place::new();
    place.ok(&["remove", "web1"]);
    fs::remove_file(place.path("web1.keystore")).unwrap();
    let at = format!("127.0.0.1:{}", place.port);
    let words = [
        "--json", "invite", "--target", "web1", "--ip", &at, "--for", lasts,
    ];
    let mut waiting = place.command(&words).spawn().unwrap();
    let mut told = String::new();
    let mut out = std::io::BufReader::new(waiting.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut out, &mut told).unwrap();
    // What comes later is read by whoever waits for its end.
    std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
    let told: Value = serde_json::from_str(&told).unwrap();
    let invitation = told["invitation"].as_str().unwrap().to_owned();
    Invited {
        place,
        waiting,
        invitation,
    }
}

impl Invited {
    fn join(&self, keystore: &str, port: u16) -> std::process::Command {
        let port = port.to_string();
        let words = [
            "--json",
            "join",
            &self.invitation,
            "--keystore",
            keystore,
            "--listen",
            "127.0.0.1",
            "--port",
            &port,
        ];
        self.place.command(&words)
    }
}

impl Drop for Invited {
    fn drop(&mut self) {
        let _ = self.waiting.kill();
        let _ = self.waiting.wait();
    }
}

fn serves(port: u16) {
    let began = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(began.elapsed() < Duration::from_secs(20), "nobody listens");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Both sides pin each other, by keys that the host has made; the invitation is worth nothing then.
#[test]
fn a_host_makes_its_own_keys_and_is_pinned() {
    let mut invited = invite("10m");
    let port = invited.place.port;
    let joined = invited.join("web1.keystore", port).output().unwrap();
    let joined = Ran::of(&["join"], &joined).exits(0);
    let joined: Value = serde_json::from_str(joined.out.lines().next().unwrap()).unwrap();
    assert_eq!(
        joined["serving"], false,
        "no systemd starts what is elsewhere"
    );
    invited.place.serve();
    let ended = invited.waiting.wait().unwrap();
    assert!(ended.success(), "the workstation has met it");
    let shown: Value =
        serde_json::from_str(&invited.place.ok(&["--json", "show", "web1"])).unwrap();
    assert_eq!(shown["fingerprint"], joined["fingerprint"]);
    invited.place.web1(&["status"]).exits(0);
    let mode = fs::metadata(invited.place.path("web1.keystore")).unwrap();
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o777,
        0o600
    );

    // On the same host its keys stand in the way.
    let again = invited.join("web1.keystore", port).output().unwrap();
    Ran::of(&["join"], &again).exits(9).says("has keys already");
    // On another nobody comes: what is left is that it ends.
    let words = [
        "--json",
        "join",
        &invited.invitation,
        "--keystore",
        "second.keystore",
    ];
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let other = free.local_addr().unwrap().port();
    drop(free);
    let other = other.to_string();
    let words = [&words[..], &["--listen", "127.0.0.1", "--port", &other]].concat();
    let mut second = invited.place.command(&words).spawn().unwrap();
    serves(other.parse().unwrap());
    // The workstation that has invited it knows other keys by now, and is turned away as a stranger.
    let at = format!("127.0.0.1:{other}");
    invited
        .place
        .run(&["--target", "web1", "--ip", &at, "status"])
        .exits(5);
    second.kill().unwrap();
    let said = second.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.contains("turned away"), "{said}");
    assert!(!invited.place.path("second.keystore").exists());
}

/// It ends on both sides, and a host that comes too late is told so.
#[test]
fn an_invitation_ends() {
    let mut invited = invite("2s");
    let ended = invited.waiting.wait().unwrap();
    assert_eq!(ended.code(), Some(5), "nobody has joined");
    let late = invited
        .join("web1.keystore", invited.place.port)
        .output()
        .unwrap();
    Ran::of(&["join"], &late)
        .exits(4)
        .says("the invitation has ended");
    assert!(!invited.place.path("web1.keystore").exists());
    invited.place.run(&["--target", "web1", "status"]).exits(9);
    for too_long in ["61m", "0s", "1d"] {
        let words = [
            "invite",
            "--target",
            "web2",
            "--ip",
            "127.0.0.1",
            "--for",
            too_long,
        ];
        invited.place.run(&words).exits(64);
    }
}

/// A client that was not invited is a stranger, whatever it knows of the invitation.
#[test]
fn whoever_was_not_invited_is_turned_away() {
    let invited = invite("10m");
    let other = Place::new();
    let words = ["--target", "web1", "--ip"];
    let at = format!("127.0.0.1:{}", invited.place.port);
    let mut joining = invited
        .join("web1.keystore", invited.place.port)
        .spawn()
        .unwrap();
    let stranger = other.run(&[&words[..], &[&at, "status"]].concat());
    assert_eq!(stranger.code, Some(5));
    // The one who was is let in beside it.
    let joined = joining.wait().unwrap();
    assert!(joined.success());
}

//! Runs that fail or are left alone, and who is not let in.

use std::fs;

use super::site::{Site, wait_for, words};

#[test]
fn a_failure_stops_the_run_says_why_and_is_mended_by_the_next() {
    let Some(site) = Site::up() else { return };
    let config = site.path("site.toml");
    let text = |package: &str| {
        format!(
            "[[group]]\nname = \"one\"\n[[package]]\nname = \"{package}\"\n[[group]]\nname = \"two\"\n"
        )
    };
    fs::write(&config, text("lab-bad")).unwrap();
    let output = site
        .hpt(&["--target", "web1", "provision", &config])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", words(&output));
    let told = words(&output);
    assert!(told.contains("lab-bad"), "{told}");
    assert!(told.contains("not run"), "{told}");
    assert!(
        site.lab
            .run("web1", &["getent", "group", "one"])
            .status()
            .unwrap()
            .success()
    );
    assert!(
        !site
            .lab
            .run("web1", &["getent", "group", "two"])
            .status()
            .unwrap()
            .success()
    );

    site.lab
        .ok("web1", &["dpkg", "--force-all", "--purge", "lab-bad"]);
    fs::write(&config, text("hello")).unwrap();
    site.ok(&["--target", "web1", "provision", &config]);
    assert!(
        site.lab
            .run("web1", &["getent", "group", "two"])
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn a_run_goes_on_when_its_client_and_hpt_itself_go_away() {
    let Some(site) = Site::up() else { return };
    let config = site.path("site.toml");
    let steps = "[[exec]]\nscript = \"touch /var/tmp/begun; sleep 4\"\ncreates = \"/var/tmp/begun\"\n\
                 [[exec]]\nscript = \"systemctl restart hpt.service\"\nalways = true\n\
                 [[file]]\npath = \"/var/tmp/ended\"\ncontent = \"\"\n";
    fs::write(&config, steps).unwrap();
    let mut client = site
        .hpt(&["--target", "web1", "provision", &config])
        .spawn()
        .unwrap();
    wait_for(&site, "/var/tmp/begun");

    // A second run is told who holds the host, at once.
    let busy = site
        .hpt(&["--target", "web1", "provision", &config])
        .output()
        .unwrap();
    assert_eq!(busy.status.code(), Some(6), "{}", words(&busy));

    client.kill().unwrap();
    client.wait().unwrap();
    wait_for(&site, "/var/tmp/ended");
    let status = site.ok(&["--target", "web1", "status"]);
    assert!(status.contains("web1"), "{status}");
}

#[test]
fn a_stranger_gets_silence_and_a_removed_host_is_unreachable() {
    let Some(site) = Site::up() else { return };
    let other = site.path("other.db");
    let stranger = |args: &[&str]| site.hpt(args).env("HPT_KEYSTORE", &other).output().unwrap();
    assert!(stranger(&["gen-client-keys"]).status.success());
    let made = stranger(&[
        "gen-target-keys",
        "--target",
        "web1",
        "--ip",
        "10.77.0.11",
        "--output",
        &site.path("x.keystore"),
    ]);
    assert!(made.status.success(), "{}", words(&made));
    let refused = stranger(&["--target", "web1", "status"]);
    assert_eq!(refused.status.code(), Some(5), "{}", words(&refused));
    site.lab.must("partition", &["web1"]);
    let gone = site.hpt(&["--target", "web1", "status"]).output().unwrap();
    assert_eq!(gone.status.code(), Some(5), "{}", words(&gone));
    site.lab.must("heal", &["web1"]);
    site.ok(&["--target", "web1", "status"]);
}

//! Units, drop-ins, timers and services, as systemd itself takes them.

use std::fs;

use super::site::{Site, wait_for, words};

#[test]
#[allow(clippy::too_many_lines, reason = "one story, told in its order")]
fn what_systemd_is_given_it_reads_starts_and_lets_go() {
    let Some(site) = Site::up() else { return };
    let config = site.path("units.toml");
    let host = |argv: &[&str]| site.lab.ok("web1", argv);
    let succeeds = |argv: &[&str]| site.lab.run("web1", argv).status().unwrap().success();
    let unit = "[[unit]]\nname = \"app.service\"\n[unit.Service]\nExecStart = \"/usr/bin/sleep 1000\"\n\
                [unit.Install]\nWantedBy = \"multi-user.target\"\n";
    let service =
        "[[service]]\nname = \"app\"\nstatus = \"started\"\nenabled = true\nwait_active = 1\n";
    let dropin =
        "[[dropin]]\nunit = \"app\"\nname = \"10-a\"\n[dropin.Service]\nEnvironment = \"A=1\"\n";
    let timer = "[[timer]]\nname = \"beat\"\non_calendar = \"*:*:*\"\nuser = \"nobody\"\n\
                 command = \"/bin/sh -c 'echo $0 $(id -un) > /tmp/beat' 100%H\"\n";
    let cron =
        "[[service]]\nname = \"cron\"\nstatus = \"stopped\"\nenabled = false\nmasked = true\n";
    let whole = format!("{unit}{service}{dropin}{timer}{cron}");
    fs::write(&config, &whole).unwrap();

    let plan = site.ok(&["--target", "web1", "plan", &config]);
    for (line, words) in [
        ("+ unit:app.service", ""),
        ("~ service:app ", "enable, start, then watch it for 1 s"),
        ("+ dropin:app.service/10-a", ""),
        ("+ timer:beat", "*:*:*, enable, start"),
        ("~ service:cron", "disable, stop, mask"),
    ] {
        let found = plan.lines().find(|l| l.starts_with(line));
        assert!(
            found.is_some_and(|l| l.ends_with(words)),
            "{line} {words} is not in\n{plan}"
        );
    }
    assert!(
        plan.contains("+ExecStart=/usr/bin/sleep 1000") || plan.contains("+ ExecStart"),
        "{plan}"
    );

    let reloads = || {
        let count = "journalctl --quiet --output=cat _PID=1 | grep -c '^Reloading'; true";
        host(&["sh", "-c", count]).parse::<u32>().unwrap()
    };
    let before = reloads();
    site.ok(&["--target", "web1", "provision", &config]);
    // Before the service starts, before the timer does, and when the run ends.
    assert_eq!(reloads() - before, 3);
    assert_eq!(
        host(&["systemctl", "is-active", "app", "beat.timer"]),
        "active\nactive"
    );
    assert_eq!(
        host(&["systemctl", "is-enabled", "app", "beat.timer"]),
        "enabled\nenabled"
    );
    assert!(!succeeds(&["systemctl", "is-active", "--quiet", "cron"]));
    let show =
        |property: &str, unit: &str| host(&["systemctl", "show", "--value", "-p", property, unit]);
    assert_eq!(show("Environment", "app"), "A=1");
    for unit in ["app", "beat.timer", "beat", "cron"] {
        assert_eq!(show("NeedDaemonReload", unit), "no", "{unit}");
    }
    assert_eq!(show("UnitFileState", "cron"), "masked");
    wait_for(&site, "/tmp/beat");
    // No `$` and no `%` was systemd's.
    assert_eq!(host(&["cat", "/tmp/beat"]), "100%H nobody");

    let second = site.ok(&["--target", "web1", "--json", "provision", &config]);
    assert!(second.contains("\"changed\":0"), "{second}");
    assert_eq!(reloads() - before, 3);

    // What systemd would not understand does not come to stay.
    let refused = |text: &str, why: &str| {
        fs::write(&config, text).unwrap();
        let output = site
            .hpt(&["--target", "web1", "provision", &config])
            .output()
            .unwrap();
        let told = words(&output);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains(why), "{why} is not in\n{told}");
    };
    refused(&unit.replace("ExecStart", "ExecStrat"), "Unknown key");
    assert!(host(&["cat", "/etc/systemd/system/app.service"]).contains("ExecStart="));
    refused(
        &timer.replace("beat", "late").replace("*:*:*", "25:00"),
        "25:00",
    );
    assert!(!succeeds(&["test", "-e", "/etc/systemd/system/late.timer"]));
    assert!(!succeeds(&[
        "test",
        "-e",
        "/etc/systemd/system/late.service"
    ]));
    // Nor is a start a success if systemd starts it again and again.
    let dies = "\"/usr/bin/sleep 0.7\"\nRestart = \"always\"\nRestartSec = \"10ms\"";
    let dying = unit
        .replace("\"/usr/bin/sleep 1000\"", dies)
        .replace("app", "dies");
    let watched = service
        .replace("app", "dies")
        .replace("wait_active = 1", "wait_active = 3");
    refused(
        &format!("{dying}{watched}"),
        "started anew by systemd within 3 s",
    );

    let absent = "[[unit]]\nname = \"app\"\nabsent = true\n[[unit]]\nname = \"dies\"\nabsent = true\n\
                  [[dropin]]\nunit = \"app\"\nname = \"10-a\"\nabsent = true\n\
                  [[timer]]\nname = \"beat\"\nabsent = true\n\
                  [[service]]\nname = \"cron\"\nmasked = false\nenabled = true\nstatus = \"started\"\n";
    fs::write(&config, absent).unwrap();
    let plan = site.ok(&["--target", "web1", "plan", &config]);
    assert!(
        plan.contains("stop, disable") && plan.contains("unmask, enable, start"),
        "{plan}"
    );
    site.ok(&["--target", "web1", "provision", &config]);
    let left = "ls /etc/systemd/system /etc/systemd/system/*.wants | grep -E 'app|beat|dies|cron.service$' | sort";
    assert_eq!(host(&["sh", "-c", left]), "app.service.d\ncron.service");
    assert!(!succeeds(&[
        "systemctl",
        "is-active",
        "--quiet",
        "beat.timer"
    ]));
    assert_eq!(host(&["systemctl", "is-active", "cron"]), "active");
    let again = site.ok(&["--target", "web1", "--json", "provision", &config]);
    assert!(again.contains("\"changed\":0"), "{again}");
}

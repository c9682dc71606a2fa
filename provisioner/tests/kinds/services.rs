//! `[[service]]`.

use super::*;

fn unit(active: &str, enabled: &str) -> Unit {
    Unit {
        active: active.into(),
        enabled: enabled.into(),
        condition_failed: false,
    }
}

#[test]
fn a_service_is_started_enabled_and_then_left_alone() {
    let mut host = Host::new();
    let text = "[[service]]\nname = \"nginx\"\nstatus = \"started\"\nenabled = true\n";
    let why = blocked(text, &host);
    assert!(why.contains("there is no unit nginx.service"), "{why}");
    host.inner.put_unit(UnitName::service("nginx").unwrap());
    settles(text, &mut host);
    settles(
        "[[service]]\nname = \"nginx\"\nstatus = \"stopped\"\nenabled = false\n",
        &mut host,
    );
    for again in ["restarted", "reloaded"] {
        let text = format!("[[service]]\nname = \"nginx\"\nstatus = \"{again}\"\n");
        for _ in 0..2 {
            let report = apply(&config(&text), &mut host, &mut ());
            assert_eq!(report.count(Outcome::Changed), 1, "{again}: {report:?}");
        }
    }
}

#[test]
fn a_unit_that_cannot_be_as_asked_says_why() {
    let mut host = Host::new();
    host.unit = Some(unit("inactive", "static"));
    let enabled = "[[service]]\nname = \"x\"\nenabled = true\n";
    assert!(blocked(enabled, &host).contains("it is static"));
    host.unit = Some(unit("inactive", "masked"));
    assert!(blocked(enabled, &host).contains("is masked"));
    let started = "[[service]]\nname = \"x\"\nstatus = \"started\"\n";
    assert!(blocked(started, &host).contains("`masked = false` unmasks it"));
    host.unit = Some(Unit {
        condition_failed: true,
        ..unit("inactive", "enabled")
    });
    let (verdict, words) = planned("[[service]]\nname = \"x\"\nstatus = \"started\"\n", &host);
    assert_eq!(verdict, Verdict::Update);
    assert!(words.contains("condition"), "{words}");
}

#[test]
fn a_unit_is_masked_also_before_it_is_there_and_unmasked() {
    let mut host = Host::new();
    let mask = "[[service]]\nname = \"x\"\nstatus = \"stopped\"\nenabled = false\nmasked = true\n";
    assert_eq!(planned(mask, &host), (Verdict::Update, "mask".to_owned()));
    host.inner.put_unit(UnitName::service("x").unwrap());
    let run = "[[service]]\nname = \"x\"\nstatus = \"started\"\nenabled = true\nmasked = false\n";
    assert_eq!(planned(run, &host).1, "enable, start");
    settles(run, &mut host);
    assert_eq!(planned(mask, &host).1, "disable, stop, mask");
    settles(mask, &mut host);
    assert_eq!(planned(run, &host).1, "unmask, enable, start");
    settles(run, &mut host);
}

#[test]
fn a_start_is_watched_for_as_long_as_is_asked() {
    let mut host = Host::new();
    host.inner.put_unit(UnitName::service("x").unwrap());
    let text = "[[service]]\nname = \"x\"\nstatus = \"started\"\nwait_active = \"10s\"\n";
    assert_eq!(planned(text, &host).1, "start, then watch it for 10 s");
    settles(text, &mut host);
}

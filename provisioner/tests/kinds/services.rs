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
            let report = apply(&config(&text), &mut host, None, &mut Deaf).unwrap();
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
    host.unit = Some(Unit {
        condition_failed: true,
        ..unit("inactive", "enabled")
    });
    let (verdict, words) = planned("[[service]]\nname = \"x\"\nstatus = \"started\"\n", &host);
    assert_eq!(verdict, Verdict::Update);
    assert!(words.contains("condition"), "{words}");
}

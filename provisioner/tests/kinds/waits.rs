//! `[[wait]]`: what comes about by itself, or does not.

use hpt_provisioner::host::setting::Setting;

use super::system::{host, put, without_kernel};
use super::*;

#[test]
fn a_wait_is_in_place_or_ends_when_its_time_is_up() {
    let mut host = host();
    let port = "[[wait]]\nport = 80\nwithin = 2\n";
    let file = "[[wait]]\nfile = \"/srv/x\"\n";
    for text in [port, file, "[[wait]]\nunit = \"nginx\"\n"] {
        let (verdict, words) = planned(text, &host);
        assert_eq!(verdict, Verdict::Maybe, "{text}");
        assert!(words.contains("s at most for "), "{words}");
        let report = apply(&config(text), &mut host, &mut Deaf);
        let note = &report.blocks[0].note;
        assert!(!report.succeeded() && note.contains("in vain"), "{note}");
    }
    put(&mut host, Setting::Port(80), Setting::LISTENING);
    assert_eq!(planned(port, &host).0, Verdict::Ok);
    // What an earlier block makes is there by then.
    let both = format!("[[file]]\npath = \"/srv/x\"\ncontent = \"\"\n\n{file}");
    let plan = look(&config(&both), &host);
    assert_eq!(plan.blocks[1].verdict, Verdict::Ok);
    settles(&both, &mut host);
    // A service that is started may take its port later.
    host.inner.put_unit(UnitName::service("nginx").unwrap());
    let served = format!("[[service]]\nname = \"nginx\"\nstatus = \"started\"\n\n{port}");
    let plan = look(&config(&served), &host);
    assert_eq!(plan.blocks[1].verdict, Verdict::Maybe);
    settles(&served, &mut host);
}

#[test]
fn a_wait_is_skipped_where_nothing_can_come_about() {
    let mut host = host();
    without_kernel(&mut host);
    assert_eq!(planned("[[wait]]\nport = 80\n", &host).0, Verdict::Skip);
}

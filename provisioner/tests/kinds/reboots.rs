//! `[[reboot]]`: a step of the run.

use hpt_provisioner::host::setting::Setting;
use hpt_provisioner::report::Finished;
use hpt_provisioner::run::{SoFar, go_on};

use super::system::{host, put};
use super::*;

const NEEDED: &str = "[[reboot]]\nif_needed = true\nmax_wait = \"5m\"\n";

#[test]
fn a_host_is_rebooted_if_it_says_so() {
    let mut host = host();
    assert_eq!(planned(NEEDED, &host).0, Verdict::Ok);
    put(&mut host, Setting::Reboot, "/run/reboot-required is there");
    let (verdict, words) = planned(NEEDED, &host);
    assert_eq!(verdict, Verdict::Run);
    assert_eq!(
        words,
        "reboots, since /run/reboot-required is there; 300 s at most"
    );
    settles(NEEDED, &mut host);
}

#[test]
fn a_reboot_may_be_needed_when_earlier_blocks_have_run() {
    let host = host();
    let text = format!("[[file]]\npath = \"/srv/x\"\ncontent = \"\"\n\n{NEEDED}");
    let plan = look(&config(&text), &host);
    assert_eq!(plan.blocks[1].verdict, Verdict::Maybe);
    assert!(plan.blocks[1].summary.contains("file:/srv/x"));
}

#[test]
fn a_reboot_in_every_run_is_warned_of_and_repeats() {
    let mut host = host();
    let config = config("[[reboot]]\n");
    let [warning] = &config.warnings[..] else {
        panic!("{:?}", config.warnings);
    };
    assert!(warning.what.contains("in every run"), "{warning:?}");
    for _ in 0..2 {
        let report = apply(&config, &mut host, &mut ());
        assert_eq!(report.count(Outcome::Changed), 1);
    }
}

#[test]
fn a_run_that_cannot_go_on_is_refused() {
    let mut host = host();
    host.powers.reboots = false;
    for text in [NEEDED, "[[reboot]]\n"] {
        let why = blocked(text, &host);
        assert!(why.contains("a unit that starts at boot"), "{why}");
    }
}

/// What was done before the reboot is neither done nor told again; it is looked at once more.
#[test]
fn a_run_goes_on_behind_its_reboot() {
    let text = "[[file]]\npath = \"/srv/a\"\ncontent = \"\"\nnotify = [\"app\"]\n\n[[reboot]]\n\n\
                [[file]]\npath = \"/srv/b\"\ncontent = \"\"\nwhen = \"result['file:/srv/a'].changed\"\n\n\
                [[handler]]\nname = \"app\"\nscript = \"restart\"\n";
    let config = config(text);
    let so_far = || SoFar {
        ended: vec![Finished {
            block: 0,
            outcome: Outcome::Changed,
            note: String::new(),
            exit: None,
        }],
        reboot: 1,
        ..SoFar::default()
    };
    let mut host = host();
    host.inner.put(&written("/srv/a", "", 0o644));
    let report = go_on(&config, &mut host, &mut (), so_far());
    assert!(report.succeeded(), "{report:?}");
    assert_eq!(report.count(Outcome::Changed), 4, "{report:?}");
    assert_eq!(host.ran, ["restart"]);

    let mut host = super::system::host();
    let report = go_on(&config, &mut host, &mut (), so_far());
    assert_eq!(report.blocks[0].outcome, Outcome::Failed);
    assert!(report.blocks[0].note.contains("a later block undid it"));
}

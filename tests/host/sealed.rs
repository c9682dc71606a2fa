//! A host whose keys are sealed on its disk, for its systemd to open (K8).

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use hpt_keystore::{Own, PassphraseError, target};

use super::site::{Site, words};

/// Where its keys can be used, and by whom.
#[test]
fn sealed_keys_are_open_to_hpts_unit_alone() {
    let Some(site) = Site::up() else { return };
    let on_host = |line: &str| site.lab.ok("web1", &["sh", "-c", line]);
    let answers = || site.ok(&["--target", "web1", "ping"]);
    let copied = |name: &str| {
        let copy = site.path(name);
        site.lab.must("cp", &["web1:/etc/hpt/keystore.db", &copy]);
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o600)).unwrap();
        target::load(Path::new(&copy)).unwrap().own
    };
    answers();
    assert!(matches!(copied("open.db"), Own::Open(_)));

    let told = on_host("hpt seal-keystore 2>&1");
    assert!(told.contains("by a key on the same disk"), "{told}");
    assert!(on_host("hpt seal-keystore 2>&1").contains("sealed already"));
    answers();
    assert!(on_host("hpt show").contains("which systemd has"));
    let own = copied("sealed.db");
    assert!(matches!(own, Own::Sealed(_)));
    let opened = own.open(Path::new("sealed.db"), None);
    assert!(matches!(opened, Err(PassphraseError::Needed { .. })));
    // New keys are sealed as those before them.
    site.ok(&["--target", "web1", "rotate-target-keys"]);
    assert!(matches!(copied("new.db"), Own::Sealed(_)));
    let wrong = on_host("hpt --keystore /etc/hpt/keystore.db serve --port 7000 2>&1; echo $?");
    assert!(
        wrong.contains("under a passphrase")
            && wrong.contains("hpt seal-keystore")
            && wrong.ends_with('9'),
        "{wrong}"
    );

    // As a copy of the disk elsewhere: hpt starts no more, and says why in one line.
    on_host("mv /etc/hpt/passphrase.cred /etc/hpt/elsewhere");
    on_host("systemctl restart hpt || true");
    let output = site.hpt(&["--target", "web1", "ping"]).output().unwrap();
    assert_eq!(output.status.code(), Some(5), "{}", words(&output));
    on_host(
        "mv /etc/hpt/elsewhere /etc/hpt/passphrase.cred; systemctl reset-failed hpt; systemctl restart hpt",
    );
    answers();

    site.lab.must("reboot", &["web1"]);
    answers();
    let told = on_host("hpt seal-keystore --remove 2>&1");
    assert!(told.contains("are open"), "{told}");
    on_host("systemctl restart hpt");
    answers();
    let left = on_host("ls /etc/hpt /etc/systemd/system/hpt.service.d");
    assert!(!left.contains("passphrase"), "{left}");
}

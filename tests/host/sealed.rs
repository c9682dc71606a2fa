//! A host whose keys are sealed on its disk, for its systemd to open (K8).

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;

use hpt_keystore::{Own, PassphraseError, target};

use super::install::hpt;
use super::lab::Lab;
use super::site::words;

struct Desk {
    lab: Lab,
    dir: tempfile::TempDir,
}

impl Desk {
    fn run(&self, args: &str) -> Output {
        let args: Vec<&str> = args.split(' ').collect();
        hpt(&self.lab, self.dir.path(), &args).output().unwrap()
    }

    fn ok(&self, args: &str) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{}", words(&output));
        words(&output)
    }

    fn on_host(&self, line: &str) -> String {
        self.lab.ok("web1", &["sh", "-c", line])
    }

    fn answers(&self) -> bool {
        self.run("--target web1 ping").status.success()
    }

    /// The keys in a copy of the host's keystore.
    fn copied(&self, name: &str) -> Own {
        let copy = self.dir.path().join(name);
        let shown = copy.display().to_string();
        self.lab.must("cp", &["web1:/etc/hpt/keystore.db", &shown]);
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o600)).unwrap();
        target::load(&copy).unwrap().own
    }
}

/// Where its keys can be used, and by whom.
#[test]
fn sealed_keys_are_open_to_hpts_unit_alone() {
    let Some(lab) = Lab::bare(&["web1"]) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk { lab, dir };
    desk.ok("install root@web1 --target web1");
    assert!(matches!(desk.copied("open.db"), Own::Open(_)));

    let told = desk.on_host("hpt seal-keystore 2>&1");
    assert!(told.contains("by a key on the same disk"), "{told}");
    let again = desk.on_host("hpt seal-keystore 2>&1");
    assert!(again.contains("sealed already"), "{again}");
    assert!(desk.answers());
    assert!(desk.on_host("hpt show").contains("which systemd has"));
    let own = desk.copied("sealed.db");
    assert!(matches!(own, Own::Sealed(_)));
    let opened = own.open(Path::new("sealed.db"), None);
    assert!(matches!(opened, Err(PassphraseError::Needed { .. })));
    // New keys are sealed as those before them.
    desk.ok("--target web1 rotate-target-keys");
    assert!(matches!(desk.copied("new.db"), Own::Sealed(_)));
    let refused = desk.on_host("hpt serve --port 7000 2>&1; echo $?");
    for what in ["under a passphrase", "hpt seal-keystore"] {
        assert!(refused.contains(what), "{refused}");
    }
    assert!(refused.ends_with('9'), "{refused}");
    desk.lab.must("reboot", &["web1"]);
    assert!(desk.answers());

    // As a copy of the disk elsewhere.
    desk.on_host("mv /etc/hpt/passphrase.cred /etc/hpt/elsewhere; systemctl restart hpt || true");
    assert_eq!(desk.run("--target web1 ping").status.code(), Some(5));
    desk.on_host("mv /etc/hpt/elsewhere /etc/hpt/passphrase.cred; systemctl reset-failed hpt");
    desk.on_host("systemctl restart hpt");
    assert!(desk.answers());

    // Where what opens them is lost for good, new keys come as they came the first time.
    desk.on_host("rm /etc/hpt/passphrase.cred; systemctl restart hpt || true");
    desk.ok("install root@web1 --target web1 --force");
    assert!(matches!(desk.copied("again.db"), Own::Open(_)));

    desk.on_host("hpt seal-keystore");
    let told = desk.on_host("hpt seal-keystore --remove 2>&1");
    assert!(told.contains("are open"), "{told}");
    desk.on_host("systemctl restart hpt");
    assert!(desk.answers());
    let left = desk.on_host("ls /etc/hpt /etc/systemd/system/hpt.service.d");
    assert!(!left.contains("passphrase"), "{left}");
}

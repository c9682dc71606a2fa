//! A workstation with keys, and a host that serves hpt by its own unit.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use super::lab::{HPT, Lab};

pub(super) const SECRET: &str = "correct-horse-battery";

/// A workstation with keys for `web1`, and that host serving hpt by its own unit.
pub(super) struct Site {
    pub(super) lab: Lab,
    dir: tempfile::TempDir,
}

impl Site {
    pub(super) fn up() -> Option<Self> {
        let lab = Lab::up(&["web1"])?;
        let site = Self {
            lab,
            dir: tempfile::tempdir().unwrap(),
        };
        site.ok(&["gen-client-keys"]);
        site.ok(&[
            "gen-target-keys",
            "--target",
            "web1",
            "--ip",
            "10.77.0.11",
            "--output",
            &site.path("web1.keystore"),
        ]);
        let lab = &site.lab;
        lab.ok("web1", &["install", "-d", "-m", "0700", "/etc/hpt"]);
        lab.must(
            "cp",
            &[&site.path("web1.keystore"), "web1:/etc/hpt/keystore.db"],
        );
        let unit = site
            .ok(&["unit-file"])
            .replace("/usr/bin/hpt", "/usr/local/bin/hpt");
        fs::write(site.path("hpt.service"), unit).unwrap();
        lab.must(
            "cp",
            &[
                &site.path("hpt.service"),
                "web1:/etc/systemd/system/hpt.service",
            ],
        );
        lab.ok("web1", &["systemctl", "enable", "--now", "hpt.service"]);
        Some(site)
    }

    pub(super) fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// `hpt ARGS` on the workstation.
    pub(super) fn hpt(&self, args: &[&str]) -> Command {
        let words: Vec<&str> = std::iter::once(HPT).chain(args.iter().copied()).collect();
        let mut command = self.lab.ws(&words);
        command
            .env("HPT_KEYSTORE", self.path("client.db"))
            .env("TEST_DB_PASSWORD", SECRET)
            .env("SSL_CERT_FILE", self.path("ca.pem"));
        command
    }

    pub(super) fn ok(&self, args: &[&str]) -> String {
        let output = self.hpt(args).output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(0),
            "hpt {args:?}\n{}",
            words(&output)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Copies `testdata/host`, with the keys and host keys of this lab filled in.
    pub(super) fn config(&self) -> String {
        let from = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/host");
        let to = self.dir.path().join("config");
        fs::create_dir_all(to.join("files")).unwrap();
        let server = self.lab.must("git-server", &[]);
        let value = |key: &str| {
            let line = server
                .lines()
                .find_map(|l| l.strip_prefix(key)?.strip_prefix('='));
            line.unwrap_or_else(|| panic!("{key} is not in {server}"))
                .to_owned()
        };
        let known_hosts = fs::read_to_string(value("KNOWN_HOSTS")).unwrap();
        let text = fs::read_to_string(from.join("site.toml"))
            .unwrap()
            .replace("\"@KNOWN_HOSTS@\"", &format!("'''\n{known_hosts}'''"))
            .replace("https://git/public.git", &value("HTTPS"))
            .replace("ssh://git@git/srv/git/private.git", &value("SSH_PRIVATE"));
        fs::write(to.join("site.toml"), text).unwrap();
        fs::copy(from.join("files/app.conf.j2"), to.join("files/app.conf.j2")).unwrap();
        fs::copy(value("DEPLOY_KEY"), to.join("deploy_key")).unwrap();
        let keygen = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "ana@lab", "-f"])
            .arg(to.join("files/ana"))
            .status();
        assert!(
            keygen.is_ok_and(|status| status.success()),
            "ssh-keygen makes a key"
        );
        // The lab's own authority, as a host with a private git server has it; here it is named.
        fs::copy(value("CA"), self.path("ca.pem")).unwrap();
        self.lab.must(
            "cp",
            &[
                &value("CA"),
                "web1:/usr/local/share/ca-certificates/lab.crt",
            ],
        );
        self.lab.ok("web1", &["update-ca-certificates"]);
        to.join("site.toml").display().to_string()
    }
}

pub(super) fn words(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Waits until a path is there, 20 seconds at most.
pub(super) fn wait_for(site: &Site, path: &str) {
    for _ in 0..200 {
        if site
            .lab
            .run("web1", &["test", "-e", path])
            .status()
            .unwrap()
            .success()
        {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("{path} did not come to be");
}

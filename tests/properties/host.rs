//! The lab's hosts, each served by hpt, and what is asked of them.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use crate::lab::{HPT, Lab};
use crate::snapshot::Snapshot;

/// A workstation with keys for every host.
pub struct Fleet {
    lab: Lab,
    dir: tempfile::TempDir,
}

/// One host, which is brought back to its first boot for each story.
pub struct Host<'a> {
    fleet: &'a Fleet,
    name: String,
}

impl Fleet {
    pub fn up(hosts: &[String]) -> Option<Self> {
        let names: Vec<&str> = hosts.iter().map(String::as_str).collect();
        let fleet = Self {
            lab: Lab::up(&names)?,
            dir: tempfile::tempdir().unwrap(),
        };
        let server = fleet.lab.must("git-server", &[]);
        let value = |key: &str| {
            let line = server
                .lines()
                .find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            line.unwrap().to_owned()
        };
        assert_eq!(value("HTTPS"), "https://git/public.git");
        fleet.ok(&["gen-client-keys"]);
        for name in hosts {
            // What a host gets that is fresh: keys, the unit, and the authority of the git server.
            let root = fleet.dir.path().join(name);
            fs::create_dir_all(root.join("etc/hpt")).unwrap();
            fs::create_dir_all(root.join("etc/systemd/system")).unwrap();
            let keystore = root.join("etc/hpt/keystore.db").display().to_string();
            let ip = fleet.lab.must("ip", &[name]);
            let target = ["--target", name.as_str(), "--ip", ip.as_str()];
            fleet.ok(&[&["gen-target-keys"][..], &target, &["--output", &keystore]].concat());
            let unit = fleet.ok(&["unit-file"]);
            let unit = unit.replace("/usr/bin/hpt", "/usr/local/bin/hpt");
            fs::write(root.join("etc/systemd/system/hpt.service"), unit).unwrap();
            fs::copy(value("CA"), root.join("etc/hpt/lab.pem")).unwrap();
        }
        Some(fleet)
    }

    pub fn host(&self, name: &str) -> Host<'_> {
        Host {
            fleet: self,
            name: name.to_owned(),
        }
    }

    fn ok(&self, args: &[&str]) -> String {
        let output = self.command(args).output().unwrap();
        assert!(output.status.success(), "hpt {args:?}\n{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.lab.ws(&[&[HPT], args].concat());
        command.env("HPT_KEYSTORE", self.dir.path().join("client.db"));
        command
    }
}

impl Host<'_> {
    /// The disk of the first boot, and hpt serving.
    pub fn reset(&self) {
        self.fleet.lab.must("reset", &[&self.name]);
        let files = Command::new("tar")
            .args([
                "-C",
                &self.fleet.dir.path().join(&self.name).display().to_string(),
            ])
            .args(["--owner=root", "--group=root", "-c", "."])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let begin = "umask 077; tar -C / --no-overwrite-dir -x; chmod 0700 /etc/hpt
            chmod 0644 /etc/systemd/system/hpt.service
            cat /etc/hpt/lab.pem >> /etc/ssl/certs/ca-certificates.crt
            systemctl daemon-reload; systemctl start hpt; apt-get -qq update";
        let mut begin = self.fleet.lab.run(&self.name, &["sh", "-c", begin]);
        let output = begin.stdin(files.stdout.unwrap()).output().unwrap();
        assert!(output.status.success(), "{}: {output:?}", self.name);
    }

    /// Runs lines of a shell, each of which may fail.
    pub fn tinker(&self, lines: &[String]) {
        if !lines.is_empty() {
            self.shell(&lines.join("\n"));
        }
    }

    pub fn snapshot(&self) -> Snapshot {
        Snapshot::parse(&self.shell(crate::snapshot::SCRIPT))
    }

    /// `hpt --json WORDS` on a config; one object a line.
    pub fn hpt(&self, words: &[&str], config: &str) -> Vec<serde_json::Value> {
        let file = self.fleet.dir.path().join(format!("{}.toml", self.name));
        fs::write(&file, config).unwrap();
        let file = file.display().to_string();
        let target = ["--target", &self.name, "--json"];
        let output = self.fleet.command(&[&target, words, &[&file]].concat());
        let output: Output = { output }.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let object = |line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}\n{text}"));
        text.lines().map(object).collect()
    }

    /// What a script writes; whatever becomes of it.
    fn shell(&self, script: &str) -> String {
        let mut shell = self.fleet.lab.run(&self.name, &["sh", "-s"]);
        let mut shell = shell
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Tools that read must not eat the script.
        let script = format!("{{\n{script}\n}} < /dev/null\nexit 0\n");
        let mut input = shell.stdin.take().unwrap();
        input.write_all(script.as_bytes()).unwrap();
        drop(input);
        let output = shell.wait_with_output().unwrap();
        assert!(output.status.success(), "{}: {script}", self.name);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

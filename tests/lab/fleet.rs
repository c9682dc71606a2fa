//! The lab's hosts, each served by hpt, and what is asked of them. A test file has `mod lab;`, and this
//! and `shell.rs` beside it.

use std::cell::RefCell;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::process::{Command, Stdio};

use crate::lab::{HPT, Lab};
use crate::shell::Shell;

/// A workstation with keys for every host.
pub struct Fleet {
    pub lab: Lab,
    dir: tempfile::TempDir,
}

/// One host, which is brought back to its first boot for each story.
pub struct Host<'a> {
    pub fleet: &'a Fleet,
    name: String,
    workstation: RefCell<Shell>,
    /// Of the host itself, since its last reset.
    shell: RefCell<Option<Shell>>,
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
            workstation: RefCell::new(Shell::open(self.lab.ws(&["sh"]))),
            shell: RefCell::default(),
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
        self.shell.take();
        self.fleet.lab.must("reset", &[&self.name]);
        let mut files = Command::new("tar")
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
        let output = begin.stdin(files.stdout.take().unwrap()).output().unwrap();
        files.wait().unwrap();
        assert!(output.status.success(), "{}: {output:?}", self.name);
    }

    /// `hpt --json WORDS` on a config; one object a line. Each config goes by a name of its own, so that
    /// none is asked for what another has left.
    pub fn hpt(&self, words: &[&str], config: &str) -> Vec<serde_json::Value> {
        let mut hasher = DefaultHasher::new();
        (&self.name, config).hash(&mut hasher);
        let file = format!("{:016x}.toml", hasher.finish());
        let file = self.fleet.dir.path().join(file);
        fs::write(&file, config).unwrap();
        let line = format!(
            "HPT_KEYSTORE={dir}/client.db {HPT} --target {name} --json {words} {file}",
            dir = self.fleet.dir.path().display(),
            name = self.name,
            words = words.join(" "),
            file = file.display(),
        );
        let text = self.workstation.borrow_mut().ask(&line);
        let object = |line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}\n{text}"));
        text.lines().map(object).collect()
    }

    /// What a script writes; whatever becomes of it.
    pub fn shell(&self, script: &str) -> String {
        let mut shell = self.shell.borrow_mut();
        let open = || Shell::open(self.fleet.lab.run(&self.name, &["sh"]));
        shell.get_or_insert_with(open).ask(script)
    }
}

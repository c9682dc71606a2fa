//! A root directory and hpt's state beside it, in memory, for one run after the other; `hpt` finds
//! them through mounts of its own.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, chown, symlink};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::cases::{BASE, Case};
use super::tree::Tree;

/// hpt's own places, which the real ones are hidden by.
const MOUNTS: &str = "set -e
mount --make-rprivate /
mount -t tmpfs none /var/lib
mount -t tmpfs none /run
mkdir -m 0700 /var/lib/hpt /run/hpt
mount --bind \"$1/state\" /var/lib/hpt
mount --bind \"$1/run\" /run/hpt
echo ready
read -r _ || :";

/// Younger than this, what a dead run has left might be another's that goes on.
const SETTLES: Duration = Duration::from_millis(30);

pub struct Host<'a> {
    dir: tempfile::TempDir,
    mounts: Child,
    pub case: &'a Case,
}

/// What a run has come to.
pub struct Ran {
    pub code: Option<i32>,
    pub signal: Option<i32>,
    /// One object a line.
    pub out: String,
    /// All of it, for who reads a failure.
    pub said: String,
}

impl<'a> Host<'a> {
    pub fn new(case: &'a Case) -> Self {
        let shm = Path::new("/dev/shm");
        let base = if shm.is_dir() { shm } else { Path::new("/tmp") };
        let dir = tempfile::tempdir_in(base).unwrap();
        for name in ["state", "run"] {
            fs::DirBuilder::new()
                .mode(0o700)
                .create(dir.path().join(name))
                .unwrap();
        }
        let mut mounts = Command::new("unshare")
            .args(["--mount", "sh", "-c", MOUNTS, "sh"])
            .arg(dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let out = mounts.stdout.take().unwrap();
        BufReader::new(out).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "root can mount");
        let host = Self { dir, mounts, case };
        host.lay_sources();
        host
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// As it was before the first run.
    pub fn reset(&self) {
        self.clear();
        let root = self.path("root");
        for line in BASE.iter().chain(self.case.before) {
            lay(&root, line);
        }
        self.write_config(self.case.blocks);
    }

    /// As it comes up with these on its disk.
    pub fn come_up(&self, root: &Tree, state: &Tree) {
        self.clear();
        root.lay(&self.path("root"));
        state.lay(&self.path("state"));
    }

    /// Nothing is there.
    fn clear(&self) {
        for dir in ["state", "run"] {
            for entry in fs::read_dir(self.path(dir)).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    fs::remove_dir_all(path).unwrap();
                } else {
                    fs::remove_file(path).unwrap();
                }
            }
        }
        let root = self.path("root");
        if root.exists() {
            fs::remove_dir_all(&root).unwrap();
        }
        fs::create_dir(&root).unwrap();
    }

    /// What the host is to be brought to.
    pub fn write_config(&self, blocks: &[&str]) {
        let root = self.path("root");
        let text = blocks.join("\n").replace("{R}", root.to_str().unwrap());
        fs::write(self.path("site.toml"), text).unwrap();
    }

    pub fn tree(&self) -> Tree {
        Tree::of(&self.path("root"))
    }

    /// The names of what hpt keeps, without the journals of runs.
    pub fn state(&self) -> Vec<String> {
        let tree = Tree::of(&self.path("state"));
        let names = tree.names().filter(|name| !name.contains("runs/"));
        names.map(str::to_owned).collect()
    }

    /// Long enough after a run that died for what it has left to be an orphan, and for a tool that it had
    /// started to have ended: that one outlives it by a moment.
    pub fn settle(&self) {
        std::thread::sleep(SETTLES);
        while self.is_busy() {
            std::thread::sleep(SETTLES);
        }
    }

    /// Whether a process goes on that sees these mounts, besides the one that keeps them.
    fn is_busy(&self) -> bool {
        let seen = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/mnt")).ok();
        let keeper = self.mounts.id().to_string();
        let mounts = seen(&keeper);
        let pids = fs::read_dir("/proc").unwrap().flatten();
        let mut names = pids.filter_map(|entry| entry.file_name().into_string().ok());
        names.any(|pid| pid != keeper && seen(&pid).is_some() && seen(&pid) == mounts)
    }

    /// Makes the one run that there was one of long ago: names of one second are in no order.
    pub fn age(&self) {
        for entry in fs::read_dir(self.path("state/runs")).unwrap() {
            let path = entry.unwrap().path();
            let old = path.with_file_name("20200101-000000-0000.open");
            fs::rename(path, old).unwrap();
        }
    }

    /// Brings the config about.
    pub fn provision(&self, more: &[&str]) -> Ran {
        self.run(&[], &[&["provision", "--yes"], more].concat())
    }

    /// What is still to be done: 0 if nothing is.
    pub fn plan(&self) -> Ran {
        self.run(&[], &["plan", "--detailed-exitcode"])
    }

    /// Brings it about under strace.
    pub fn traced(&self, options: &[&str]) -> Ran {
        let strace = [&["strace"], options].concat();
        self.run(&strace, &["provision", "--yes"])
    }

    fn run(&self, before: &[&str], args: &[&str]) -> Ran {
        let mut command = Command::new("nsenter");
        command.arg(format!("--mount=/proc/{}/ns/mnt", self.mounts.id()));
        command.args(["env", "-i", "-C"]).arg(self.dir.path());
        command.arg("PATH=/usr/sbin:/usr/bin:/sbin:/bin");
        command.args(before).arg(env!("CARGO_BIN_EXE_hpt"));
        if !self.case.live {
            command.args(["--root", "root"]);
        }
        let ran = command
            .arg("--json")
            .args(args)
            .arg("site.toml")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let out = String::from_utf8_lossy(&ran.stdout).into_owned();
        Ran {
            code: ran.status.code(),
            signal: ran.status.signal(),
            said: format!(
                "{:?}\n{out}{}",
                ran.status,
                String::from_utf8_lossy(&ran.stderr)
            ),
            out,
        }
    }

    /// What configs name as sources, beside them.
    fn lay_sources(&self) {
        let site = self.path("site");
        fs::create_dir_all(site.join("css")).unwrap();
        fs::write(site.join("index.html"), "<h1>hello</h1>\n").unwrap();
        fs::write(site.join("css/a.css"), "a { color: red }\n").unwrap();
        fs::write(self.path("page"), "page\n".repeat(3000)).unwrap();
        fs::write(self.path("long"), vec![7; 9 << 20]).unwrap();
        let mut tar = Command::new("tar");
        tar.args(["-czf", "app.tar.gz", "site"])
            .current_dir(self.dir.path());
        assert!(tar.status().unwrap().success());
    }
}

impl Drop for Host<'_> {
    fn drop(&mut self) {
        drop(self.mounts.stdin.take());
        let _ = self.mounts.wait();
    }
}

/// `d MODE UID PATH`, `f MODE UID PATH CONTENT`, `l PATH TO`.
fn lay(root: &Path, line: &str) {
    let mut words = line.splitn(5, ' ');
    let mut word = || words.next().unwrap_or_default();
    let kind = word();
    if kind == "l" {
        return symlink(word(), root.join(word())).unwrap();
    }
    let mode = u32::from_str_radix(word(), 8).unwrap();
    let owner = word().parse().unwrap();
    let path = root.join(word());
    match kind {
        "d" => fs::create_dir(&path).unwrap(),
        _ => fs::write(&path, word()).unwrap(),
    }
    chown(&path, Some(owner), Some(owner)).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
}

//! A host of its own made of mounts, `hpt serve` on it and a workstation beside it; what both say,
//! write and start is kept.

use std::cell::RefCell;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::canary::{Canaries, Canary};
use super::case::Case;
use super::serving::{HPT, Place, Ran};

/// What a host may call its own here: accounts, homes, what runs, hpt's state. `/small` is soon full.
const MOUNTS: &str = "set -e
mount --make-rprivate /
mount -t tmpfs none /run
cp -a /etc /run/etc
mount --bind /run/etc /etc
mount -t tmpfs none /home
mount -t tmpfs none /var/lib
mount -t tmpfs -o size=16k none /mnt
mkdir -m 0700 /run/hpt
echo ready
read -r _ || :";

pub struct World {
    pub place: Place,
    pub canaries: RefCell<Canaries>,
    /// Everything that was said, by whom.
    pub said: RefCell<Vec<(PathBuf, Vec<u8>)>>,
    mounts: Child,
    pub server: Option<Child>,
    traces: RefCell<u32>,
}

impl World {
    /// Keys, mounts, and a server; `None` for one who is not root, and says so.
    pub fn serving(seed: u64) -> Option<Self> {
        let mut world = Self::new(seed)?;
        world.serve();
        Some(world)
    }

    pub fn new(seed: u64) -> Option<Self> {
        if let Err(missing) = able() {
            let insists = std::env::var_os("HPT_REQUIRE_ALL").is_some();
            assert!(!insists, "missing: {missing}");
            eprintln!("skipped, for want of {missing}");
            return None;
        }
        let mut mounts = Command::new("unshare")
            .args(["--mount", "sh", "-c", MOUNTS])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let out = mounts.stdout.take().unwrap();
        BufReader::new(out).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "root can mount");
        let place = Place::new();
        for dir in ["in", "out", "traces"] {
            fs::create_dir(place.path(dir)).unwrap();
        }
        Some(Self {
            place,
            canaries: RefCell::new(Canaries::new(seed)),
            said: RefCell::default(),
            mounts,
            server: None,
            traces: RefCell::default(),
        })
    }

    pub fn serve(&mut self) {
        let port = self.place.port.to_string();
        let args = ["serve", "--keystore", "web1.keystore", "--state", "state"];
        let mut command =
            self.command(&[&args[..], &["--listen", "127.0.0.1", "--port", &port]].concat());
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.place.path("serve.log"));
        self.server = Some(command.stderr(log.unwrap()).spawn().unwrap());
        let began = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", self.place.port)).is_err() {
            assert!(
                began.elapsed() < Duration::from_secs(20),
                "{}",
                self.place.read("serve.log")
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends the server at once, in the middle of whatever it does.
    pub fn kill_server(&mut self) {
        let mut server = self.server.take().unwrap();
        server.kill().unwrap();
        server.wait().unwrap();
    }

    pub fn server_id(&self) -> u32 {
        self.server.as_ref().unwrap().id()
    }

    /// `hpt ARGS` on the host's mounts, every log on, every program that it starts written down.
    pub fn command(&self, args: &[&str]) -> Command {
        let plain = self.place.command(args);
        let trace = {
            let mut traces = self.traces.borrow_mut();
            *traces += 1;
            self.place.path(format!("traces/{traces}"))
        };
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--mount=/proc/{}/ns/mnt", self.mounts.id()))
            .args(["env", "-C"])
            .arg(self.place.path(""))
            // The tracer stands aside: the process is hpt's own, to be waited for and killed.
            .args([
                "strace",
                "-D",
                "-f",
                "-qq",
                "-v",
                "-s",
                "1000000",
                "-e",
                "signal=none",
            ])
            .args(["-e", "trace=execve", "-o"])
            .arg(trace)
            .arg(HPT)
            .args(args)
            .env_clear();
        for (name, value) in plain.get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        command
            .env("HPT_LOG", "trace")
            .env("TMPDIR", self.place.path("out"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        self.ran(args, &mut self.command(args), b"")
    }

    /// Runs a command to its end with something on its standard input, and keeps what it says.
    pub fn ran(&self, args: &[&str], command: &mut Command, input: &[u8]) -> Ran {
        if !input.is_empty() {
            command.stdin(Stdio::piped());
        }
        let mut child = command.spawn().unwrap();
        if let Some(mut stdin) = child.stdin.take() {
            let _ = stdin.write_all(input);
        }
        let output = child.wait_with_output().unwrap();
        let name = PathBuf::from(format!("`hpt {}`", args.join(" ")));
        let said = [&output.stdout[..], &output.stderr].concat();
        self.said.borrow_mut().push((name, said));
        Ran::of(args, &output)
    }

    /// Something else that was said.
    pub fn keep(&self, who: &str, what: Vec<u8>) {
        self.said.borrow_mut().push((who.into(), what));
    }

    /// A command in the host's mounts, without hpt.
    pub fn on_host(&self, script: &str) -> ExitStatus {
        Command::new("nsenter")
            .arg(format!("--mount=/proc/{}/ns/mnt", self.mounts.id()))
            .args(["sh", "-ec", script])
            .status()
            .unwrap()
    }

    /// A path of the host, as it is reached from here.
    pub fn host(&self, path: &str) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.mounts.id()));
        root.join(path.trim_start_matches('/'))
    }

    /// A secret has reached the one file that is to hold it, and may stay there.
    #[track_caller]
    pub fn holds(&self, path: &Path, canary: &Canary) {
        let bytes = fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let whole = canary.text().as_bytes();
        let there = bytes.windows(whole.len()).any(|part| part == whole);
        assert!(there, "{} does not hold its secret", path.display());
        self.canaries.borrow_mut().may_rest(path, canary);
    }

    /// A new case, in a directory of its own.
    pub fn case(&self, name: &'static str) -> Case<'_> {
        fs::create_dir_all(self.place.path(format!("in/{name}"))).unwrap();
        fs::create_dir_all(self.place.path(format!("out/{name}"))).unwrap();
        Case::new(self, name)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
        drop(self.mounts.stdin.take());
        let _ = self.mounts.wait();
    }
}

/// What this takes: root, and some programs.
fn able() -> Result<(), String> {
    if !rustix::process::geteuid().is_root() {
        return Err("root, who can mount (sudo tests/all)".to_owned());
    }
    for (program, package) in [("unshare", "util-linux"), ("strace", "strace")] {
        let found = Command::new(program).arg("--version").output();
        found.map_err(|_| format!("{program} (apt install {package})"))?;
    }
    Ok(())
}

/// What a child says until it ends.
pub fn hear(child: &mut Child) -> Vec<u8> {
    let mut said = Vec::new();
    let out = child.stdout.take().unwrap().read_to_end(&mut said);
    let err = child.stderr.take().unwrap().read_to_end(&mut said);
    out.and(err).unwrap();
    said
}

/// What a program says that has this on its standard input.
pub fn hear_out(command: &mut Command, input: &[u8]) -> String {
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?}");
    String::from_utf8(output.stdout).unwrap()
}

//! A host of its own made of mounts, `hpt serve` on it and a workstation beside it; what both say,
//! write and start is kept, and searched in the end.

use std::cell::RefCell;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::canary::{Canaries, Canary};
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

/// Runs a program on a terminal, types what stands on standard input when the prompt is there and the
/// echo is gone, and ends as it does.
const TYPIST: &str = r#"
import os, pty, sys, termios, time
answer = sys.stdin.buffer.read()
pid, tty = pty.fork()
if pid == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
said = b""
while sys.argv[1].encode() not in said:
    said += os.read(tty, 1)
while termios.tcgetattr(tty)[3] & termios.ECHO:
    time.sleep(0.001)
os.write(tty, answer + b"\n")
try:
    while piece := os.read(tty, 4096):
        said += piece
except OSError:
    pass
sys.stdout.buffer.write(said)
sys.stdout.flush()
os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"#;

/// Where a secret is that a config gives to a command's environment.
pub const ENVIRON: &str = "an environment";

/// Directories of the host that are searched besides the test's own.
const HOST: [&str; 4] = ["run", "home", "var/lib", "mnt"];

pub struct World {
    pub place: Place,
    pub canaries: RefCell<Canaries>,
    /// Everything that was said, by whom.
    said: RefCell<Vec<(PathBuf, Vec<u8>)>>,
    mounts: Child,
    server: Option<Child>,
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
        Case {
            world: self,
            name,
            config: String::new(),
            env: Vec::new(),
        }
    }

    /// What programs were started with, and who said what; the files that are left; then the search.
    #[track_caller]
    pub fn end(mut self, at_least: usize) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
        // Tracers end on their own when there is nobody left to trace, and write until then.
        std::thread::sleep(Duration::from_millis(100));
        let canaries = self.canaries.borrow();
        assert!(
            canaries.count() >= at_least,
            "only {} canaries",
            canaries.count()
        );
        let forms = canaries.forms();
        let mut found = Vec::new();
        let mut bytes_seen = 0;
        let mut look = |place: &Path, bytes: &[u8]| {
            bytes_seen += bytes.len();
            found.extend(canaries.found(&forms, place, bytes));
        };
        for (who, what) in self.said.borrow().iter() {
            look(who, what);
        }
        let mut started = 0;
        for trace in files_in(&self.place.path("traces")) {
            let text = fs::read(&trace).unwrap();
            assert!(
                !text.is_empty(),
                "nothing was traced in {}",
                trace.display()
            );
            for (at, line) in text.split(|byte| *byte == b'\n').enumerate() {
                let parts = line.windows(4).position(|part| part == b"], [");
                let Some(arguments) = parts else { continue };
                started += 1;
                look(Path::new("arguments"), &line[..arguments]);
                // hpt's own environment is where some secrets come from.
                if at > 0 {
                    look(Path::new(ENVIRON), &line[arguments..]);
                }
            }
        }
        let inputs = self.place.path("in");
        let mut roots = vec![self.place.path("")];
        roots.extend(HOST.map(|dir| self.host(dir)));
        for path in roots.iter().flat_map(|root| files_in(root)) {
            look(
                Path::new(path.file_name().unwrap()),
                path.as_os_str().as_encoded_bytes(),
            );
            let traced = path.starts_with(self.place.path("traces"));
            if !path.starts_with(&inputs) && !traced {
                look(&path, &fs::read(&path).unwrap_or_default());
            }
        }
        let log = fs::read_to_string(self.place.path("serve.log")).unwrap_or_default();
        assert!(log.is_empty() || log.contains(" hpt"), "logs are on: {log}");
        assert!(
            found.is_empty(),
            "{} leaks:\n{}",
            found.len(),
            found.join("\n")
        );
        eprintln!(
            "{} canaries in {} forms, {} runs, {started} programs started, {bytes_seen} bytes searched",
            canaries.count(),
            forms.count(),
            self.said.borrow().len(),
        );
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

/// One config and its secrets.
pub struct Case<'a> {
    pub world: &'a World,
    name: &'static str,
    config: String,
    env: Vec<(String, String)>,
}

impl Case<'_> {
    /// A canary that is not declared as a secret: it stands in the config itself, or comes otherwise.
    pub fn canary(&self, what: &str) -> Canary {
        self.world
            .canaries
            .borrow_mut()
            .secret(&format!("{}: {what}", self.name))
    }

    pub fn plain(&self, what: &str) -> Canary {
        self.world
            .canaries
            .borrow_mut()
            .plain(&format!("{}: {what}", self.name))
    }

    /// `[secret.NAME]`, every other one from a file, the rest sealed: what holds for one holds for both.
    pub fn secret(&mut self, name: &str) -> Canary {
        let canary = self.canary(name);
        self.declare(name, &canary);
        canary
    }

    /// The same, with letters and digits only.
    pub fn plain_secret(&mut self, name: &str) -> Canary {
        let canary = self.plain(name);
        self.declare(name, &canary);
        canary
    }

    fn declare(&mut self, name: &str, canary: &Canary) {
        if self.world.canaries.borrow().count().is_multiple_of(2) {
            self.secret_is(name, canary.text());
        } else {
            self.config += &self.sealed(name, "web1", canary);
        }
    }

    /// What `hpt seal` prints.
    pub fn sealed(&self, name: &str, target: &str, canary: &Canary) -> String {
        let args = ["seal", name, target];
        let mut command = self.world.command(&args);
        let ran = self
            .world
            .ran(&args, &mut command, canary.text().as_bytes());
        ran.exits(0).out
    }

    pub fn secret_is(&mut self, name: &str, text: &str) {
        self.file(&format!("secret-{name}"), text);
        self.config += &format!("[secret.{name}]\nfile = \"secret-{name}\"\n");
    }

    /// `[secret.NAME]` from the environment.
    pub fn env_secret(&mut self, name: &str) -> Canary {
        let canary = self.canary(name);
        let variable = format!("TEST_{}", name.to_uppercase());
        self.env(&variable, canary.text());
        self.config += &format!("[secret.{name}]\nenv = \"{variable}\"\n");
        canary
    }

    pub fn env(&mut self, name: &str, value: &str) {
        self.env.push((name.to_owned(), value.to_owned()));
    }

    /// A file beside the config.
    pub fn file(&self, name: &str, text: impl AsRef<[u8]>) {
        self.world
            .place
            .write(&format!("in/{}/{name}", self.name), text);
    }

    /// More of the config; `OUT` in it is the case's own directory.
    pub fn config(&mut self, text: &str) {
        let out = self.out("");
        self.config += &text.replace("OUT", out.display().to_string().trim_end_matches('/'));
    }

    /// What the host makes of it.
    pub fn out(&self, name: &str) -> PathBuf {
        self.world
            .place
            .path(format!("out/{}", self.name))
            .join(name)
    }

    fn write(&self) -> String {
        self.file("site.toml", &self.config);
        format!("in/{}/site.toml", self.name)
    }

    /// `hpt OPTIONS VERB site.toml`; where no target is named, the host itself.
    pub fn hpt(&self, options: &[&str]) -> Ran {
        let (args, mut command) = self.prepared(options);
        self.world.ran(&args, &mut command, b"")
    }

    fn prepared<'b>(&self, options: &[&'b str]) -> (Vec<&'b str>, Command) {
        let path = self.write();
        let here = ["--keystore", "web1.keystore"];
        let named = options.iter().any(|o| ["--target", "check"].contains(o));
        let own = if named { &[][..] } else { &here };
        let args = [own, options].concat();
        let mut command = self.world.command(&[&args[..], &[&path]].concat());
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        (args, command)
    }

    /// The same on a terminal of its own, where `answer` is typed at the prompt.
    pub fn typed(&self, options: &[&str], prompt: &str, answer: &str) -> Ran {
        let (args, command) = self.prepared(options);
        let mut typist = Command::new("python3");
        typist.args(["-c", TYPIST, prompt]);
        typist.arg(command.get_program()).args(command.get_args());
        typist
            .env_clear()
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for (name, value) in command.get_envs() {
            typist.env(name, value.unwrap_or_default());
        }
        self.world.ran(&args, &mut typist, answer.as_bytes())
    }

    /// The same without any terminal.
    pub fn unasked(&self, options: &[&str]) -> Ran {
        let (args, command) = self.prepared(options);
        let mut alone = Command::new("setsid");
        alone.arg("--wait").arg(command.get_program());
        alone.args(command.get_args()).env_clear();
        alone
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for (name, value) in command.get_envs() {
            alone.env(name, value.unwrap_or_default());
        }
        self.world.ran(&args, &mut alone, b"")
    }

    /// The same, started and left alone.
    pub fn start(&self, options: &[&str]) -> Child {
        let path = self.write();
        let mut command = self.world.command(&[options, &[&path]].concat());
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command.spawn().unwrap()
    }

    /// Over the channel.
    pub fn remote(&self, options: &[&str]) -> Ran {
        self.hpt(&[&["--target", "web1"], options].concat())
    }

    /// It fails like this whether it is planned or provisioned, over the channel and without.
    #[track_caller]
    pub fn always(&self, code: i32, words: &str) {
        for options in [
            &["--target", "web1", "plan"][..],
            &["--target", "web1", "--json", "-v", "provision"],
            &["-v", "provision"],
            &["--json", "plan"],
        ] {
            self.hpt(options).exits(code).says(words);
        }
    }

    /// A run of it fails like this, over the channel and without.
    #[track_caller]
    pub fn fails(&self, words: &str) {
        for options in [
            &["--target", "web1", "-v", "provision"][..],
            &["--target", "web1", "--json", "-v", "provision"],
            &["-v", "provision"],
        ] {
            self.hpt(options).exits(1).says(words);
        }
    }
}

/// Everything that is a file below a directory.
fn files_in(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files.extend(files_in(&entry.path())),
            Ok(kind) if kind.is_file() => files.push(entry.path()),
            _ => {}
        }
    }
    files
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

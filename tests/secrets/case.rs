//! One config and its secrets, told to hpt in every way that there is.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::canary::Canary;
use super::serving::Ran;
use super::world::World;

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

/// One config and its secrets.
pub struct Case<'a> {
    pub world: &'a World,
    name: &'static str,
    config: String,
    env: Vec<(String, String)>,
}

impl<'a> Case<'a> {
    pub fn new(world: &'a World, name: &'static str) -> Self {
        Self {
            world,
            name,
            config: String::new(),
            env: Vec::new(),
        }
    }

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

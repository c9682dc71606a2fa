//! A workstation and a target on loopback: keys, a root directory, and the real `hpt` at both ends.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test takes a part of it"
)]

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

pub const HPT: &str = env!("CARGO_BIN_EXE_hpt");

/// A directory with keys for `web1`, which is the directory `root` in it once it is served.
pub struct Place {
    dir: tempfile::TempDir,
    pub port: u16,
    /// The programs at both ends.
    pub client_program: PathBuf,
    pub server_program: PathBuf,
    server: Option<Child>,
}

impl Place {
    /// Keys, and nobody serving yet.
    pub fn new() -> Self {
        Self::of(Path::new(HPT), Path::new(HPT))
    }

    /// The same with these programs at both ends.
    pub fn of(client: &Path, server: &Path) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("root")).unwrap();
        // Free a moment ago; whoever takes it in between makes the test fail, not pass.
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let place = Self {
            dir,
            port,
            client_program: client.to_owned(),
            server_program: server.to_owned(),
            server: None,
        };
        place.ok(&["gen-client-keys"]);
        place.ok(&[
            "gen-target-keys",
            "--target",
            "web1",
            "--ip",
            &format!("127.0.0.1:{port}"),
        ]);
        place
    }

    /// Keys, and `hpt serve`.
    pub fn serving() -> Self {
        let mut place = Self::new();
        place.serve();
        place
    }

    pub fn serve(&mut self) {
        self.serve_root("root");
    }

    fn serve_root(&mut self, root: &str) {
        let port = self.port.to_string();
        let serve = ["serve", "--keystore", "web1.keystore", "--root", root];
        let mut command = self.command_of(&self.server_program, &serve);
        command.args(["--state", "state", "--listen", "127.0.0.1", "--port", &port]);
        let log = fs::File::create(self.path("serve.log")).unwrap();
        self.server = Some(command.stderr(log).spawn().unwrap());
        let began = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(
                began.elapsed() < Duration::from_secs(10),
                "{}",
                self.read("serve.log")
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Nobody serves any more.
    pub fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }

    /// Keys, and `hpt serve` for this machine, where commands can run.
    pub fn serving_live() -> Self {
        let mut place = Self::new();
        place.serve_root("/");
        place
    }

    /// Another client's key; its keystore is `NAME.db`.
    pub fn keys_of(&self, name: &str) -> String {
        let keystore = format!("{name}.db");
        let made = self.ok(&["--json", "--keystore", &keystore, "gen-client-keys"]);
        let made: serde_json::Value = serde_json::from_str(&made).unwrap();
        made["key"].as_str().unwrap().to_owned()
    }

    /// The process that serves.
    pub fn server_id(&self) -> u32 {
        self.server.as_ref().unwrap().id()
    }

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// `hpt ARGS` in the directory, without a terminal.
    pub fn command(&self, args: &[&str]) -> Command {
        self.command_of(&self.client_program, args)
    }

    fn command_of(&self, program: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(args)
            .current_dir(self.dir.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.dir.path())
            .env("HPT_KEYSTORE", "client.db")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        Ran::of(args, &self.command(args).output().unwrap())
    }

    /// The same, with something to read on stdin.
    pub fn run_with(&self, args: &[&str], input: &str) -> Ran {
        let mut child = self.command(args).stdin(Stdio::piped()).spawn().unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(input.as_bytes())
            .unwrap();
        Ran::of(args, &child.wait_with_output().unwrap())
    }

    /// `hpt ARGS` that must succeed; what it says on stdout.
    pub fn ok(&self, args: &[&str]) -> String {
        self.run(args).exits(0).out
    }

    /// `hpt --target web1 ARGS`.
    pub fn web1(&self, args: &[&str]) -> Ran {
        self.run(&[&["--target", "web1"], args].concat())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What a process has come to.
pub struct Ran {
    args: String,
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ran {
    pub fn of(args: &[&str], output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("hpt writes UTF-8");
        Self {
            args: args.join(" "),
            code: output.status.code(),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }

    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "hpt {}\n{}{}",
            self.args,
            self.out,
            self.err
        );
        self
    }

    /// What stands somewhere in its words.
    #[track_caller]
    pub fn says(self, words: &str) -> Self {
        let all = format!("{}{}", self.out, self.err);
        assert!(
            all.contains(words),
            "`{words}` is not in\nhpt {}\n{all}",
            self.args
        );
        self
    }
}

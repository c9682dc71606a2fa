//! Starting the process of a run.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hpt_proto::wire::apply_event::Event;
use hpt_proto::wire::{ApplyEvent, RunRequest};
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStdout, Command};

use crate::child::{framed, length_of};

/// What commands of a host find; nothing of the server's own environment is passed on (X1).
pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How long the process that guards a run may take to begin, and from one look to the next.
const BEGINS: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(20);

/// How the process of a run is started.
#[derive(Debug, Clone)]
pub enum Runner {
    /// In a transient unit of its own: what hardens the server does not reach it, and it outlives
    /// the server's restart (T8, A8).
    Unit {
        /// The path of `hpt`.
        program: PathBuf,
    },
    /// As a plain child, where systemd does not run.
    Process {
        /// The path of `hpt`.
        program: PathBuf,
    },
}

impl Runner {
    /// The better one that this machine can do. `program` is the path of `hpt`.
    pub fn detect(program: PathBuf) -> Self {
        if Path::new("/run/systemd/system").is_dir() {
            Self::Unit { program }
        } else {
            Self::Process { program }
        }
    }

    /// `verb` is one of the hidden ones of hpt.
    fn command(&self, verb: &str, run: &str) -> Command {
        let mut command = match self {
            Self::Unit { program } => {
                let mut command = Command::new("systemd-run");
                command
                    .args(["--quiet", "--collect", "--pipe", "--service-type=exec"])
                    .arg(format!("--unit=hpt-{verb}-{run}"))
                    .arg(format!("--description=hpt {verb} {run}"))
                    .arg("--")
                    .arg(program);
                command
            }
            Self::Process { program } => Command::new(program),
        };
        command
            .arg(verb)
            .env_clear()
            .env("PATH", PATH)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        command
    }

    /// Starts the process of a run and hears its answer: that the run has begun, or an end. The run
    /// goes on whatever becomes of this process; what it tells is in its journal.
    pub(crate) async fn start(&self, order: RunRequest, run: &str) -> io::Result<ApplyEvent> {
        let mut child = self.command("run", run).spawn()?;
        let mut orders = child.stdin.take().expect("stdin is piped");
        let mut told = child.stdout.take().expect("stdout is piped");
        orders.write_all(&framed(&order)).await?;
        drop(orders);
        match answer(&mut told).await {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                let status = child.wait().await?;
                let words = format!(
                    "its process ended before it began ({status}); the log of hpt serve there may say why"
                );
                Err(io::Error::other(words))
            }
            Ok(ApplyEvent {
                event: Some(Event::Unable(why)),
                ..
            }) => Err(io::Error::other(why)),
            answer => answer,
        }
    }

    /// Starts the process that guards a run, and waits until it does.
    pub(crate) fn start_guardian(&self, order: &RunRequest, run: &str) -> io::Result<()> {
        let mut command = self.command("guard", run).into_std();
        if matches!(self, Self::Process { .. }) {
            command.stderr(Stdio::null()); // it would keep that of others open
        }
        let mut child = command.spawn()?;
        let mut orders = child.stdin.take().expect("stdin is piped");
        let mut told = child.stdout.take().expect("stdout is piped");
        orders.write_all(&framed(order))?;
        drop(orders);
        let begun = told.read_exact(&mut [0]);
        // It may outlive this process; where it does not, nothing is left of it.
        std::thread::spawn(move || child.wait());
        begun
    }
}

/// Starts the process that guards a run, by a program and an order that are files, and waits until it does:
/// systemd starts it again whatever ends it before its time, also where nobody serves who would see to that.
pub(crate) fn start_lasting_guardian(
    program: &Path,
    order: &Path,
    run: &str,
    is_guarded: &dyn Fn() -> bool,
) -> io::Result<()> {
    let mut command = Command::new("systemd-run").into_std();
    let status = command
        .args(["--quiet", "--collect", "--service-type=exec"])
        .args(["--property=Restart=on-failure", "--property=RestartSec=1"])
        // One that ends more often than that has nothing to read any more, or cannot begin.
        .args([
            "--property=StartLimitIntervalSec=1h",
            "--property=StartLimitBurst=60",
        ])
        .arg(format!("--property=StandardInput=file:{}", order.display()))
        .arg(format!("--unit=hpt-guard-{run}"))
        .arg(format!("--description=hpt guard {run}"))
        .arg("--")
        .arg(program)
        .arg("guard")
        .env_clear()
        .env("PATH", PATH)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    let began = Instant::now();
    // Where there is one that was killed a moment ago, systemd starts none beside it, but itself again.
    while !is_guarded() {
        if began.elapsed() > BEGINS {
            return Err(io::Error::other(format!(
                "nobody guards it (systemd-run: {status})"
            )));
        }
        sleep(LOOK);
    }
    Ok(())
}

async fn answer(told: &mut ChildStdout) -> io::Result<ApplyEvent> {
    let mut length = [0; 4];
    told.read_exact(&mut length).await?;
    let mut event = vec![0; length_of(length)?];
    told.read_exact(&mut event).await?;
    Ok(ApplyEvent::decode(Bytes::from(event))?)
}

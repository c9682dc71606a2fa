//! Starting the process of a run, and hearing it out.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use hpt_proto::wire::apply_event::Event;
use hpt_proto::wire::{ApplyEvent, RunRequest};
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::mpsc::Sender;
use tokio::sync::watch::Receiver;
use tokio::time::timeout;
use tonic::Status;

use crate::child::{framed, length_of};

/// What commands of a host find; nothing of the server's own environment is passed on (X1).
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How long a client may stall before its run goes on without it (J2).
const PATIENCE: Duration = Duration::from_secs(10);

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

    fn command(&self, run: &str) -> Command {
        let mut command = match self {
            Self::Unit { program } => {
                let mut command = Command::new("systemd-run");
                command
                    .args(["--quiet", "--collect", "--pipe", "--service-type=exec"])
                    .arg(format!("--unit=hpt-run-{run}"))
                    .arg(format!("--description=hpt run {run}"))
                    .arg("--")
                    .arg(program);
                command
            }
            Self::Process { program } => Command::new(program),
        };
        command
            .arg("run")
            .env_clear()
            .env("PATH", PATH)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        command
    }

    /// Performs a run and passes on what it tells, until its end. When nobody listens any more the
    /// run goes on all the same; when the server stops it does too, and whoever listens hears no end.
    pub(crate) async fn perform(
        &self,
        order: RunRequest,
        run: &str,
        listener: Sender<Result<ApplyEvent, Status>>,
        mut stopping: Receiver<bool>,
    ) {
        let mut listener = Listener(Some(listener));
        let mut ended = false;
        let heard = async {
            let (mut child, mut told) = self.start(order, run).await?;
            loop {
                let event = tokio::select! {
                    event = next(&mut told) => event?,
                    _ = stopping.wait_for(|stopping| *stopping) => return Ok(None),
                };
                let Some(event) = event else { break };
                ended = is_end(&event);
                listener.hear(Ok(event)).await;
            }
            child.wait().await.map(Some)
        };
        let status = match heard.await {
            Ok(None) => {
                tracing::info!("run {run} goes on without this server");
                return;
            }
            Ok(Some(_)) if ended => {
                tracing::info!("run {run} is over");
                return;
            }
            Ok(Some(status)) => {
                format!("the process of run {run} ended before the run did ({status})")
            }
            Err(error) => format!("the process of run {run} cannot be followed: {error}"),
        };
        tracing::error!("{status}");
        if !ended {
            listener.hear(Err(Status::internal(status))).await;
        }
    }

    async fn start(
        &self,
        order: RunRequest,
        run: &str,
    ) -> io::Result<(Child, BufReader<ChildStdout>)> {
        let mut child = self.command(run).spawn()?;
        let mut orders = child.stdin.take().expect("stdin is piped");
        let told = child.stdout.take().expect("stdout is piped");
        orders.write_all(&framed(&order)).await?;
        Ok((child, BufReader::new(told)))
    }
}

/// The next event; `None` at the end of the stream between two of them.
async fn next(told: &mut BufReader<ChildStdout>) -> io::Result<Option<ApplyEvent>> {
    let mut length = [0; 4];
    match told.read_exact(&mut length).await {
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    };
    let mut event = vec![0; length_of(length)?];
    told.read_exact(&mut event).await?;
    Ok(Some(ApplyEvent::decode(Bytes::from(event))?))
}

fn is_end(event: &ApplyEvent) -> bool {
    match event.event {
        Some(
            Event::Report(_)
            | Event::Faults(_)
            | Event::Busy(_)
            | Event::Moved(_)
            | Event::Missing(_),
        ) => true,
        Some(Event::Started(_) | Event::Output(_) | Event::Note(_) | Event::Finished(_)) | None => {
            false
        }
    }
}

/// The client of a run, while it is there.
struct Listener(Option<Sender<Result<ApplyEvent, Status>>>);

impl Listener {
    async fn hear(&mut self, event: Result<ApplyEvent, Status>) {
        if let Some(listener) = &self.0 {
            let heard = timeout(PATIENCE, listener.send(event)).await;
            if !matches!(heard, Ok(Ok(()))) {
                tracing::info!("the client of a run is gone; the run goes on");
                self.0 = None;
            }
        }
    }
}

//! A process that runs: fed, listened to, and ended with its whole tree when its time is up (X3).

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags, Signal};
use zeroize::Zeroizing;

use super::command::End;
use super::processes::Family;
use crate::host::Stream;

/// From TERM to KILL.
const GRACE: Duration = Duration::from_secs(10);

/// No pipe of an ordinary process holds more.
const LARGEST_PIPE: usize = 1 << 20;

/// As much of a stream is handed over at once.
pub(super) const CHUNK: usize = 64 << 10;

/// A process that has been started, and its ends of the pipes.
pub(super) struct Running {
    child: Child,
    family: Family,
    pidfd: OwnedFd,
    stdin: Option<(ChildStdin, Zeroizing<Vec<u8>>, usize)>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    buffer: Box<[u8]>,
}

impl Running {
    /// Takes a process over.
    pub(super) fn new(mut child: Child, stdin: Option<Zeroizing<Vec<u8>>>) -> io::Result<Self> {
        let pid = i32::try_from(child.id())
            .ok()
            .and_then(Pid::from_raw)
            .expect("a child has a pid");
        let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty())?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let pipes = [
            stdout.as_ref().map(AsFd::as_fd),
            stderr.as_ref().map(AsFd::as_fd),
        ];
        let stdin = child
            .stdin
            .take()
            .zip(stdin)
            .map(|(pipe, bytes)| (pipe, bytes, 0));
        let input = stdin.as_ref().map(|(pipe, ..)| pipe.as_fd());
        for pipe in pipes.into_iter().flatten().chain(input) {
            rustix::io::ioctl_fionbio(pipe, true)?;
        }
        let buffer = vec![0; CHUNK].into();
        Ok(Self {
            family: Family::of(pid),
            child,
            pidfd,
            stdin,
            stdout,
            stderr,
            buffer,
        })
    }

    /// Watches it to its end, and hands over what it writes until then.
    pub(super) fn until_end(
        &mut self,
        timeout: Duration,
        hear: &mut dyn FnMut(Stream, &[u8]),
    ) -> io::Result<End> {
        let begun = Instant::now();
        while !self.pump(timeout.saturating_sub(begun.elapsed()), hear)? {
            if begun.elapsed() >= timeout {
                self.terminate(hear)?;
                return Ok(End::Timeout(timeout));
            }
        }
        let status = self.child.wait()?;
        self.finish(hear)?;
        let signal = std::os::unix::process::ExitStatusExt::signal(&status);
        Ok(status
            .code()
            .map_or_else(|| End::Signal(signal.unwrap_or_default()), End::Exit))
    }

    /// Ends it and all it has started, at once.
    pub(super) fn kill(&self) {
        self.family.kill();
    }

    /// TERM to all, time to obey, KILL to the rest.
    fn terminate(&mut self, hear: &mut dyn FnMut(Stream, &[u8])) -> io::Result<()> {
        let begun = Instant::now();
        self.family.signal(Signal::TERM);
        while begun.elapsed() < GRACE {
            let leader_ended = self.pump(Duration::from_millis(50), hear)?;
            if leader_ended && !self.family.has_others() {
                break;
            }
            if leader_ended {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        self.family.kill();
        self.child.wait()?;
        self.finish(hear)?;
        Ok(())
    }

    /// Waits for something to happen and moves what bytes there are; whether the process has ended.
    fn pump(&mut self, most: Duration, hear: &mut dyn FnMut(Stream, &[u8])) -> io::Result<bool> {
        let ready = {
            let mut fds = vec![PollFd::new(&self.pidfd, PollFlags::IN)];
            fds.extend(
                self.stdout
                    .as_ref()
                    .map(|pipe| PollFd::new(pipe, PollFlags::IN)),
            );
            fds.extend(
                self.stderr
                    .as_ref()
                    .map(|pipe| PollFd::new(pipe, PollFlags::IN)),
            );
            fds.extend(
                self.stdin
                    .as_ref()
                    .map(|(pipe, ..)| PollFd::new(pipe, PollFlags::OUT)),
            );
            let most = Timespec::try_from(most.max(Duration::from_millis(1))).ok();
            match rustix::event::poll(&mut fds, most.as_ref()) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
            !fds[0].revents().is_empty()
        };
        self.feed();
        self.drain(hear)?;
        Ok(ready)
    }

    /// Writes what standard input still takes; a process that closes it early wants no more.
    fn feed(&mut self) {
        let Some((pipe, bytes, written)) = &mut self.stdin else {
            return;
        };
        while *written < bytes.len() {
            match pipe.write(&bytes[*written..]) {
                Ok(n) => *written += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => break,
            }
        }
        self.stdin = None;
    }

    /// Hands over what the process has left in its pipes, which is no more than they hold: whoever
    /// inherited the other ends may write for ever.
    fn finish(&mut self, hear: &mut dyn FnMut(Stream, &[u8])) -> io::Result<()> {
        for _ in 0..LARGEST_PIPE / CHUNK {
            if !self.drain(hear)? {
                break;
            }
        }
        Ok(())
    }

    /// Hands over at most one chunk of each stream; whether there was any.
    fn drain(&mut self, hear: &mut dyn FnMut(Stream, &[u8])) -> io::Result<bool> {
        let out = take(&mut self.stdout, &mut self.buffer, |bytes| {
            hear(Stream::Stdout, bytes);
        })?;
        let err = take(&mut self.stderr, &mut self.buffer, |bytes| {
            hear(Stream::Stderr, bytes);
        })?;
        Ok(out || err)
    }
}

fn take<R: Read>(
    pipe: &mut Option<R>,
    buffer: &mut [u8],
    mut hear: impl FnMut(&[u8]),
) -> io::Result<bool> {
    let Some(open) = pipe else {
        return Ok(false);
    };
    match open.read(buffer) {
        Ok(0) => {
            *pipe = None;
            Ok(false)
        }
        Ok(n) => {
            hear(&buffer[..n]);
            Ok(true)
        }
        Err(e)
            if matches!(
                e.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
            ) =>
        {
            Ok(false)
        }
        Err(e) => Err(e),
    }
}

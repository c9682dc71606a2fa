//! The one session of `hpt install`, by the user's own ssh: what is found on the host, then what it is sent.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::load::Load;
use crate::error::{CommandError, Exit};
use crate::terminal::visible;

const SCRIPT: &str = concat!(include_str!("host.sh"), include_str!("remote.sh"));
/// Runs the script as root, whoever logs in.
const AS_ROOT: &str =
    r#"if [ "$(id -u)" = 0 ]; then exec sh -c "$0"; else exec sudo -n sh -c "$0"; fi"#;
/// Begins a line of the script's own; a shell's greetings do not.
const OWN: &str = "hpt ";

/// What is on the host.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// As `uname -m` has it.
    pub(super) machine: String,
    pub(super) has_systemd: bool,
    pub(super) has_keystore: bool,
}

/// A session that waits for what is to be installed.
pub(super) struct Session {
    destination: String,
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

/// ssh with what the user's own config says of a destination.
#[allow(clippy::disallowed_methods, reason = "the user's own ssh")]
fn ssh(destination: &str, port: Option<u16>, options: &[&str]) -> Command {
    let mut command = Command::new("ssh");
    command.args(options);
    if let Some(port) = port {
        command.args(["-p", &port.to_string()]);
    }
    command.arg("--").arg(destination);
    command
}

/// The name or address by which ssh reaches a destination.
pub(super) fn address(destination: &str, port: Option<u16>) -> String {
    let asked = ssh(destination, port, &["-G"])
        .stdin(Stdio::null())
        .output();
    let text = asked.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let named = text.ok().and_then(|text| {
        let name = text
            .lines()
            .find_map(|line| line.strip_prefix("hostname "))?;
        Some(name.to_owned())
    });
    named.unwrap_or_else(|| {
        let host = destination.rsplit_once('@');
        host.map_or(destination, |(_, host)| host).to_owned()
    })
}

impl Session {
    /// Logs in and looks.
    pub(super) fn open(
        destination: &str,
        port: Option<u16>,
    ) -> Result<(Self, Found), CommandError> {
        let script = format!("sh -c {} {}", quoted(AS_ROOT), quoted(SCRIPT));
        let mut child = ssh(destination, port, &["-T"])
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|why| {
                CommandError::new(Exit::Failed, format!("cannot start ssh: {why}"))
                    .hint("on Debian: apt-get install openssh-client")
            })?;
        let to = child.stdin.take().expect("stdin is piped");
        let from = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let mut this = Self {
            destination: destination.to_owned(),
            child,
            to,
            from,
        };
        let mut found = Found::default();
        loop {
            let line = this.line()?;
            match line.split_once(' ') {
                Some(("machine", machine)) => machine.clone_into(&mut found.machine),
                Some(("init", init)) => found.has_systemd = init == "systemd",
                Some(("keystore", keystore)) => found.has_keystore = keystore == "there",
                _ if line == "ready" => return Ok((this, found)),
                _ => {}
            }
        }
    }

    /// Has it installed; the version that runs there by then.
    pub(super) fn install(mut self, load: &Load<'_>) -> Result<String, CommandError> {
        let Load {
            program,
            keystore,
            unit,
        } = load;
        let sizes = format!("install {}\n", load.sizes());
        let sent = [sizes.as_bytes(), &program.bytes, keystore, unit.as_bytes()]
            .into_iter()
            .try_for_each(|bytes| self.to.write_all(bytes))
            .and_then(|()| self.to.flush());
        // Why it is not taken is told by the other end.
        if let Err(why) = sent
            && why.kind() != io::ErrorKind::BrokenPipe
        {
            return Err(self.failed(&why.to_string()));
        }
        loop {
            let line = self.line()?;
            match line.split_once(' ') {
                Some(("installed", version)) => return Ok(version.to_owned()),
                Some(("failed", why)) => return Err(self.failed(why)),
                _ => {}
            }
        }
    }

    /// The next line of the script's own.
    fn line(&mut self) -> Result<String, CommandError> {
        loop {
            let mut line = String::new();
            match self.from.read_line(&mut line) {
                Ok(0) => return Err(self.over()),
                Ok(_) => {}
                Err(why) => return Err(self.failed(&why.to_string())),
            }
            if let Some(own) = line.strip_prefix(OWN) {
                return Ok(own.trim_end().to_owned());
            }
        }
    }

    /// It ended before it was done; ssh, or sudo there, has said why.
    fn over(&mut self) -> CommandError {
        let status = self.child.wait();
        let how = status.map_or_else(|why| why.to_string(), |status| status.to_string());
        let error = self.failed(&format!("the session ended ({how})"));
        error.hint("who logs in is root, or may sudo without a password")
    }

    fn failed(&self, why: &str) -> CommandError {
        let (destination, why) = (visible(&self.destination), visible(why));
        CommandError::new(Exit::Failed, format!("{destination}: {why}"))
    }
}

/// One word of a shell's.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::disallowed_methods, reason = "a test asks a shell")]
    fn a_shell_takes_a_word_as_it_is() {
        for text in ["it's", "a\nb", "$x `y` \\", "'", SCRIPT] {
            let line = format!("printf %s {}", quoted(text));
            let output = Command::new("sh").args(["-c", &line]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), text);
        }
    }
}

//! The program that serves: its hash, and whether another one can stand in its place.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use hpt_provisioner::host::Hash;
use hpt_provisioner::host::live::LONGEST_KEPT;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use tokio::time::{sleep, timeout};

/// The program that runs, whatever has become of its name.
const OWN: &str = "/proc/self/exe";
/// How long a program may take to say its version, and how much of it is read, in bytes.
const PATIENCE: Duration = Duration::from_secs(10);
const WORDS: u64 = 200;
/// What it says, as `hpt --version` does.
const SAYS: &str = "hpt ";
/// How often a program is tried whose file a process that is just being started still holds open.
const TRIES: u32 = 50;
const PAUSE: Duration = Duration::from_millis(10);

/// Why a program cannot stand in the place of this one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unfit {
    #[error("it is no program: it does not begin as an ELF file does")]
    NotElf,
    #[error("it is for another architecture than this host's")]
    OtherMachine,
    #[error("{0} is {1} bytes long; what can be put back has 64 MiB at most")]
    TooLong(&'static str, u64),
    #[error("it does not run here: {0}")]
    Fails(String),
    #[error("it is no hpt: to `--version` it says {0:?}")]
    OtherProgram(String),
    #[error("it cannot be tried: {0}")]
    Io(#[from] io::Error),
}

/// What an ELF file says of the machines that run it.
#[derive(PartialEq, Eq)]
struct Machine {
    /// 32 or 64 bits, and the order of bytes.
    class: [u8; 2],
    /// `e_machine`.
    number: [u8; 2],
}

impl Machine {
    /// `None` if it is no ELF file.
    fn of(file: &mut File) -> io::Result<Option<Self>> {
        let mut head = [0; 20];
        match file.read_exact(&mut head) {
            Err(why) if why.kind() == ErrorKind::UnexpectedEof => return Ok(None),
            read => read?,
        }
        Ok(head.starts_with(b"\x7fELF").then(|| Self {
            class: [head[4], head[5]],
            number: [head[18], head[19]],
        }))
    }
}

/// The hash of the program that runs.
pub(crate) fn own_hash() -> io::Result<Hash> {
    hash_of(Path::new(OWN))
}

/// The hash of a file.
pub(crate) fn hash_of(path: &Path) -> io::Result<Hash> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path)?)?;
    Ok(hasher.finalize())
}

/// Whether this host could run a program, by what its file says; and whether there is a way back.
pub(crate) fn judge(new: &Path) -> Result<(), Unfit> {
    judge_instead_of(Path::new(OWN), new)
}

fn judge_instead_of(own: &Path, new: &Path) -> Result<(), Unfit> {
    let (mut new, mut own) = (File::open(new)?, File::open(own)?);
    for (which, file) in [("it", &new), ("the hpt that is here", &own)] {
        let length = file.metadata()?.len();
        if length > LONGEST_KEPT {
            return Err(Unfit::TooLong(which, length));
        }
    }
    let machine = Machine::of(&mut new)?.ok_or(Unfit::NotElf)?;
    if Some(machine) != Machine::of(&mut own)? {
        return Err(Unfit::OtherMachine);
    }
    Ok(())
}

/// Has a copy of a program, at this path, say its version: with what it would be served by, a program
/// does not run that is for a later C library. The copy goes again.
pub(crate) async fn try_out(new: &Path, at: &Path) -> Result<String, Unfit> {
    copy(new, at)?;
    let said = timeout(PATIENCE, version(at)).await;
    fs::remove_file(at)?;
    let (version, status) = said.map_err(|_| {
        let seconds = PATIENCE.as_secs();
        Unfit::Fails(format!("to `--version` it says nothing within {seconds} s"))
    })??;
    if !status.success() {
        return Err(Unfit::Fails(format!("`--version` ends with {status}")));
    }
    match version.trim_end().strip_prefix(SAYS) {
        Some(version) => Ok(version.to_owned()),
        None => Err(Unfit::OtherProgram(version)),
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    match fs::remove_file(to) {
        Err(why) if why.kind() != ErrorKind::NotFound => return Err(why),
        _ => {}
    }
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o700).open(to)?;
    io::copy(&mut File::open(from)?, &mut file)?;
    Ok(())
}

/// What a program says to `--version`, and how it ends.
async fn version(program: &Path) -> Result<(String, std::process::ExitStatus), Unfit> {
    let mut tries = 0;
    let mut child = loop {
        let started = Command::new(program)
            .arg("--version")
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn();
        match started {
            Ok(child) => break child,
            // Another process that is being started has what was open here until it is.
            Err(why) if why.kind() == ErrorKind::ExecutableFileBusy && tries < TRIES => {
                tries += 1;
                sleep(PAUSE).await;
            }
            Err(why) => return Err(Unfit::Fails(why.to_string())),
        }
    };
    let mut words = Vec::new();
    let stdout = child.stdout.take().expect("stdout is piped");
    stdout.take(WORDS).read_to_end(&mut words).await?;
    let words = String::from_utf8_lossy(&words).into_owned();
    Ok((words, child.wait().await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_host_or_another_one_runs_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (path, here) = (dir.path().join("new"), dir.path().join("here"));
        // With what the compiler adds for people a test's own program may be longer than can be put back.
        let own = fs::read(OWN).unwrap();
        fs::write(&here, &own[..100]).unwrap();
        let judged = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            judge_instead_of(&here, &path)
        };
        for text in [&b""[..], b"#!/bin/sh\n", b"\x7fELF", &own[1..100]] {
            assert!(matches!(judged(text), Err(Unfit::NotElf)), "{text:?}");
        }
        for at in [4, 5, 18, 19] {
            let mut other = own[..100].to_vec();
            other[at] ^= 0x55;
            assert!(matches!(judged(&other), Err(Unfit::OtherMachine)), "{at}");
        }
        judged(&own[..100]).unwrap();
        let long = File::create(&path).unwrap();
        long.set_len(LONGEST_KEPT + 1).unwrap();
        let too_long = judge_instead_of(&here, &path);
        assert!(matches!(too_long, Err(Unfit::TooLong("it", _))));
        let no_way_back = judge_instead_of(&path, &here);
        assert!(matches!(
            no_way_back,
            Err(Unfit::TooLong("the hpt that is here", _))
        ));
    }

    #[tokio::test]
    async fn what_does_not_say_that_it_is_hpt_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (new, at) = (dir.path().join("new"), dir.path().join("try"));
        let say = async |script: &str| {
            fs::write(&new, format!("#!/bin/sh\n{script}\n")).unwrap();
            try_out(&new, &at).await
        };
        assert_eq!(say("echo hpt 9.9.9").await.unwrap(), "9.9.9");
        let other = say("echo other 1.0").await;
        assert!(matches!(other, Err(Unfit::OtherProgram(_))), "{other:?}");
        let fails = say("echo hpt 9.9.9; exit 3").await;
        assert!(matches!(fails, Err(Unfit::Fails(_))), "{fails:?}");
        // What it says beyond a version is not waited for.
        let endless = say("exec yes hpt").await;
        assert!(matches!(endless, Err(Unfit::Fails(_))), "{endless:?}");
        assert!(!at.exists());
    }
}

//! A question on the terminal whose answer is not seen. Whatever breaks it off, the echo comes back.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, tcgetattr, tcsetattr};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::{SigId, flag, low_level};
use zeroize::Zeroizing;

/// The longest answer, in bytes: as much as a terminal takes in a line.
const LONGEST: usize = 4096;

/// Why there is no answer.
pub(crate) enum Unanswered {
    /// There is nobody to ask.
    NoTerminal,
    /// A signal came, and did not end this process.
    Interrupted,
}

/// A line typed on the terminal, without echo.
pub(crate) fn hidden(prompt: &str) -> Result<Zeroizing<String>, Unanswered> {
    ask(prompt).map_err(|_| Unanswered::NoTerminal)?
}

fn ask(prompt: &str) -> io::Result<Result<Zeroizing<String>, Unanswered>> {
    let mut tty = File::options().read(true).write(true).open("/dev/tty")?;
    let shown = tcgetattr(&tty)?;
    let mut hidden = shown.clone();
    hidden.local_modes.remove(LocalModes::ECHO);
    hidden
        .local_modes
        .insert(LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG);
    // Who stops this process would find a terminal without echo.
    hidden.special_codes[SpecialCodeIndex::VSUSP] = 0;
    let signals = Signals::watch()?;
    tty.write_all(format!("{prompt}: ").as_bytes())?;
    tcsetattr(&tty, OptionalActions::Flush, &hidden)?;
    let mut input = tty.try_clone()?;
    let line = read_line(&mut input, || signals.wait(&tty));
    let _ = tcsetattr(&tty, OptionalActions::Now, &shown);
    let caught = signals.caught();
    drop(signals);
    if let Some(signal) = caught {
        let _ = tty.write_all(b"\n");
        low_level::emulate_default_handler(signal)?;
        return Ok(Err(Unanswered::Interrupted));
    }
    line.map(Ok)
}

/// The first line, without its line feed; `wait` is called before each byte.
pub(crate) fn read_line(
    file: &mut File,
    wait: impl Fn() -> io::Result<()>,
) -> io::Result<Zeroizing<String>> {
    // Made large enough at once: a vector that grows leaves unwiped copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST));
    let mut byte = Zeroizing::new([0]);
    loop {
        wait()?;
        if file.read(byte.as_mut())? == 0 || byte[0] == b'\n' {
            break;
        }
        if bytes.len() == LONGEST {
            return Err(io::Error::other("it is longer than 4 KiB"));
        }
        bytes.push(byte[0]);
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| io::Error::other("it is not UTF-8"))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// The signals that end a process. While this is there they end the question first.
struct Signals {
    /// Readable as soon as one has come.
    woken: UnixStream,
    caught: Arc<AtomicUsize>,
    actions: Vec<SigId>,
}

impl Signals {
    fn watch() -> io::Result<Self> {
        let (woken, wake) = UnixStream::pair()?;
        let mut signals = Self {
            woken,
            caught: Arc::default(),
            actions: Vec::new(),
        };
        let usual = usual()?;
        for signal in wanted() {
            let number = usize::try_from(signal).expect("numbers of signals are small");
            let caught = Arc::clone(&signals.caught);
            let told = flag::register_usize(signal, caught, number)?;
            let woken = low_level::pipe::register(signal, wake.try_clone()?)?;
            signals.actions.extend([told, woken]);
        }
        usual.store(false, Ordering::SeqCst);
        Ok(signals)
    }

    /// Until something is typed; an error when a signal has come.
    fn wait(&self, tty: &File) -> io::Result<()> {
        let mut both = [
            PollFd::new(&self.woken, PollFlags::IN),
            PollFd::new(tty, PollFlags::IN),
        ];
        loop {
            match poll(&mut both, None) {
                Ok(_) if !both[0].revents().is_empty() => {
                    return Err(io::ErrorKind::Interrupted.into());
                }
                Ok(_) => return Ok(()),
                Err(rustix::io::Errno::INTR) => {}
                Err(why) => return Err(why.into()),
            }
        }
    }

    fn caught(&self) -> Option<i32> {
        let number = self.caught.load(Ordering::SeqCst);
        i32::try_from(number).ok().filter(|number| *number != 0)
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        if let Ok(usual) = usual() {
            usual.store(true, Ordering::SeqCst);
        }
        for action in self.actions.drain(..) {
            low_level::unregister(action);
        }
    }
}

/// Whether signals do what they usually do. A handler cannot be taken away again, so that there is
/// one for all questions.
fn usual() -> io::Result<&'static AtomicBool> {
    static USUAL: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    if let Some(usual) = USUAL.get() {
        return Ok(usual);
    }
    let usual = Arc::new(AtomicBool::new(true));
    for signal in wanted() {
        flag::register_conditional_default(signal, Arc::clone(&usual))?;
    }
    Ok(USUAL.get_or_init(|| usual))
}

/// Those that end a process and are not ignored: who started this one with `nohup` meant it.
fn wanted() -> impl Iterator<Item = i32> {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let ignored = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or_default();
    [SIGHUP, SIGINT, SIGQUIT, SIGTERM]
        .into_iter()
        .filter(move |signal| ignored >> (signal - 1) & 1 == 0)
}

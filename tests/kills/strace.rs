//! `hpt` under strace: which system calls it makes, and what becomes of it if one of them is its
//! last or fails.

use std::collections::HashMap;
use std::fs;

use super::host::{Host, Ran};

/// One system call of a run, by the order in which its process makes them.
#[derive(Clone)]
pub struct Call {
    pub name: String,
    /// Which of the calls of this name it is, from 1.
    pub nth: usize,
    /// As strace shows it, with its answer.
    pub line: String,
}

/// Calls that change nothing that outlives the process: death at one of them is death at the next
/// that does.
pub const HARMLESS: [&str; 37] = [
    "access",
    "brk",
    "clock_gettime",
    "close",
    "epoll_create1",
    "epoll_ctl",
    "eventfd2",
    "fcntl",
    "futex",
    "getcwd",
    "getdents64",
    "geteuid",
    "getrandom",
    "gettid",
    "ioctl",
    "lseek",
    "mmap",
    "mprotect",
    "mremap",
    "munmap",
    "newfstatat",
    "openat2",
    "prctl",
    "pread64",
    "prlimit64",
    "read",
    "readlink",
    "readlinkat",
    "rt_sigaction",
    "rt_sigprocmask",
    "sched_getaffinity",
    "sigaltstack",
    "socketpair",
    "statx",
    "uname",
    "fgetxattr",
    "flistxattr",
];

/// Calls that a full, failing or read-only disk may refuse.
const REFUSABLE: [&str; 27] = [
    "chmod",
    "copy_file_range",
    "fallocate",
    "fchmod",
    "fchmodat",
    "fchown",
    "fchownat",
    "fdatasync",
    "fsetxattr",
    "fsync",
    "ftruncate",
    "link",
    "linkat",
    "mkdir",
    "mkdirat",
    "open",
    "openat",
    "rename",
    "renameat",
    "renameat2",
    "rmdir",
    "symlinkat",
    "syncfs",
    "unlink",
    "unlinkat",
    "utimensat",
    "write",
];

impl Call {
    /// Whether death here differs from death at the next call.
    pub fn matters(&self) -> bool {
        let reads = self.name.starts_with("open") && !self.line.contains("O_CREAT");
        !reads && !HARMLESS.contains(&self.name.as_str())
    }

    /// Whether a disk has a say in it.
    pub fn is_refusable(&self) -> bool {
        let to_terminal = ["write(1,", "write(2,"]
            .iter()
            .any(|to| self.line.starts_with(to));
        let wakes = self.line.contains("\"\\1\\0\\0\\0\\0\\0\\0\\0\", 8)");
        !to_terminal && !wakes && REFUSABLE.contains(&self.name.as_str())
    }
}

/// What a run asks of the kernel, from the first call on that names its state.
pub fn calls(host: &Host<'_>) -> Vec<Call> {
    let log = host.path("trace");
    let ran = host.traced(&["-s", "64", "-o", log.to_str().unwrap()]);
    assert_eq!(ran.code, Some(0), "{}: {}", host.case.name, ran.said);
    let text = String::from_utf8_lossy(&fs::read(&log).unwrap()).into_owned();
    let mut counts = HashMap::new();
    let mut calls: Vec<_> = text
        .lines()
        .filter_map(|line| {
            let (name, _) = line.split_once('(')?;
            let is_call = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            let nth = counts.entry(name.to_owned()).or_insert(0);
            *nth += 1;
            is_call.then(|| Call {
                name: name.to_owned(),
                nth: *nth,
                line: line.to_owned(),
            })
        })
        .collect();
    let first = calls.iter().position(|c| c.line.contains("/var/lib/hpt"));
    calls.split_off(first.expect("it names its state"))
}

/// A run that ends in place of this call.
pub fn killed(host: &Host<'_>, at: &Call) -> Ran {
    inject(host, at, "signal=KILL")
}

/// A run in which this call fails.
pub fn failed(host: &Host<'_>, at: &Call, errno: &str) -> Ran {
    inject(host, at, &format!("error={errno}"))
}

fn inject(host: &Host<'_>, at: &Call, what: &str) -> Ran {
    let Call { name, nth, .. } = at;
    let inject = format!("--inject={name}:{what}:when={nth}");
    host.traced(&["-o", "/dev/null", &inject])
}

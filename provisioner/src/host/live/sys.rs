//! The only unsafe code of hpt: what a child process does to itself between fork and exec.
#![allow(unsafe_code, reason = "a hook between fork and exec has no safe form")]

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::fs::Mode;
use rustix::process::{Gid, Uid};

/// Signals are numbered from 1 to this.
const LAST_SIGNAL: libc::c_long = 64;

/// Without `close_range`, as many descriptors are closed one by one.
const MOST_FDS: libc::c_int = 65_536;

/// Who a process is to be: a user, and the groups that a login would give him.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) uid: Uid,
    pub(super) gid: Gid,
    /// All supplementary groups; sorted, since the kernel hands them back so.
    pub(super) groups: Vec<Gid>,
}

/// Makes a command start as a process of its own: its own session without a terminal, default
/// signals, no descriptor but the standard three, the parent of its orphans, and `identity` if given.
pub(super) fn isolate(command: &mut Command, identity: Option<Identity>, umask: u32) {
    // Everything the hook needs exists before the fork, since it may not allocate.
    let mut seen: Vec<libc::gid_t> = Vec::new();
    if let Some(identity) = &identity {
        seen.resize(identity.groups.len() + 1, 0);
    }
    let umask = Mode::from_raw_mode(umask);
    let hook = move || {
        rustix::process::setsid()?;
        rustix::process::umask(umask);
        default_signals();
        // Kept over exec: orphans of the command become its children, so that its tree stays whole.
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        close_on_exec();
        identity
            .as_ref()
            .map_or(Ok(()), |identity| become_user(identity, &mut seen))
    };
    // SAFETY: between fork and exec in a process with threads only async-signal-safe calls are
    // sound. The hook makes system calls on data it owns since before the fork; it neither
    // allocates, locks nor unwinds (an errno in an io::Error is a plain number).
    unsafe { command.pre_exec(hook) };
}

/// Sets each signal to its default and unblocks all, by the kernel's own calls: the C library keeps
/// two signals for itself and would refuse them.
fn default_signals() {
    // A kernel `sigaction` is a handler, flags, a restorer and a mask of one word each; all zero
    // means the default. Eight words are more than any architecture reads.
    let default = [0_u64; 8];
    let size: libc::size_t = 8;
    let none = std::ptr::null_mut::<u64>();
    for signal in 1..=LAST_SIGNAL {
        // SAFETY: the kernel reads at most the array and writes nothing through a null pointer.
        // KILL and STOP are refused harmlessly.
        unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), none, size) };
    }
    // SAFETY: the kernel reads one word, an empty set, and writes nothing through a null pointer.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            default.as_ptr(),
            none,
            size,
        )
    };
}

/// Marks every descriptor from 3 up as closed on exec; the hook's own pipe is among them and still
/// needed until then.
fn close_on_exec() {
    const CLOEXEC: libc::c_ulong = 4;
    let (first, last): (libc::c_ulong, libc::c_ulong) = (3, 0xffff_ffff);
    // SAFETY: close_range takes three integers and touches no memory.
    if unsafe { libc::syscall(libc::SYS_close_range, first, last, CLOEXEC) } == 0 {
        return;
    }
    for fd in 3..MOST_FDS {
        // SAFETY: fcntl with F_SETFD takes integers; a number that is no descriptor gives EBADF.
        unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
}

/// Groups first, while that is still allowed, the user last; then looks whether it is so (X2).
fn become_user(identity: &Identity, seen: &mut [libc::gid_t]) -> io::Result<()> {
    let (uid, gid) = (identity.uid, identity.gid);
    rustix::thread::set_thread_groups(&identity.groups)?;
    rustix::thread::set_thread_res_gid(gid, gid, gid)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid)?;
    let room = libc::c_int::try_from(seen.len()).map_err(|_| denied())?;
    let (mut uids, mut gids) = ([u32::MAX; 3], [u32::MAX; 3]);
    // SAFETY: the pointers are to three distinct integers each, and to `room` integers; all live.
    let count = unsafe {
        let [r, e, s] = &mut uids;
        if libc::getresuid(r, e, s) != 0 {
            return Err(denied());
        }
        let [r, e, s] = &mut gids;
        if libc::getresgid(r, e, s) != 0 {
            return Err(denied());
        }
        libc::getgroups(room, seen.as_mut_ptr())
    };
    let seen = usize::try_from(count)
        .ok()
        .and_then(|count| seen.get(..count))
        .ok_or_else(denied)?;
    let groups = identity.groups.iter().map(|group| group.as_raw());
    if uids == [uid.as_raw(); 3] && gids == [gid.as_raw(); 3] && groups.eq(seen.iter().copied()) {
        return Ok(());
    }
    Err(denied())
}

fn denied() -> io::Error {
    io::Error::from_raw_os_error(libc::EPERM)
}

//! The processes of a command: found in /proc, and ended to the last one (X3).

use std::collections::HashMap;
use std::fs;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions};

/// A killed process is gone within this time.
const DYING: Duration = Duration::from_secs(5);

/// A command's first process and whatever came of it: descendants, and orphans that hpt inherited.
pub(super) struct Family {
    leader: Pid,
    /// When the leader started, in clock ticks since boot.
    since: u64,
    me: Pid,
}

/// One line of /proc/PID/stat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Process {
    pid: Pid,
    parent: i32,
    session: i32,
    started: u64,
    dead: bool,
}

impl Family {
    /// The family of a process that has just been started and not been waited for.
    pub(super) fn of(leader: Pid) -> Self {
        let since = process(leader.as_raw_pid()).map_or(0, |process| process.started);
        Self {
            leader,
            since,
            me: rustix::process::getpid(),
        }
    }

    /// Sends a signal to each living member; how many there were.
    pub(super) fn signal(&self, signal: Signal) -> usize {
        let members = self.members();
        for pid in &members {
            let _ = rustix::process::kill_process(*pid, signal);
        }
        members.len()
    }

    /// Kills all members. Each is stopped first, so that none can fork while the others die.
    pub(super) fn kill(&self) {
        let mut stopped = 0;
        loop {
            let now = self.signal(Signal::STOP);
            if now <= stopped {
                break;
            }
            stopped = now;
        }
        // One that hangs in the kernel cannot die; it is not waited for.
        let begun = Instant::now();
        while self.signal(Signal::KILL) > 0 && begun.elapsed() < DYING {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.reap();
    }

    /// Whether anyone but the leader is alive.
    pub(super) fn has_others(&self) -> bool {
        self.members().iter().any(|pid| *pid != self.leader)
    }

    /// Orphans are hpt's children now and would stay zombies; the leader is waited for elsewhere.
    fn reap(&self) {
        for process in self.adopted(&all()) {
            let _ = rustix::process::waitpid(Some(process.pid), WaitOptions::NOHANG);
        }
    }

    /// An orphan of the family: a child of ours that another session began, since the command did.
    fn adopted<'p>(&self, all: &'p [Process]) -> impl Iterator<Item = &'p Process> {
        let (me, since, leader) = (self.me, self.since, self.leader);
        // Read here, not from getsid: in a container the session may have begun outside, and is 0.
        let own = all.iter().find(|p| p.pid == me).map_or(0, |p| p.session);
        all.iter().filter(move |p| {
            p.parent == me.as_raw_pid() && p.pid != leader && p.session != own && p.started >= since
        })
    }

    fn members(&self) -> Vec<Pid> {
        let all = all();
        let mut children: HashMap<i32, Vec<&Process>> = HashMap::new();
        for process in &all {
            children.entry(process.parent).or_default().push(process);
        }
        let mut found: Vec<&Process> = all.iter().filter(|p| p.pid == self.leader).collect();
        found.extend(self.adopted(&all));
        let mut next = 0;
        while let Some(process) = found.get(next) {
            found.extend(
                children
                    .get(&process.pid.as_raw_pid())
                    .into_iter()
                    .flatten()
                    .copied(),
            );
            next += 1;
        }
        found
            .iter()
            .filter(|process| !process.dead)
            .map(|process| process.pid)
            .collect()
    }
}

fn all() -> Vec<Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| process(entry.file_name().to_str()?.parse().ok()?))
        .collect()
}

fn process(pid: i32) -> Option<Process> {
    parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// `PID (NAME) STATE PPID PGRP SESSION ...`; the name may hold spaces and parentheses itself.
fn parse(stat: &str) -> Option<Process> {
    let (pid, rest) = stat.split_once(' ')?;
    let (_, rest) = rest.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    Some(Process {
        pid: Pid::from_raw(pid.parse().ok()?)?,
        dead: matches!(*fields.first()?, "Z" | "X"),
        parent: fields.get(1)?.parse().ok()?,
        session: fields.get(3)?.parse().ok()?,
        started: fields.get(19)?.parse().ok()?,
    })
}

/// The name of a process, for words.
pub(super) fn name(pid: Pid) -> String {
    let comm = fs::read_to_string(format!("/proc/{}/comm", pid.as_raw_pid()));
    comm.map_or_else(|_| "another process".into(), |name| name.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_process_name_moves_no_field() {
        let tail = "S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 777 20";
        for name in ["sh", "a b", ") Z 9 9 9 (", "(("] {
            let process = parse(&format!("42 ({name}) {tail}")).unwrap();
            assert_eq!(
                (process.pid.as_raw_pid(), process.parent, process.session),
                (42, 1, 3),
                "{name}"
            );
            assert_eq!((process.started, process.dead), (777, false));
        }
        assert_eq!(parse(""), None);
        assert_eq!(parse("1 (x"), None);
    }
}

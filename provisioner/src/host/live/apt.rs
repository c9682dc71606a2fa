//! Packages by apt and dpkg: what is asked of them, in which words, and what their words mean.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::command::{End, Spawn};
use super::dpkg::Packages;
use super::tail::{Tail, describe};
use super::{apt_calls, apt_words, locks};
use crate::effect::{Transaction, Want};
use crate::host::{Done, HostError, Progress};

/// Whoever holds a lock is waited for so long (A7).
const LOCK_WAIT: Duration = Duration::from_mins(2);

/// The locks that apt and dpkg take, in their order.
const LOCKS: [&str; 3] = [
    "/var/lib/dpkg/lock-frontend",
    "/var/lib/dpkg/lock",
    "/var/lib/apt/lists/lock",
];

/// apt at work for one batch of transactions.
pub(super) struct Apt<'a> {
    /// Reads dpkg's record anew.
    pub(super) packages: &'a dyn Fn() -> Result<Arc<Packages>, HostError>,
    /// Hears what goes on.
    pub(super) tell: &'a mut dyn FnMut(Progress),
    pub(super) refreshed: bool,
}

impl Apt<'_> {
    /// Performs transactions, all at once where that works; answers in order, up to a failure.
    pub(super) fn perform(&mut self, batch: &[&Transaction]) -> Vec<Result<Done, HostError>> {
        if let Err(error) = self.prepare(batch) {
            return vec![Err(error)];
        }
        let merged = merge(batch);
        if let Err(error) = self.check(&merged) {
            // Somebody's package is refused; apart, the others are still served.
            return if batch.len() > 1 {
                self.one_by_one(batch)
            } else {
                vec![Err(error)]
            };
        }
        let failure = self.transact(&merged).err();
        self.answers(batch, failure)
    }

    fn one_by_one(&mut self, batch: &[&Transaction]) -> Vec<Result<Done, HostError>> {
        let mut answers = Vec::new();
        for transaction in batch {
            let failure = self
                .check(transaction)
                .and_then(|()| self.transact(transaction))
                .err();
            answers.extend(self.answers(&[transaction], failure));
            if answers.last().is_some_and(Result::is_err) {
                break;
            }
        }
        answers
    }

    /// What is there now decides what was done; a failure falls to the first that is not.
    fn answers(
        &self,
        batch: &[&Transaction],
        mut failure: Option<HostError>,
    ) -> Vec<Result<Done, HostError>> {
        let packages = match (self.packages)() {
            Ok(packages) => packages,
            Err(error) => return vec![Err(failure.unwrap_or(error))],
        };
        let mut answers = Vec::new();
        for transaction in batch {
            if failure.is_some() && !is_done(transaction, &packages) {
                answers.extend(failure.take().map(Err));
                return answers;
            }
            let note = note(transaction, &packages);
            answers.push(Ok(Done { note, exit: None }));
        }
        // All that was asked for is there, and apt failed over something else that it also tried.
        if let (Some(error), Some(Ok(done))) = (failure, answers.last_mut()) {
            let words = error.to_string();
            let first = words.split("; it ").next().unwrap_or_default();
            done.note = format!("{}, but {first}", done.note);
        }
        answers
    }

    /// Waits for the locks, repairs what a crash has left, and refreshes the lists where needed.
    fn prepare(&mut self, batch: &[&Transaction]) -> Result<(), HostError> {
        let tell = &mut *self.tell;
        let locks: Vec<&Path> = LOCKS.iter().map(Path::new).collect();
        locks::wait(&locks, LOCK_WAIT, &mut |note| tell(Progress::Note(note)))?;
        let journal =
            std::fs::read_dir("/var/lib/dpkg/updates").is_ok_and(|mut d| d.next().is_some());
        if journal || (self.packages)()?.any_unconfigured() {
            (self.tell)(Progress::Note(
                "configuring packages that were left half installed".into(),
            ));
            // Whether it helped is seen in the transaction; what is broken may be what it replaces.
            self.call(&apt_calls::configure())?;
        }
        let installs = batch.iter().any(|t| !t.install.is_empty());
        let asked = batch.iter().any(|t| t.refresh);
        if asked || (installs && lists_are_stale()) {
            self.refresh()
        } else {
            Ok(())
        }
    }

    fn refresh(&mut self) -> Result<(), HostError> {
        if std::mem::replace(&mut self.refreshed, true) {
            return Ok(());
        }
        (self.tell)(Progress::Note("refreshing the package lists".into()));
        let (end, tail) = self.call(&apt_calls::update())?;
        if end == End::Exit(0) {
            Ok(())
        } else {
            Err(blame("apt-get update", end, &tail))
        }
    }

    /// Asks apt what the transaction would do, and refuses what no block asked for.
    fn check(&mut self, wanted: &Transaction) -> Result<(), HostError> {
        let (mut end, mut tail) = Self::simulate(wanted)?;
        if end != End::Exit(0) && apt_words::is_unknown(&tail.text()) && !self.refreshed {
            self.refresh()?;
            (end, tail) = Self::simulate(wanted)?;
        }
        if end != End::Exit(0) {
            return Err(blame("apt-get", end, &tail));
        }
        let foreseen = apt_words::Foreseen::parse(&tail.text());
        let named = |name: &str| {
            wanted
                .remove
                .iter()
                .any(|n| apt_words::same(n.as_str(), name))
        };
        let unasked: Vec<&str> = foreseen
            .removed
            .iter()
            .map(String::as_str)
            .filter(|name| !named(name))
            .collect();
        if !unasked.is_empty() {
            let why = format!(
                "apt would remove {}, which no block asks for",
                unasked.join(", ")
            );
            return Err(HostError::Refused(why));
        }
        // Where no package is called `foo+`, apt takes that for "install foo" (X4).
        let packages = (self.packages)()?;
        for want in wanted
            .install
            .iter()
            .filter(|want| want.name.as_str().ends_with('+'))
        {
            let known = packages.get(&want.name).is_some()
                || foreseen
                    .installed
                    .iter()
                    .any(|name| apt_words::same(want.name.as_str(), name));
            if !known {
                return Err(HostError::Refused(format!(
                    "there is no package `{}`",
                    want.name
                )));
            }
        }
        Ok(())
    }

    /// A simulation only reads, so nothing of it is shown.
    fn simulate(wanted: &Transaction) -> Result<(End, Tail), HostError> {
        apt_calls::simulate(wanted).listen(&mut |_, _| {})
    }

    fn transact(&mut self, wanted: &Transaction) -> Result<(), HostError> {
        if wanted.install.is_empty() && wanted.remove.is_empty() {
            return Ok(());
        }
        let (end, tail) = self.call(&apt_calls::transact(wanted))?;
        if end == End::Exit(0) {
            Ok(())
        } else {
            Err(blame("apt-get", end, &tail))
        }
    }

    fn call(&mut self, spawn: &Spawn) -> Result<(End, Tail), HostError> {
        let tell = &mut *self.tell;
        spawn.listen(&mut |stream, bytes| {
            tell(Progress::Output {
                stream,
                bytes: bytes.to_vec(),
            });
        })
    }
}

fn merge(batch: &[&Transaction]) -> Transaction {
    let mut merged = Transaction::default();
    for transaction in batch {
        for want in &transaction.install {
            if !merged.install.contains(want) {
                merged.install.push(want.clone());
            }
        }
        merged.remove.extend(transaction.remove.iter().cloned());
        merged.refresh |= transaction.refresh;
    }
    merged
}

fn is_done(transaction: &Transaction, packages: &Packages) -> bool {
    let there = |want: &Want| {
        let package = packages
            .get(&want.name)
            .filter(|package| package.configured);
        package.is_some_and(|p| want.version.is_none() || p.version == want.version)
    };
    transaction.install.iter().all(there)
        && transaction
            .remove
            .iter()
            .all(|name| packages.get(name).is_none())
}

fn note(transaction: &Transaction, packages: &Packages) -> String {
    let version = |want: &Want| {
        packages
            .get(&want.name)?
            .version
            .as_ref()
            .map(ToString::to_string)
    };
    let versions: Vec<String> = transaction.install.iter().filter_map(version).collect();
    match (versions.is_empty(), transaction.remove.is_empty()) {
        (false, true) => format!("installed {}", versions.join(", ")),
        (false, false) => format!(
            "installed {}, removed {}",
            versions.join(", "),
            transaction.remove.len()
        ),
        (true, false) => "removed".into(),
        (true, true) => String::new(),
    }
}

/// Lists that are missing, or older than what says where they come from.
fn lists_are_stale() -> bool {
    let lists = Path::new("/var/lib/apt/lists");
    let names = std::fs::read_dir(lists)
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.file_name());
    let mut indexes = names.filter(|name| name.to_string_lossy().contains("_Packages"));
    if indexes.next().is_none() {
        return true;
    }
    let modified = |path: &Path| path.metadata().and_then(|meta| meta.modified()).ok();
    let sources = [
        "/etc/apt/sources.list",
        "/etc/apt/sources.list.d",
        "/etc/apt/preferences.d",
    ];
    let newest = sources
        .iter()
        .filter_map(|path| modified(Path::new(path)))
        .max();
    let refreshed = ["/var/lib/apt/lists", "/var/lib/apt/lists/partial"];
    let last = refreshed
        .iter()
        .filter_map(|path| modified(Path::new(path)))
        .max();
    newest > last
}

fn blame(program: &str, end: End, tail: &Tail) -> HostError {
    let why = match apt_words::blamed(&tail.text()) {
        Some(name) => format!("failed on package {name}; it {}", describe(end, tail)),
        None => describe(end, tail),
    };
    HostError::Program {
        program: program.into(),
        why,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::live::apt_calls::tests::transaction;

    #[test]
    fn a_failure_falls_to_the_first_that_is_not_in_place() {
        let status = "Package: aa\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n\n\
                      Package: bb\nStatus: install ok half-configured\nArchitecture: all\nVersion: 2\n";
        let packages = Arc::new(Packages::parse(status));
        let read = || Ok(Arc::clone(&packages));
        let apt = Apt {
            packages: &read,
            tell: &mut |_| {},
            refreshed: false,
        };
        let batch =
            [("aa", None), ("bb", None), ("cc", None)].map(|want| transaction(&[want], &[]));
        let batch: Vec<&Transaction> = batch.iter().collect();
        let answers = apt.answers(&batch, Some(HostError::Refused("why".into())));
        assert_eq!(answers.len(), 2);
        assert_eq!(answers[0].as_ref().unwrap().note, "installed 1");
        assert_eq!(answers[1].as_ref().unwrap_err().to_string(), "why");
        let all_there = apt.answers(
            &batch[..1],
            Some(HostError::Refused("why; it exited".into())),
        );
        assert_eq!(all_there[0].as_ref().unwrap().note, "installed 1, but why");
    }

    #[test]
    fn equal_wants_are_merged_into_one() {
        let (a, b) = (
            transaction(&[("aa", None), ("bb", None)], &[]),
            transaction(&[("bb", None)], &["cc"]),
        );
        assert_eq!(
            merge(&[&a, &b]),
            transaction(&[("aa", None), ("bb", None)], &["cc"])
        );
    }
}

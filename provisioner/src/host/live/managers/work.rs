//! Packages by any manager: waits, asks first what would happen, acts, and looks at what is there.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::super::command::{End, Spawn};
use super::super::locks;
use super::super::tail::Tail;
use super::objection::{blame, unasked, would_remove};
use super::transactions::{is_done, merge, note};
use super::{Manager, Packages, wanted};
use crate::effect::Transaction;
use crate::host::{Done, HostError, Progress};
use crate::name::PackageName;

/// Whoever holds a lock is waited for so long (A7).
const LOCK_WAIT: Duration = Duration::from_mins(2);

/// A manager at work for one batch of transactions.
pub(in super::super) struct Work<'a> {
    /// Which.
    pub(in super::super) manager: &'a dyn Manager,
    /// Reads its record anew.
    pub(in super::super) packages: &'a dyn Fn() -> Result<Arc<Packages>, HostError>,
    /// Hears what goes on.
    pub(in super::super) tell: &'a mut dyn FnMut(Progress),
    /// Where its programs are, if not where programs of the system are.
    pub(in super::super) tools: Option<PathBuf>,
    /// Whether the lists were refreshed in this batch.
    pub(in super::super) refreshed: bool,
}

/// Why a transaction did not work.
struct Failure {
    error: HostError,
    /// It was refused before anything was done, so that others may still be served.
    untouched: bool,
}

impl From<HostError> for Failure {
    fn from(error: HostError) -> Self {
        Self {
            error,
            untouched: false,
        }
    }
}

impl Failure {
    fn untouched(error: HostError) -> Self {
        Self {
            error,
            untouched: true,
        }
    }
}

impl Work<'_> {
    /// Performs transactions, all at once where that works; answers in order, up to a failure.
    pub(in super::super) fn perform(
        &mut self,
        batch: &[&Transaction],
    ) -> Vec<Result<Done, HostError>> {
        let merged = merge(batch);
        if let Err(error) = self.prepare(&merged) {
            return vec![Err(error)];
        }
        match self.bring_about(&merged) {
            // Somebody's package is refused; apart, the others are still served.
            Err(failure) if failure.untouched && batch.len() > 1 => self.one_by_one(batch),
            result => self.answers(batch, result.err().map(|failure| failure.error)),
        }
    }

    fn one_by_one(&mut self, batch: &[&Transaction]) -> Vec<Result<Done, HostError>> {
        let mut answers = Vec::new();
        for transaction in batch {
            let failure = self.bring_about(transaction).err();
            answers.extend(self.answers(&[transaction], failure.map(|failure| failure.error)));
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
            // Only the manager itself can say whether what it was to upgrade is the newest now.
            let done = is_done(transaction, &packages) && transaction.upgrade.is_empty();
            if failure.is_some() && !done {
                answers.extend(failure.take().map(Err));
                return answers;
            }
            let note = note(transaction, &packages);
            answers.push(Ok(Done::noting(note)));
        }
        // All that was asked for is there, and it failed over something else that it also tried.
        if let (Some(error), Some(Ok(done))) = (failure, answers.last_mut()) {
            let words = error.to_string();
            let first = words.split("; it ").next().unwrap_or_default();
            done.note = format!("{}, but {first}", done.note);
        }
        answers
    }

    /// Waits for the locks, repairs what a crash has left, and refreshes the lists where needed.
    fn prepare(&mut self, merged: &Transaction) -> Result<(), HostError> {
        let tell = &mut *self.tell;
        locks::wait(self.manager.locks(), LOCK_WAIT, &mut |note| {
            tell(Progress::Note(note));
        })?;
        if let Some(repair) = self.manager.repair(&*(self.packages)()?) {
            (self.tell)(Progress::Note(
                "configuring packages that were left half installed".into(),
            ));
            // Whether it helped is seen in the transaction; what is broken may be what it replaces.
            self.call(repair)?;
        }
        let installs = wanted(merged).next().is_some();
        if merged.refresh || (installs && self.manager.lists_are_stale()) {
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
        self.succeed(self.manager.refresh())
    }

    /// Checks and does one transaction. If the lists do not know a package, they are refreshed and
    /// it is tried once more.
    fn bring_about(&mut self, transaction: &Transaction) -> Result<(), Failure> {
        match self.attempt(transaction) {
            Err(Unknown::Name(_)) if !self.refreshed => {
                self.refresh().map_err(Failure::untouched)?;
                self.attempt(transaction).map_err(Failure::from)
            }
            result => result.map_err(Failure::from),
        }
    }

    fn attempt(&mut self, transaction: &Transaction) -> Result<(), Unknown> {
        if let Some(why) = self.manager.cannot(transaction) {
            return Err(Unknown::Other(Failure::untouched(HostError::Refused(why))));
        }
        let packages = (self.packages)()?;
        let changes = wanted(transaction).next().is_some() || !transaction.remove.is_empty();
        if changes {
            self.check(transaction, &packages)?;
        }
        // What is held may move if the block that holds it says so; it is held again in any case.
        let released = wanted(transaction).map(|want| want.name);
        let released = released.filter(|name| transaction.hold.contains(name));
        let released: Vec<PackageName> = released
            .filter(|name| packages.get(name).is_some_and(|package| package.held))
            .collect();
        let free: Vec<PackageName> = [&released[..], &transaction.unhold].concat();
        if !free.is_empty()
            && let Some(call) = self.manager.unhold(&free)
        {
            self.succeed(call)?;
        }
        let result = if changes {
            self.change(transaction, &packages)
        } else {
            Ok(())
        };
        let to_hold = if result.is_ok() {
            &transaction.hold
        } else {
            &released
        };
        let again = self.hold(to_hold);
        result?;
        again.map_err(Unknown::from)
    }

    fn hold(&mut self, names: &[PackageName]) -> Result<(), HostError> {
        if names.is_empty() {
            return Ok(());
        }
        let packages = (self.packages)()?;
        self.manager
            .hold(names, &packages)
            .map_or(Ok(()), |call| self.succeed(call))
    }

    fn change(&mut self, transaction: &Transaction, packages: &Packages) -> Result<(), Unknown> {
        for (done, call) in self
            .manager
            .change(transaction, packages)
            .into_iter()
            .enumerate()
        {
            let label = call.label.clone();
            let (end, tail) = self.call(call)?;
            if !self.manager.worked(end, &tail.text()) {
                let error = self.blame(&label, end, &tail);
                return Err(if done == 0 && self.manager.is_unknown(&tail.text()) {
                    Unknown::Name(error)
                } else {
                    Unknown::Other(error.into())
                });
            }
        }
        Ok(())
    }

    /// Asks what the transaction would do, and refuses what no block asked for.
    fn check(&mut self, wanted: &Transaction, packages: &Packages) -> Result<(), Unknown> {
        let Some(call) = self.manager.simulate(wanted) else {
            return Ok(());
        };
        let label = call.label.clone();
        // A simulation only reads, so nothing of it is shown.
        let (end, tail) = self.at(call).listen(&mut |_, _| {})?;
        if end != End::Exit(0) {
            let error = self.blame(&label, end, &tail);
            return Err(if self.manager.is_unknown(&tail.text()) {
                Unknown::Name(error)
            } else {
                Unknown::Other(Failure::untouched(error))
            });
        }
        let foreseen = self.manager.foreseen(&tail.text());
        let refuse = |why| Err(Unknown::Other(Failure::untouched(HostError::Refused(why))));
        let unasked = unasked(self.manager, wanted, &tail.text());
        if !unasked.is_empty() {
            return refuse(would_remove(self.manager, &unasked));
        }
        // Where no package is called `foo+`, apt takes that for "install foo" (X4).
        let strange = super::wanted(wanted).map(|want| want.name).find(|name| {
            name.as_str().ends_with('+')
                && packages.get(name).is_none()
                && !foreseen
                    .installed
                    .iter()
                    .any(|its| self.manager.same(name, its))
        });
        match strange {
            Some(name) => refuse(format!("there is no package `{name}`")),
            None => Ok(()),
        }
    }

    fn succeed(&mut self, call: Spawn) -> Result<(), HostError> {
        let label = call.label.clone();
        let verb = call.args.iter().map(|arg| arg.as_str());
        let label = match verb.into_iter().find(|arg| VERBS.contains(arg)) {
            Some(verb) => format!("{label} {verb}"),
            None => label,
        };
        let (end, tail) = self.call(call)?;
        if end == End::Exit(0) {
            Ok(())
        } else {
            Err(self.blame(&label, end, &tail))
        }
    }

    fn call(&mut self, call: Spawn) -> Result<(End, Tail), HostError> {
        let call = self.at(call);
        let tell = &mut *self.tell;
        call.listen(&mut |stream, bytes| {
            tell(Progress::Output {
                stream,
                bytes: bytes.to_vec(),
            });
        })
    }

    fn at(&self, mut call: Spawn) -> Spawn {
        if let Some(dir) = &self.tools {
            let program = dir.join(call.program.as_str());
            call.program = Zeroizing::new(program.display().to_string());
        }
        call
    }

    fn blame(&self, program: &str, end: End, tail: &Tail) -> HostError {
        blame(self.manager, program, end, tail)
    }
}

/// What an error names besides the program.
const VERBS: [&str; 8] = [
    "update",
    "makecache",
    "refresh",
    "hold",
    "unhold",
    "versionlock",
    "addlock",
    "removelock",
];

/// Why an attempt failed: the lists do not know a name, so that nothing was done; or otherwise.
enum Unknown {
    Name(HostError),
    Other(Failure),
}

impl From<HostError> for Unknown {
    fn from(error: HostError) -> Self {
        Self::Other(error.into())
    }
}

impl From<Unknown> for Failure {
    fn from(unknown: Unknown) -> Self {
        match unknown {
            Unknown::Name(error) => Self::untouched(error),
            Unknown::Other(failure) => failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::live::managers::apt::tests::transaction;
    use crate::host::live::managers::{apt, dpkg};

    #[test]
    fn a_failure_falls_to_the_first_that_is_not_in_place() {
        let status = "Package: aa\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n\n\
                      Package: bb\nStatus: install ok half-configured\nArchitecture: all\nVersion: 2\n";
        let packages = Arc::new(dpkg::parse(status));
        let read = || Ok(Arc::clone(&packages));
        let apt = Work {
            manager: &apt::Apt,
            packages: &read,
            tools: None,
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
}

//! Performs effects: which part of the host each is for, and what is read anew around it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::access::Numbers;
use super::accounts::Accounts;
use super::command::{End, Spawn};
use super::exec::Login;
use super::git::{self, Git};
use super::managers::Work;
use super::spot::failed;
use super::stamp::Stamp;
use super::write::Writer;
use super::{
    Live, checkout, deadline, directory, edit_accounts, exec, fresh, git_auth, no_services, probe,
    remove, settings, unit_jobs, unpack,
};
use crate::effect::{Access, CloneJob, Command, Effect, Transaction, WriteFile};
use crate::host::probe::{Looked, Probe};
use crate::host::{Done, HostError, Memo, Mutate, Progress, Stream};
use crate::name::AbsPath;
use crate::undo::PreImages;

/// As much of a command's standard output as is kept for `changed_if` and `result`, in bytes.
const HEARD: usize = 64 << 10;

/// A check of a file's new content takes no longer.
const CHECK_TIMEOUT: Duration = Duration::from_mins(1);

impl Mutate for Live {
    fn perform(
        &mut self,
        batch: &[Effect],
        tell: &mut dyn FnMut(usize, Progress),
    ) -> Vec<Result<Done, HostError>> {
        self.forget();
        let answers = self.act(batch, tell);
        for path in batch.iter().filter_map(Effect::path) {
            self.systemds.outdate(path);
        }
        // What was looked at in order to act is old by now.
        self.forget();
        answers
    }

    fn keep(&mut self, paths: &[&AbsPath]) -> Result<PreImages, HostError> {
        self.keep_files(paths)
    }

    fn guard(&mut self, command: &Command) -> Result<bool, HostError> {
        self.forget();
        let answer = self.ask(command);
        self.forget();
        answer
    }

    fn probe(&mut self, probe: &Probe, most: Duration) -> Looked {
        self.forget();
        let began = Instant::now();
        deadline::set(Some(most));
        let looked = probe::look(self, probe, most);
        deadline::set(None);
        self.forget();
        Looked {
            wrong: looked.err(),
            took: began.elapsed(),
        }
    }

    fn reboot(&mut self, most: Duration) -> Result<(), HostError> {
        self.forget();
        Spawn::tool("systemctl", ["reboot"]).succeed(&mut |_, _| {})?;
        std::thread::sleep(most);
        let seconds = most.as_secs();
        let why = format!("the host was asked to reboot, and has not gone down within {seconds} s");
        Err(HostError::Refused(why))
    }

    fn limit(&mut self, time: Option<Duration>) {
        deadline::set(time);
    }

    fn refresh(&mut self) {
        self.forget();
    }

    fn pause(&mut self, time: Duration) {
        self.forget();
        std::thread::sleep(time);
    }

    fn settle(&mut self) -> Result<(), HostError> {
        self.forget();
        if self.powers.services {
            self.systemds.reload()?;
        }
        Ok(())
    }
}

impl Live {
    /// Runs a guard; whether it exited 0. A plan asks so too, if the guard is said to be pure.
    ///
    /// # Errors
    /// If it could not be started or was killed.
    pub fn ask(&self, guard: &Command) -> Result<bool, HostError> {
        self.may_exec()?;
        let accounts = self.accounts_of(&[command_access(guard)])?;
        match exec::run(guard, &accounts, &mut |_, _| {})? {
            End::Exit(code) => Ok(code == 0),
            end => Err(HostError::Program {
                program: "the guard".into(),
                why: end.to_string(),
            }),
        }
    }

    fn act(
        &self,
        batch: &[Effect],
        tell: &mut dyn FnMut(usize, Progress),
    ) -> Vec<Result<Done, HostError>> {
        let done = |result: Result<(), HostError>| vec![result.map(|()| Done::default())];
        match batch {
            [Effect::Remove { .. }, ..] => self.remove(batch),
            [Effect::Remember { memo, kept }] => done(self.memos.set(memo, *kept)),
            [Effect::Group(edit)] => done(edit_accounts::edit_group(edit, self.tree.path())),
            [Effect::User(edit)] => {
                let accounts = self.accounts();
                done(accounts.and_then(|a| edit_accounts::edit_user(edit, &a, self.tree.path())))
            }
            [Effect::Run(command)] => vec![self.run(command, &mut |progress| tell(0, progress))],
            [Effect::Unpack(job)] => done(unpack::unpack(self, job)),
            [Effect::Clone(job)] => vec![self.check_out(job, &mut |progress| tell(0, progress))],
            [Effect::Set { setting, value }] if self.powers.kernel => {
                done(settings::set(self, setting, value.as_deref()))
            }
            [Effect::Set { setting, .. }] => {
                let why =
                    format!("cannot set {setting}: this root does not run, or hpt is not root");
                vec![Err(HostError::Refused(why))]
            }
            [Effect::Unit { unit, job }] if self.powers.services => {
                let systemd = self.systemd_of(&unit.scope);
                let perform = |systemd: Arc<_>| unit_jobs::perform(&systemd, &unit.name, *job);
                vec![systemd.and_then(perform)]
            }
            [Effect::Unit { .. }] => vec![Err(no_services())],
            [Effect::Packages(_), ..] => {
                self.packages_at_once(batch, &mut |progress| tell(0, progress))
            }
            _ => self.write(batch),
        }
    }

    fn remove(&self, batch: &[Effect]) -> Vec<Result<Done, HostError>> {
        let mut answers = remove::remove(&self.tree, batch);
        self.note_open(batch, &mut answers);
        answers
    }

    /// Notes where secrets are about to be, before they are.
    fn note_secrets(&self, batch: &[Effect]) -> Result<(), HostError> {
        for effect in batch {
            if let Effect::WriteFile(file) = effect
                && file.secret
            {
                self.memos.set(&Memo::Secret(file.path.clone()), true)?;
            }
        }
        Ok(())
    }

    /// Notes where none is any more.
    fn note_open(&self, batch: &[Effect], answers: &mut Vec<Result<Done, HostError>>) {
        for (at, effect) in batch.iter().enumerate() {
            let (Some(Ok(_)), Some(path)) = (answers.get(at), effect.path()) else {
                return;
            };
            let replaces = match effect {
                Effect::WriteFile(file) => !file.secret,
                Effect::Link { .. } | Effect::Remove { .. } => true,
                _ => false,
            };
            let memo = Memo::Secret(path.clone());
            let noted = match self.memos.has(&memo) {
                Ok(true) if replaces => self.memos.set(&memo, false),
                other => other.map(drop),
            };
            if let Err(error) = noted {
                answers.truncate(at);
                return answers.push(Err(error));
            }
        }
    }

    pub(super) fn write(&self, batch: &[Effect]) -> Vec<Result<Done, HostError>> {
        if let Err(error) = self.note_secrets(batch) {
            return vec![Err(error)];
        }
        let named: Vec<Access> = batch.iter().filter_map(access_of).cloned().collect();
        let accounts = match self.accounts_of(&named) {
            Ok(accounts) => accounts,
            Err(error) => return vec![Err(error)],
        };
        let mut check = |argv: &[String]| {
            self.may_exec()?;
            let (program, args) = argv.split_first().ok_or_else(|| {
                HostError::Refused("the check of a file's content has no program".into())
            })?;
            let mut spawn = Spawn::tool(program, args.iter().cloned());
            spawn.timeout = CHECK_TIMEOUT;
            spawn.succeed(&mut |_, _| {}).map(drop)
        };
        let mut answers =
            Writer::new(&self.tree, &accounts, &self.blobs, &self.temps, &mut check).perform(batch);
        for (effect, answer) in batch.iter().zip(&answers) {
            if let (Effect::WriteFile(file), Ok(_)) = (effect, answer) {
                self.know_moved(file);
            }
        }
        self.note_open(batch, &mut answers);
        answers
    }

    /// A long blob that became its file was hashed on its way in, and is not read once more.
    fn know_moved(&self, file: &WriteFile) {
        if let Some(hash) = fresh::movable(&file.content)
            && !self.blobs.has(hash)
            && let Ok(Some(spot)) = self.tree.spot(&file.path)
            && let Ok(Some(stat)) = spot.stat()
        {
            self.kept.hashes.keep(Stamp::of(&stat), *hash);
        }
    }

    fn packages_at_once<'e>(
        &self,
        batch: &'e [Effect],
        tell: &mut dyn FnMut(Progress),
    ) -> Vec<Result<Done, HostError>> {
        let Some(manager) = self.manager.filter(|_| self.powers.packages) else {
            let why = "packages need root rights, a running root and a package manager";
            return vec![Err(HostError::Refused(why.into()))];
        };
        let transaction = |effect: &'e Effect| match effect {
            Effect::Packages(transaction) => Some(transaction),
            _ => None,
        };
        let batch: Vec<&Transaction> = batch.iter().filter_map(transaction).collect();
        Work {
            manager,
            packages: &|| self.read_packages(),
            tell,
            tools: None,
            refreshed: false,
        }
        .perform(&batch)
    }

    pub(super) fn run(
        &self,
        command: &Command,
        tell: &mut dyn FnMut(Progress),
    ) -> Result<Done, HostError> {
        self.may_exec()?;
        let accounts = self.accounts_of(&[command_access(command)])?;
        let mut stdout = Vec::new();
        let end = exec::run(command, &accounts, &mut |stream, bytes| {
            if stream == Stream::Stdout {
                let room = HEARD.saturating_sub(stdout.len());
                stdout.extend_from_slice(&bytes[..room.min(bytes.len())]);
            }
            tell(Progress::Output {
                stream,
                bytes: bytes.to_vec(),
            });
        })?;
        let code = exec::judge(command, end)?;
        let stdout = String::from_utf8_lossy(&stdout).into_owned();
        let changed = command.changed_if.as_ref();
        Ok(Done {
            exit: Some(code),
            idle: changed.is_some_and(|changed| !changed.says(code, &stdout)),
            stdout,
            ..Done::default()
        })
    }

    /// Makes the working tree's directory for its owner where there is none, and lets git fill it.
    fn check_out(&self, job: &CloneJob, tell: &mut dyn FnMut(Progress)) -> Result<Done, HostError> {
        self.may_exec()?;
        git_auth::check_url(&job.url)?;
        git::is_installed()?;
        let access = Access {
            owner: job.owner.clone(),
            ..Access::default()
        };
        let accounts = self.accounts_of(&[access])?;
        let login = Login::of(&accounts, job.owner.as_ref(), None)?;
        let id = login.identity.as_ref();
        let numbers = Numbers {
            uid: id.map(|id| id.uid.as_raw()),
            gid: id.map(|id| id.gid.as_raw()),
            mode: None,
        };
        let none = || {
            HostError::Refused(format!(
                "cannot clone to {}: its directory does not exist",
                job.dest
            ))
        };
        let spot = self.tree.spot(&job.dest)?.ok_or_else(none)?;
        let cannot = |e| failed("cannot look at", &job.dest, e);
        if !spot.holds(|_| true).map_err(cannot)? {
            directory::make(&self.tree, &self.temps, &spot, &job.dest, numbers)?;
        } else if checkout::read(&self.tree, &job.dest)?.is_none() {
            let why = format!("{} is neither empty nor a git working tree", job.dest);
            return Err(HostError::Refused(why));
        }
        Git::new(
            job,
            self.tree.outside(&job.dest),
            login,
            git::PROTOCOLS,
            tell,
        )?
        .perform()
    }

    fn may_exec(&self) -> Result<(), HostError> {
        if self.powers.exec {
            return Ok(());
        }
        Err(HostError::Refused(
            "commands cannot run in a root that is not running".into(),
        ))
    }

    /// The accounts as they are now, with all users and groups that are named.
    fn accounts_of(&self, named: &[Access]) -> Result<Arc<Accounts>, HostError> {
        let mut accounts = self.accounts()?;
        for access in named {
            let owner = access.owner.as_ref().map(|name| ("passwd", name.as_str()));
            let group = access.group.as_ref().map(|name| ("group", name.as_str()));
            for (database, name) in owner.into_iter().chain(group) {
                accounts = self.accounts_with(accounts, database, name)?;
            }
        }
        Ok(accounts)
    }
}

fn access_of(effect: &Effect) -> Option<&Access> {
    match effect {
        Effect::WriteFile(file) => Some(&file.access),
        Effect::MakeDir { access, .. } | Effect::SetAccess { access, .. } => Some(access),
        _ => None,
    }
}

/// Whom a command runs as.
fn command_access(command: &Command) -> Access {
    Access {
        owner: command.user.clone(),
        group: command.group.clone(),
        mode: None,
    }
}

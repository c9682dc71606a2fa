//! Working trees by the git binary: run as their owner, over https and ssh only, with nothing of
//! the repository's or the host's own configuration in play (X5).

use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

use super::command::{End, Spawn};
use super::exec::Login;
use super::git_auth;
use super::private::PrivateDir;
use super::tail::{Tail, describe};
use crate::effect::CloneJob;
use crate::host::{Done, HostError, Progress};

/// A fetch takes no longer.
const LONGEST: Duration = Duration::from_mins(30);

/// The protocols that git may use, however it comes to one: by URL, redirect or submodule.
pub(super) const PROTOCOLS: &str = "https:ssh";

/// Settings that hold against those of the repository.
const SETTINGS: [(&str, &str); 5] = [
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("credential.helper", ""),
    ("submodule.recurse", "false"),
    ("advice.detachedHead", "false"),
];

/// git at work on one job.
pub(super) struct Git<'a> {
    job: &'a CloneJob,
    dir: PathBuf,
    login: Login,
    env: Vec<(String, Zeroizing<String>)>,
    /// Keys and passwords; gone with the job.
    _private: PrivateDir,
    tell: &'a mut dyn FnMut(Progress),
}

/// What a revision turned out to be on the remote.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    Branch(String),
    Tag(String),
    Commit(String),
}

impl<'a> Git<'a> {
    /// Prepares a job on the directory `dir`, which exists and belongs to `login`.
    pub(super) fn new(
        job: &'a CloneJob,
        dir: PathBuf,
        login: Login,
        protocols: &str,
        tell: &'a mut dyn FnMut(Progress),
    ) -> Result<Self, HostError> {
        let private = PrivateDir::new(login.identity.as_ref())?;
        let mut env = login.env();
        env.retain(|(name, _)| name != "LANG");
        let mut settings: Vec<(String, String)> = SETTINGS
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        settings.extend(git_auth::credential(job, &private)?);
        let mut set = |name: &str, value: String| env.push((name.to_owned(), value.into()));
        set("LC_ALL", "C".into());
        set("GIT_TERMINAL_PROMPT", "0".into());
        set("GIT_ASKPASS", "/bin/false".into());
        set("GIT_ALLOW_PROTOCOL", protocols.to_owned());
        set("GIT_CONFIG_NOSYSTEM", "1".into());
        // A repository that the directory happens to lie in is none of ours.
        let above = dir.parent().unwrap_or(Path::new("/"));
        set("GIT_CEILING_DIRECTORIES", above.display().to_string());
        set("GIT_CONFIG_GLOBAL", "/dev/null".into());
        set("GIT_SSH_COMMAND", git_auth::ssh(job, &private)?);
        set("GIT_CONFIG_COUNT", settings.len().to_string());
        for (at, (key, value)) in settings.into_iter().enumerate() {
            set(&format!("GIT_CONFIG_KEY_{at}"), key);
            set(&format!("GIT_CONFIG_VALUE_{at}"), value);
        }
        Ok(Self {
            job,
            dir,
            login,
            env,
            _private: private,
            tell,
        })
    }

    /// Brings the working tree to the wanted revision.
    pub(super) fn perform(&mut self) -> Result<Done, HostError> {
        let fresh = !self.dir.join(".git").exists();
        if !fresh {
            self.refuse_local_changes()?;
        }
        // Asked before anything is made here: a remote that cannot be reached leaves no trace.
        let target = self.find_target()?;
        if fresh {
            self.succeed(&["init", "--quiet"])?;
            self.succeed(&["remote", "add", "--", "origin", &self.job.url])?;
        } else {
            self.succeed(&["remote", "set-url", "--", "origin", &self.job.url])?;
        }
        let start = self.fetch(&target)?;
        self.refuse_local_commits()?;
        let mut checkout = vec!["checkout", "--quiet"];
        checkout.extend(self.job.force.then_some("--force"));
        match &target {
            Target::Branch(name) => checkout.extend(["-B", name, &start]),
            Target::Tag(_) | Target::Commit(_) => checkout.extend(["--detach", &start]),
        }
        checkout.push("--");
        self.succeed(&checkout)?;
        if self.job.submodules {
            let mut update = vec!["submodule", "update", "--init", "--recursive"];
            update.extend(self.job.force.then_some("--force"));
            let depth = self.depth();
            update.extend(depth.as_deref());
            self.succeed(&update)?;
        }
        let commit = self.succeed(&["rev-parse", "HEAD"])?.trim().to_owned();
        self.remember(&commit)?;
        let note = format!("at {}", commit.get(..12).unwrap_or(&commit));
        Ok(Done::noting(note))
    }

    fn depth(&self) -> Option<String> {
        self.job.depth.map(|depth| format!("--depth={depth}"))
    }

    /// Fetches what the target needs; what it is called here.
    fn fetch(&mut self, target: &Target) -> Result<String, HostError> {
        let depth = self.depth();
        match target {
            Target::Branch(name) => {
                let here = format!("refs/remotes/origin/{name}");
                let refspec = format!("+refs/heads/{name}:{here}");
                self.succeed(&fetch(depth.as_deref(), &[&refspec]))?;
                Ok(format!("{here}^{{commit}}"))
            }
            Target::Tag(name) => {
                let tag = format!("refs/tags/{name}");
                self.succeed(&fetch(depth.as_deref(), &[&format!("+{tag}:{tag}")]))?;
                Ok(format!("{tag}^{{commit}}"))
            }
            Target::Commit(id) => {
                // Not every server hands out a commit by its name; then all branches must do.
                let refspec = format!("+{id}:refs/remotes/origin/hpt-{id}");
                let by_name = is_whole(id)
                    && self.git(&fetch(depth.as_deref(), &[&refspec]))?.0 == End::Exit(0);
                if !by_name {
                    let all = [
                        "+refs/heads/*:refs/remotes/origin/*",
                        "+refs/tags/*:refs/tags/*",
                    ];
                    self.succeed(&fetch(None, &all))?;
                }
                Ok(format!("{id}^{{commit}}"))
            }
        }
    }

    /// Notes in the tree what was asked for and what that was, which the commit alone does not say.
    fn remember(&mut self, commit: &str) -> Result<(), HostError> {
        match self.job.rev.clone() {
            Some(rev) => self.succeed(&["config", "hpt.rev", &rev])?,
            // It may never have been set.
            None => self.git(&["config", "--unset", "hpt.rev"])?.1.text(),
        };
        self.succeed(&["config", "hpt.commit", commit]).map(drop)
    }

    /// Asks the remote what the wanted revision is.
    fn find_target(&mut self) -> Result<Target, HostError> {
        let Some(rev) = &self.job.rev else {
            let refs = self.succeed(&["ls-remote", "--symref", "--", &self.job.url, "HEAD"])?;
            let branch = refs.lines().find_map(|line| {
                line.strip_prefix("ref: refs/heads/")?
                    .split('\t')
                    .next()
                    .map(str::to_owned)
            });
            let empty =
                || HostError::Refused(format!("the repository {} has no HEAD", self.job.url));
            return branch.map(Target::Branch).ok_or_else(empty);
        };
        if rev.starts_with('-') || rev.contains(|c: char| c.is_control() || " ~^:?*[\\".contains(c))
        {
            return Err(HostError::Refused(
                "a revision is the name of a branch or tag, or a commit".into(),
            ));
        }
        if is_whole(rev) {
            return Ok(Target::Commit(rev.clone()));
        }
        let (branch, tag) = (format!("refs/heads/{rev}"), format!("refs/tags/{rev}"));
        let refs = self.succeed(&["ls-remote", "--", &self.job.url, &branch, &tag])?;
        let has = |name: &str| {
            refs.lines()
                .any(|line| line.split('\t').nth(1) == Some(name))
        };
        match (has(&branch), has(&tag)) {
            (true, _) => Ok(Target::Branch(rev.clone())),
            (_, true) => Ok(Target::Tag(rev.clone())),
            _ if is_hex(rev) => Ok(Target::Commit(rev.clone())),
            _ => {
                let why = format!(
                    "{} has no branch or tag `{rev}`, and it is no commit",
                    self.job.url
                );
                Err(HostError::Refused(why))
            }
        }
    }

    fn refuse_local_changes(&mut self) -> Result<(), HostError> {
        if self.job.force {
            return Ok(());
        }
        let changed = self.succeed(&["status", "--porcelain", "--untracked-files=no"])?;
        match changed.lines().next() {
            None => Ok(()),
            Some(first) => Err(HostError::Refused(format!(
                "{} has local changes ({}); `force = true` throws them away",
                self.dir.display(),
                first.trim()
            ))),
        }
    }

    /// Commits that no reference of the remote holds would be lost from sight.
    fn refuse_local_commits(&mut self) -> Result<(), HostError> {
        if self.job.force {
            return Ok(());
        }
        let args = [
            "rev-list",
            "--max-count=1",
            "HEAD",
            "--not",
            "--remotes",
            "--tags",
        ];
        // Before the first checkout there is no HEAD, and nothing to lose.
        let (end, local) = self.git(&args)?;
        if end == End::Exit(0) && !local.text().trim().is_empty() {
            let why = format!(
                "{} has commits that were not pushed; `force = true` leaves them behind",
                self.dir.display()
            );
            return Err(HostError::Refused(why));
        }
        Ok(())
    }

    fn succeed(&mut self, args: &[&str]) -> Result<String, HostError> {
        let (end, tail) = self.git(args)?;
        if end == End::Exit(0) {
            return Ok(tail.text());
        }
        let program = format!("git {}", args[0]);
        Err(HostError::Program {
            program,
            why: describe(end, &tail),
        })
    }

    fn git(&mut self, args: &[&str]) -> Result<(End, Tail), HostError> {
        let spawn = Spawn {
            env: self.env.clone(),
            dir: self.dir.clone(),
            identity: self.login.identity.clone(),
            timeout: LONGEST,
            ..Spawn::tool("git", args.iter().copied())
        };
        let tell = &mut *self.tell;
        spawn.listen(&mut |stream, bytes| {
            tell(Progress::Output {
                stream,
                bytes: bytes.to_vec(),
            });
        })
    }
}

fn fetch<'w>(depth: Option<&'w str>, refspecs: &[&'w str]) -> Vec<&'w str> {
    let mut words = vec!["fetch", "--no-recurse-submodules", "--no-tags", "--force"];
    words.extend(depth);
    words.extend(["--", "origin"]);
    words.extend(refspecs);
    words
}

fn is_hex(text: &str) -> bool {
    text.len() >= 7 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Whether a commit is named in full, by SHA-1 or SHA-256.
fn is_whole(id: &str) -> bool {
    matches!(id.len(), 40 | 64) && is_hex(id)
}

/// Whether git can be started at all, in better words than those of a missing program.
pub(super) fn is_installed() -> Result<(), HostError> {
    let found = super::command::PATH
        .split(':')
        .any(|dir| Path::new(dir).join("git").is_file());
    if found {
        return Ok(());
    }
    let why = "git is not installed; a [[package]] block before this one can install it";
    Err(HostError::Refused(why.into()))
}

#[cfg(test)]
mod tests;

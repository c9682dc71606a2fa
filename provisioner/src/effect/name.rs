//! What an effect is, all of it, as one hash: two that are named the same do the same.

use std::fmt::Debug;

use super::{
    Access, CloneJob, Command, Content, Effect, GroupEdit, Program, Transaction, UnpackJob,
    UserEdit, UserShape, WriteFile,
};
use crate::host::Hash;
use crate::name::{AbsPath, UserName};
use crate::secret::Secret;

/// Puts together what an effect is. Of a secret only a fingerprint goes in.
struct Name<'a> {
    hasher: blake3::Hasher,
    fingerprint: &'a dyn Fn(&[u8]) -> String,
}

impl Effect {
    /// Names it. `fingerprint` is the host's own.
    pub(crate) fn name(&self, fingerprint: &dyn Fn(&[u8]) -> String) -> Hash {
        let mut name = Name {
            hasher: blake3::Hasher::new(),
            fingerprint,
        };
        name.effect(self);
        name.hasher.finalize()
    }

    /// The least effects that it consists of: an apply that finds a part of it done has the others to do.
    pub(crate) fn parts(&self) -> Vec<Self> {
        match self {
            Self::SetAccess { path, access } => access_parts(path, access),
            Self::Packages(transaction) => package_parts(transaction),
            Self::Group(GroupEdit::AddMembers { name, members }) => {
                let alone = |member: &UserName| {
                    let (name, members) = (name.clone(), vec![member.clone()]);
                    Self::Group(GroupEdit::AddMembers { name, members })
                };
                members.iter().map(alone).collect()
            }
            Self::User(UserEdit::Modify { name, to }) => user_parts(name, to),
            whole => vec![whole.clone()],
        }
    }

    /// What it comes to where the thing that it makes is there by then, and is not as it should be.
    pub(crate) fn rest(&self) -> Vec<Self> {
        match self {
            Self::WriteFile(WriteFile { path, access, .. }) | Self::MakeDir { path, access } => {
                access_parts(path, access)
            }
            Self::Group(GroupEdit::Add {
                name,
                gid: Some(gid),
                ..
            }) => {
                let (name, gid) = (name.clone(), *gid);
                vec![Self::Group(GroupEdit::SetGid { name, gid })]
            }
            Self::User(UserEdit::Add { name, as_, .. }) => user_parts(name, as_),
            _ => Vec::new(),
        }
    }
}

fn access_parts(path: &AbsPath, access: &Access) -> Vec<Effect> {
    let Access { owner, group, mode } = access.clone();
    let nothing = Access::default;
    let parts = [
        owner.map(|owner| Access {
            owner: Some(owner),
            ..nothing()
        }),
        group.map(|group| Access {
            group: Some(group),
            ..nothing()
        }),
        mode.map(|mode| Access {
            mode: Some(mode),
            ..nothing()
        }),
    ];
    let alone = |access| Effect::SetAccess {
        path: path.clone(),
        access,
    };
    parts.into_iter().flatten().map(alone).collect()
}

/// Refreshing the lists is no part: it changes no package.
fn package_parts(transaction: &Transaction) -> Vec<Effect> {
    let Transaction {
        install,
        upgrade,
        remove,
        hold,
        unhold,
        refresh: _,
    } = transaction.clone();
    let nothing = Transaction::default;
    let installs = install.into_iter().map(|want| Transaction {
        install: vec![want],
        ..nothing()
    });
    let upgrades = upgrade.into_iter().map(|name| Transaction {
        upgrade: vec![name],
        ..nothing()
    });
    let removes = remove.into_iter().map(|name| Transaction {
        remove: vec![name],
        ..nothing()
    });
    let holds = hold.into_iter().map(|name| Transaction {
        hold: vec![name],
        ..nothing()
    });
    let releases = unhold.into_iter().map(|name| Transaction {
        unhold: vec![name],
        ..nothing()
    });
    let all = installs
        .chain(upgrades)
        .chain(removes)
        .chain(holds)
        .chain(releases);
    all.map(Effect::Packages).collect()
}

fn user_parts(name: &UserName, shape: &UserShape) -> Vec<Effect> {
    let UserShape {
        uid,
        group,
        comment,
        home,
        shell,
        join,
        leave,
        password_hash,
        locked,
        expires,
    } = shape.clone();
    let nothing = UserShape::default;
    let fields = [
        uid.map(|uid| UserShape {
            uid: Some(uid),
            ..nothing()
        }),
        group.map(|group| UserShape {
            group: Some(group),
            ..nothing()
        }),
        comment.map(|comment| UserShape {
            comment: Some(comment),
            ..nothing()
        }),
        home.map(|home| UserShape {
            home: Some(home),
            ..nothing()
        }),
        shell.map(|shell| UserShape {
            shell: Some(shell),
            ..nothing()
        }),
        password_hash.map(|hash| UserShape {
            password_hash: Some(hash),
            ..nothing()
        }),
        locked.map(|locked| UserShape {
            locked: Some(locked),
            ..nothing()
        }),
        expires.map(|expires| UserShape {
            expires: Some(expires),
            ..nothing()
        }),
    ];
    let joins = join.into_iter().map(|group| UserShape {
        join: vec![group],
        ..nothing()
    });
    let leaves = leave.into_iter().map(|group| UserShape {
        leave: vec![group],
        ..nothing()
    });
    let all = fields.into_iter().flatten().chain(joins).chain(leaves);
    let alone = |to| {
        let name = name.clone();
        Effect::User(UserEdit::Modify { name, to })
    };
    all.map(alone).collect()
}

impl Name<'_> {
    fn add(&mut self, part: &impl Debug) {
        let text = format!("{part:?}\0");
        self.hasher.update(text.as_bytes());
    }

    fn secret(&mut self, secret: &Secret) {
        let print = (self.fingerprint)(secret.expose().as_bytes());
        self.add(&print);
    }

    fn maybe_secret(&mut self, secret: Option<&Secret>) {
        self.add(&secret.is_some());
        secret.into_iter().for_each(|secret| self.secret(secret));
    }

    fn effect(&mut self, effect: &Effect) {
        match effect {
            Effect::WriteFile(file) => self.file(file),
            Effect::MakeDir { path, access } => self.add(&("dir", path, access)),
            Effect::Link { path, to } => self.add(&("link", path, to)),
            Effect::SetAccess { path, access } => self.add(&("access", path, access)),
            Effect::Remove { path, recursive } => self.add(&("remove", path, recursive)),
            Effect::Packages(transaction) => self.add(&("packages", transaction)),
            Effect::Group(edit) => self.add(&("group", edit)),
            Effect::User(edit) => self.user(edit),
            Effect::Unit { unit, job } => self.add(&("unit", unit, job)),
            Effect::Set { setting, value } => self.add(&("set", setting, value)),
            Effect::Unpack(job) => self.unpack(job),
            Effect::Clone(job) => self.clone_job(job),
            Effect::Run(command) => self.command(command),
            Effect::Remember { memo, kept } => self.add(&("remember", memo, kept)),
        }
    }

    fn file(&mut self, file: &WriteFile) {
        let WriteFile {
            path,
            content,
            access,
            verify,
            secret,
        } = file;
        self.add(&("write", path, access, verify, secret));
        // What is not to be shown may be guessed at as a secret may.
        match content {
            Content::Inline(bytes) if *secret => {
                let print = (self.fingerprint)(bytes);
                self.add(&print);
            }
            content => self.add(&content.hash()),
        }
    }

    fn user(&mut self, edit: &UserEdit) {
        match edit {
            UserEdit::Add {
                name,
                as_,
                system,
                create_home,
            } => {
                self.add(&("user", name, system, create_home));
                self.shape(as_);
            }
            UserEdit::Modify { name, to } => {
                self.add(&("modify", name));
                self.shape(to);
            }
            UserEdit::Remove { name, remove_home } => self.add(&("no user", name, remove_home)),
        }
    }

    fn shape(&mut self, shape: &UserShape) {
        let UserShape {
            uid,
            group,
            comment,
            home,
            shell,
            join,
            leave,
            password_hash,
            locked,
            expires,
        } = shape;
        self.add(&(
            uid, group, comment, home, shell, join, leave, locked, expires,
        ));
        self.maybe_secret(password_hash.as_ref());
    }

    fn unpack(&mut self, job: &UnpackJob) {
        let UnpackJob {
            source: _,
            hash,
            dest,
            strip,
            access,
            allow_setuid,
        } = job;
        self.add(&("unpack", hash, dest, strip, access, allow_setuid));
    }

    fn clone_job(&mut self, job: &CloneJob) {
        let CloneJob {
            url,
            dest,
            rev,
            depth,
            submodules,
            owner,
            force,
            deploy_key,
            known_hosts,
            user,
            password,
        } = job;
        self.add(&("clone", url, dest, rev, depth, submodules, owner));
        self.add(&(force, known_hosts, user));
        self.maybe_secret(deploy_key.as_ref());
        self.maybe_secret(password.as_ref());
    }

    fn command(&mut self, command: &Command) {
        let Command {
            program,
            user,
            group,
            dir,
            env,
            stdin,
            umask,
            success,
            changed_if,
            undo,
        } = command;
        match program {
            Program::Argv(words) => {
                self.add(&("run", words.len()));
                words.iter().for_each(|word| self.secret(word));
            }
            Program::Script { interpreter, text } => {
                self.add(&("script", interpreter));
                self.secret(text);
            }
        }
        self.add(&(user, group, dir, umask, success, changed_if));
        for (name, value) in env {
            self.add(name);
            self.secret(value);
        }
        self.maybe_secret(stdin.as_ref());
        self.add(&undo.as_ref().map(|(interpreter, _)| interpreter));
        self.maybe_secret(undo.as_ref().map(|(_, script)| script));
    }
}

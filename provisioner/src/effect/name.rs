//! What an effect is, all of it, as one hash: two that are named the same do the same.

use std::fmt::Debug;

use super::{
    CloneJob, Command, Content, Effect, Program, UnpackJob, UserEdit, UserShape, WriteFile,
};
use crate::host::Hash;
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
        if let Some(secret) = secret {
            self.secret(secret);
        }
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
                for word in words {
                    self.secret(word);
                }
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

//! Which keystore, and the way to the private keys in it.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use hpt_keystore::client::{self, Behind, ClientKeys, FindError, KnownTarget};
use hpt_keystore::target::statement;
use hpt_keystore::{Keypair, Own, Passphrase, SigningKey, TargetName};
use hpt_transport::LocalKey;
use zeroize::Zeroizing;

use crate::context::Context;
use crate::env::{Variable, env};
use crate::error::{CommandError, Exit};
use crate::fleet::Member;
use crate::prompt::{self, Unanswered};
use crate::succession::Next;

/// What it takes to reach a target.
pub(crate) struct Reach {
    /// The key by which it knows this client.
    pub(crate) key: LocalKey,
    pub(crate) target: KnownTarget,
    /// The keys that it is to know instead, if it does not yet.
    pub(crate) next: Option<Next>,
}

impl Reach {
    fn now(key: LocalKey, target: KnownTarget) -> Self {
        Self {
            key,
            target,
            next: None,
        }
    }
}

impl Context {
    /// `--keystore` or `HPT_KEYSTORE`, else the user's own.
    pub(crate) fn keystore(&self) -> Result<PathBuf, CommandError> {
        // Not by clap's own `env`: its usage lines would then show the option as if it were typed.
        let named = self.global.keystore.clone();
        if let Some(path) = named.or_else(|| env(Variable::HPT_KEYSTORE).map(PathBuf::from)) {
            return Ok(path);
        }
        if rustix::process::geteuid().is_root() {
            return Ok("/etc/hpt/keystore.db".into());
        }
        let home = || env(Variable::HOME).map(|home| Path::new(&home).join(".config"));
        let base = env(Variable::XDG_CONFIG_HOME)
            .map(PathBuf::from)
            .or_else(home);
        base.map(|base| base.join("hpt/keystore.db"))
            .ok_or_else(|| {
                CommandError::new(Exit::Keystore, "there is no HOME to look for a keystore in")
                    .hint("`--keystore FILE` or HPT_KEYSTORE names one")
            })
    }

    /// What it takes to reach one target.
    pub(crate) fn keys_for(&mut self, name: &TargetName) -> Result<Reach, CommandError> {
        if let Some(reach) = self.member.as_mut().and_then(Member::take_keys) {
            return Ok(reach);
        }
        let path = self.keystore()?;
        let (own, target) = client::load_target(&path, name)?;
        if !matches!(target.behind, Some(Behind::Follows { .. })) {
            let key = LocalKey::new(self.open(own)?.channel);
            return Ok(Reach::now(key, target));
        }
        let keys = client::load(&path)?;
        let unknown = || FindError::Unknown {
            path,
            name: name.clone(),
            known: Vec::new(),
        };
        let reached = self.reach_all(keys, |target| target.name == *name)?.pop();
        Ok(reached.ok_or_else(unknown)?)
    }

    /// What it takes to reach some targets.
    pub(crate) fn reach_all(
        &mut self,
        keys: ClientKeys,
        is_meant: impl Fn(&KnownTarget) -> bool,
    ) -> Result<Vec<Reach>, CommandError> {
        let ClientKeys {
            own,
            mut old,
            targets,
            ..
        } = keys;
        let own = self.open(own)?;
        let identity = own.identity();
        let newest = LocalKey::new(own.channel);
        let mut opened: BTreeMap<u32, (LocalKey, SigningKey)> = BTreeMap::new();
        let mut all = Vec::new();
        for mut target in targets.into_iter().filter(is_meant) {
            let (number, psk) = match target.behind.take() {
                Some(Behind::Follows { old, psk }) => (old, psk),
                behind => {
                    target.behind = behind;
                    all.push(Reach::now(newest.clone(), target));
                    continue;
                }
            };
            if let Some(own) = old.remove(&number) {
                let Keypair { channel, signing } = self.open(own)?;
                opened.insert(number, (LocalKey::new(channel), signing));
            }
            let (key, signing) = &opened[&number];
            let next = Next {
                key: newest.clone(),
                identity,
                psk: Arc::new(psk),
                signature: signing.sign(&statement(&target.identity, &identity)),
            };
            let key = key.clone();
            all.push(Reach {
                next: Some(next),
                ..Reach::now(key, target)
            });
        }
        Ok(all)
    }

    /// This client's own keys. It asks for the passphrase, if there is one, once.
    pub(crate) fn open(&mut self, own: Own) -> Result<Keypair, CommandError> {
        let sealed = match own {
            Own::Open(keys) => return Ok(keys),
            Own::Sealed(sealed) => sealed,
        };
        let words = self.current_passphrase()?;
        sealed.open(&words).map_err(|wrong| {
            let path = self.keystore().unwrap_or_default();
            CommandError::new(Exit::Keystore, format!("{}: {wrong}", path.display()))
        })
    }

    /// The passphrase of the keystore, asked for once.
    pub(crate) fn current_passphrase(&mut self) -> Result<Rc<Passphrase>, CommandError> {
        if let Some(words) = &self.words {
            return Ok(Rc::clone(words));
        }
        let path = self.keystore()?;
        let words = self.passphrase(&format!("Passphrase for {}", path.display()))?;
        Ok(Rc::clone(self.words.insert(Rc::new(words))))
    }

    /// The passphrase, from `--passphrase-fd` or the terminal; never from arguments or environment.
    pub(crate) fn passphrase(&mut self, prompt: &str) -> Result<Passphrase, CommandError> {
        let text = match self.global.passphrase_fd {
            Some(fd) => from_descriptor(fd)?,
            None => typed(prompt)?,
        };
        Passphrase::new(text).map_err(|empty| CommandError::new(Exit::Keystore, empty))
    }

    /// A new passphrase; typed twice, if it is typed.
    pub(crate) fn new_passphrase(&mut self) -> Result<Passphrase, CommandError> {
        let text = if let Some(fd) = self.global.passphrase_fd {
            from_descriptor(fd)?
        } else {
            let first = typed("New passphrase")?;
            if typed("Once more")? != first {
                return Err(CommandError::new(
                    Exit::Keystore,
                    "the two passphrases differ",
                ));
            }
            first
        };
        Passphrase::new(text).map_err(|empty| CommandError::new(Exit::Keystore, empty))
    }
}

/// A line typed on the terminal, without echo.
fn typed(prompt: &str) -> Result<Zeroizing<String>, CommandError> {
    prompt::hidden(prompt).map_err(|why| match why {
        Unanswered::NoTerminal => CommandError::new(
            Exit::Keystore,
            "a passphrase is needed and there is no terminal to ask on",
        )
        .hint("`--passphrase-fd FD` reads it from a file descriptor"),
        Unanswered::Interrupted => CommandError::new(Exit::Failed, "interrupted"),
    })
}

/// Opens what the caller has opened for us once more, by way of /proc: no descriptor is taken over.
fn from_descriptor(fd: u32) -> Result<Zeroizing<String>, CommandError> {
    let bad = |why: &dyn std::fmt::Display| {
        CommandError::usage(format!("--passphrase-fd {fd}: {why}"))
            .hint("for example `hpt --passphrase-fd 3 ... 3< <(pass show hpt)`")
    };
    let path = format!("/proc/self/fd/{fd}");
    let mut file = File::open(path).map_err(|why| bad(&why))?;
    prompt::read_line(&mut file, || Ok(())).map_err(|why| bad(&why))
}

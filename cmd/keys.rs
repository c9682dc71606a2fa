//! Which keystore, and the way to the private keys in it.

use std::fs::File;
use std::path::{Path, PathBuf};

use hpt_keystore::client::{self, KnownTarget};
use hpt_keystore::{Own, Passphrase, TargetName};
use hpt_transport::LocalKey;
use zeroize::Zeroizing;

use crate::context::Context;
use crate::env::{Variable, env};
use crate::error::{CommandError, Exit};
use crate::fleet::Member;
use crate::prompt::{self, Unanswered};

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

    /// This client's key, and one target.
    pub(crate) fn keys_for(
        &mut self,
        name: &TargetName,
    ) -> Result<(LocalKey, KnownTarget), CommandError> {
        if let Some(keys) = self.member.as_mut().and_then(Member::take_keys) {
            return Ok(keys);
        }
        let path = self.keystore()?;
        let (own, target) = client::load_target(&path, name)?;
        Ok((self.open(own)?, target))
    }

    /// This client's key. It asks for the passphrase, if there is one.
    pub(crate) fn open(&mut self, own: Own) -> Result<LocalKey, CommandError> {
        let keys = match own {
            Own::Open(keys) => keys,
            Own::Sealed(sealed) => {
                let path = self.keystore()?;
                let words = self.passphrase(&format!("Passphrase for {}", path.display()))?;
                sealed.open(&words).map_err(|wrong| {
                    CommandError::new(Exit::Keystore, format!("{}: {wrong}", path.display()))
                })?
            }
        };
        Ok(LocalKey::new(keys.channel))
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

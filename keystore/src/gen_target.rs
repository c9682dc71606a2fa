//! Making a target: its keystore for delivery, and its pin here.

use std::path::Path;

use thiserror::Error;
use zeroize::Zeroizing;

use crate::address::Address;
use crate::client::{self, KnownTarget, PinError};
use crate::file::{Existing, FileError};
use crate::grant::Grants;
use crate::identity::{Identity, Keypair, Role};
use crate::key::Psk;
use crate::name::{ClientName, TargetName};
use crate::own::Own;
use crate::store::Store;
use crate::target::{self, PinnedClient};
use crate::unfit::{LoadError, Unfit};

/// What a new target is called, on both sides.
pub struct NewTarget {
    /// What the client will call it.
    pub name: TargetName,
    /// What it will call the client.
    pub client: ClientName,
    /// Where the client will reach it, if that is known.
    pub address: Option<Address>,
    /// The time, in unix seconds.
    pub now: u64,
}

/// Why a target was not made.
#[derive(Debug, Error)]
pub enum GenTargetError {
    /// The client's keystore did not take the pin.
    #[error(transparent)]
    Pin(#[from] PinError),
    /// The file for the target could not be written.
    #[error(transparent)]
    Output(LoadError),
    /// The target is pinned, but its file did not get its name; the keys in it are lost, and so
    /// harmless. To make the target once more replaces the pin.
    #[error("{0}; the pin was made already, `--force` makes the target once more")]
    HalfDone(FileError),
}

/// Makes keys for a target, pins them in the client's keystore and writes the target's keystore to
/// `output`, ready to be delivered. The client's own private keys stay sealed if they are.
///
/// The order is: the whole file, durable, under a name nobody asks for; the pin; the file's name.
/// So a file that can be found is always one whose target is pinned. Killed between the last two,
/// the pin names keys that no host has; the unnamed file that has them is removed when the target is
/// made once more, which needs [`Existing::Replace`].
///
/// # Errors
/// [`PinError::Taken`] when the name has a key to be kept, [`FileError::Exists`] when the output
/// has: both before anything was changed.
pub fn gen_target(
    keystore: &Path,
    output: &Path,
    new: NewTarget,
    existing: Existing,
) -> Result<Identity, GenTargetError> {
    let (identity, staged) = pin(keystore, new, existing, |own, clients| {
        target::stage(output, own, clients, existing)
    })?;
    staged.publish().map_err(GenTargetError::HalfDone)?;
    Ok(identity)
}

/// The same for a keystore that is delivered in something else: what `wrap` makes of it. That is
/// written to `output`, if there is one, and handed over.
///
/// # Errors
/// Those of [`gen_target`].
pub fn gen_target_in(
    keystore: &Path,
    output: Option<&Path>,
    new: NewTarget,
    existing: Existing,
    wrap: impl FnOnce(&Identity, &[u8]) -> Zeroizing<Vec<u8>>,
) -> Result<(Identity, Zeroizing<Vec<u8>>), GenTargetError> {
    let (identity, (staged, wrapped)) = pin(keystore, new, existing, |own, clients| {
        target::stage_in(output, own, clients, existing, wrap)
    })?;
    if let Some(staged) = staged {
        staged.publish().map_err(GenTargetError::HalfDone)?;
    }
    Ok((identity, wrapped))
}

/// Makes keys, has them staged for the target, and pins them.
fn pin<T>(
    keystore: &Path,
    new: NewTarget,
    existing: Existing,
    stage: impl FnOnce(Keypair, &[PinnedClient]) -> Result<T, LoadError>,
) -> Result<(Identity, T), GenTargetError> {
    let client = client_to_pin(keystore, &new.name, existing)?;
    let NewTarget {
        name,
        client: client_name,
        address,
        now,
    } = new;
    let (own, psk) = (Keypair::generate(), Psk::generate());
    let identity = own.identity();
    let pinned = PinnedClient {
        name: client_name,
        identity: client,
        psk: psk.duplicate(),
        grants: Grants::all(),
        added_at: now,
        until: None,
        next: None,
    };
    let staged = stage(own, &[pinned]).map_err(GenTargetError::Output)?;
    let known = KnownTarget {
        name,
        identity,
        psk,
        address,
        added_at: now,
        behind: None,
    };
    client::pin_target(keystore, &known, existing)?;
    Ok((identity, staged))
}

/// The client that the target will obey, once it is sure that the name may be given.
fn client_to_pin(
    keystore: &Path,
    name: &TargetName,
    existing: Existing,
) -> Result<Identity, PinError> {
    let store = Store::load(keystore, Role::Client)?;
    if existing == Existing::Keep {
        client::refuse_taken(keystore, &store, name)?;
    }
    let own = Own::from_bytes(&store.own).map_err(Unfit::at(keystore))?;
    Ok(own.identity())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::client::FindError;
    use crate::grant::Grant;

    fn web1() -> NewTarget {
        NewTarget {
            name: TargetName::parse("web1").unwrap(),
            client: ClientName::parse("laptop").unwrap(),
            address: Some(Address::parse("10.0.0.5").unwrap()),
            now: 1_750_000_000,
        }
    }

    #[test]
    fn both_sides_know_each_other_and_share_a_psk() {
        let dir = tempfile::tempdir().unwrap();
        let (here, there) = (
            dir.path().join("keystore.db"),
            dir.path().join("web1.keystore"),
        );
        let client = client::create(&here, None, Existing::Keep).unwrap();
        let made = gen_target(&here, &there, web1(), Existing::Keep).unwrap();

        let (own, known) = client::load_target(&here, &web1().name).unwrap();
        let target = target::load(&there).unwrap();
        let [pinned] = &target.clients[..] else {
            panic!("one client")
        };
        assert_eq!(own.identity(), client);
        assert_eq!(known.identity, made);
        assert_eq!(target.own.identity(), made);
        assert_eq!(pinned.identity, client);
        assert_eq!(pinned.psk.expose(), known.psk.expose());
        assert_eq!(
            (pinned.added_at, known.added_at),
            (1_750_000_000, 1_750_000_000)
        );
        assert!(pinned.grants.allows(&Grant::Exec));
    }

    #[test]
    fn an_existing_name_is_kept_and_told() {
        let dir = tempfile::tempdir().unwrap();
        let (here, there) = (
            dir.path().join("keystore.db"),
            dir.path().join("web1.keystore"),
        );
        client::create(&here, None, Existing::Keep).unwrap();
        let made = gen_target(&here, &there, web1(), Existing::Keep).unwrap();
        let before = (fs::read(&here).unwrap(), fs::read(&there).unwrap());

        let elsewhere = dir.path().join("other.keystore");
        match gen_target(&here, &elsewhere, web1(), Existing::Keep) {
            Err(GenTargetError::Pin(PinError::Taken(pinned))) => {
                assert_eq!(pinned.name, web1().name);
                assert_eq!(pinned.fingerprint, made.fingerprint());
                assert_eq!(pinned.added_at, 1_750_000_000);
            }
            _ => panic!("the name has a key"),
        }
        assert!(!elsewhere.exists());
        let other = NewTarget {
            name: TargetName::parse("web2").unwrap(),
            ..web1()
        };
        let refused = gen_target(&here, &there, other, Existing::Keep);
        let exists = |error: &LoadError| matches!(error, LoadError::File(FileError::Exists { .. }));
        assert!(matches!(refused, Err(GenTargetError::Output(error)) if exists(&error)));
        assert_eq!(
            (fs::read(&here).unwrap(), fs::read(&there).unwrap()),
            before
        );

        let again = gen_target(&here, &there, web1(), Existing::Replace).unwrap();
        assert_ne!(again, made);
        assert_eq!(target::load(&there).unwrap().own.identity(), again);
        assert_eq!(target::load(&there).unwrap().serial, 2);
    }

    /// It may be larger than a keystore can be: it brings the program too.
    #[test]
    fn what_brings_a_keystore_is_written_as_a_keystore_is() {
        let dir = tempfile::tempdir().unwrap();
        let here = dir.path().join("keystore.db");
        let (there, inner) = (dir.path().join("web1.sh"), dir.path().join("inner"));
        client::create(&here, None, Existing::Keep).unwrap();
        let wrap = |_: &Identity, keystore: &[u8]| {
            Zeroizing::new([keystore, &vec![b'x'; 17 << 20]].concat())
        };
        let made = gen_target_in(&here, Some(&there), web1(), Existing::Keep, wrap);
        let (identity, wrapped) = made.unwrap();
        assert_eq!(*fs::read(&there).unwrap(), **wrapped);
        let permissions = fs::metadata(&there).unwrap().permissions();
        assert_eq!(permissions.mode() & 0o7777, 0o600);
        target::write_new(&inner, Keypair::generate(), &[], Existing::Keep).unwrap();
        fs::write(&inner, &wrapped[..wrapped.len() - (17 << 20)]).unwrap();
        assert_eq!(target::load(&inner).unwrap().own.identity(), identity);
        let known = client::load_target(&here, &web1().name).unwrap().1;
        assert_eq!(known.identity, identity);

        let other = NewTarget {
            name: TargetName::parse("web2").unwrap(),
            ..web1()
        };
        let kept = gen_target_in(&here, Some(&there), other, Existing::Keep, wrap);
        assert!(matches!(kept, Err(GenTargetError::Output(_))));
        let found = client::load_target(&here, &TargetName::parse("web2").unwrap());
        assert!(matches!(found, Err(FindError::Unknown { .. })));
        let (again, _) =
            gen_target_in(&here, Some(&there), web1(), Existing::Replace, wrap).unwrap();
        assert_ne!(again, identity);
    }

    /// An output that cannot be written leaves the client's keystore as it was.
    #[test]
    fn no_pin_without_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let here = dir.path().join("keystore.db");
        client::create(&here, None, Existing::Keep).unwrap();
        let nowhere = dir.path().join("missing/web1.keystore");
        assert!(gen_target(&here, &nowhere, web1(), Existing::Keep).is_err());
        let found = client::load_target(&here, &web1().name);
        assert!(matches!(found, Err(FindError::Unknown { .. })));
    }
}

//! New keys for a client, target by target: the old ones stay for as long as a target knows no others.

use std::collections::BTreeMap;
use std::path::Path;

use zeroize::Zeroizing;

use super::{FindError, find};
use crate::identity::{Identity, Role};
use crate::key::Psk;
use crate::name::TargetName;
use crate::own::Own;
use crate::passphrase::{Passphrase, PassphraseError};
use crate::record::Reader;
use crate::store::{BEHIND, OLD, Store};
use crate::unfit::Unfit;

/// How far a target is with the client's new keys.
pub enum Behind {
    /// It knows old ones.
    Follows {
        /// Their number.
        old: u32,
        /// What the pair is to share under the new ones; decided before the target hears of it, so that
        /// whatever breaks off can be done again.
        psk: Psk,
    },
    /// It has let the new ones in, and may still let the old ones in.
    Unsettled,
}

/// The first byte of the row tells which it is.
const UNSETTLED: u8 = 0;
const FOLLOWS: u8 = 1;

impl Behind {
    pub(super) fn decode(row: &[u8]) -> Result<Self, Unfit> {
        let mut reader = Reader::new(row, "a target's way to new keys");
        let behind = match reader.array()? {
            [UNSETTLED] => Self::Unsettled,
            [FOLLOWS] => Self::Follows {
                old: reader.u32()?,
                psk: Psk(reader.secret()?),
            },
            _ => return Err(Unfit::damaged("a target is behind in an unknown way")),
        };
        reader.end()?;
        Ok(behind)
    }

    fn encode(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(match self {
            Self::Unsettled => vec![UNSETTLED],
            Self::Follows { old, psk } => {
                let psk = psk.0.split();
                [&[FOLLOWS][..], &old.to_le_bytes(), psk.as_flattened()].concat()
            }
        })
    }
}

/// The client's keys that came before those it has now.
pub(super) fn old(store: &Store) -> Result<BTreeMap<u32, Own>, Unfit> {
    let rows = store.more.iter();
    let rows = rows.filter_map(|(key, row)| Some((key.strip_prefix(OLD)?, row)));
    let read = |(number, row): (&str, &Zeroizing<Vec<u8>>)| {
        let number = number.parse();
        let number = number.map_err(|_| Unfit::damaged("its old keys have no number"))?;
        Ok((number, Own::from_bytes(row)?))
    };
    rows.map(read).collect()
}

/// Says how far a target is, and drops old keys that no target needs any more.
pub(super) fn set_behind(store: &mut Store, name: &TargetName, behind: Option<&Behind>) {
    store.set_more(BEHIND, name.as_str(), behind.map(Behind::encode));
    let needed = |old: &str| {
        store.more.iter().any(|(key, row)| {
            let follows = matches!(Behind::decode(row), Ok(Behind::Follows { old: n, .. }) if n.to_string() == old);
            key.starts_with(BEHIND) && follows
        })
    };
    let numbers = store.more.keys().filter_map(|key| key.strip_prefix(OLD));
    let idle: Vec<_> = numbers.filter(|old| !needed(old)).collect();
    let idle: Vec<_> = idle.into_iter().map(ToOwned::to_owned).collect();
    for number in idle {
        store.set_more(OLD, &number, None);
    }
}

/// Makes new keys for the client, under the same passphrase. From now on every target is behind; one that
/// was so before stays with the keys that it knows.
///
/// # Errors
/// [`PassphraseError`] when its keys are under a passphrase, which is not this one.
pub fn begin(path: &Path, current: Option<&Passphrase>) -> Result<Identity, PassphraseError> {
    Store::update(path, Role::Client, |store| {
        let own = Own::from_bytes(&store.own).map_err(Unfit::at(path))?;
        let new = own.anew(path, current)?;
        let numbers = old(store).map_err(Unfit::at(path))?;
        let last = numbers.last_key_value().map_or(0, |(number, _)| *number);
        let number = last + 1;
        let replaced = std::mem::replace(&mut store.own, new.to_bytes());
        store.set_more(OLD, &number.to_string(), Some(replaced));
        for name in store.peers.keys().cloned().collect::<Vec<_>>() {
            let before = store.more(BEHIND, &name).map(Behind::decode).transpose();
            let old = match before.map_err(Unfit::at(path))? {
                Some(Behind::Follows { old, .. }) => old,
                Some(Behind::Unsettled) | None => number,
            };
            let behind = Behind::Follows {
                old,
                psk: Psk::generate(),
            };
            store.set_more(BEHIND, &name, Some(behind.encode()));
        }
        if store.peers.is_empty() {
            store.more.clear();
        }
        Ok(new.identity())
    })
}

/// Notes that a target has let the new keys in: from now on they are those by which it is reached. One
/// that is further already stays so.
///
/// # Errors
/// [`FindError::Unknown`] when there is none of that name.
pub fn moved(path: &Path, name: &TargetName, now: u64) -> Result<(), FindError> {
    Store::update(path, Role::Client, |store| {
        let mut target = find(path, store, name)?;
        if let Some(Behind::Follows { psk, .. }) = target.behind.take() {
            (target.psk, target.added_at) = (psk, now);
            let record = target.encode();
            store.peers.insert(name.as_str().to_owned(), record);
            set_behind(store, name, Some(&Behind::Unsettled));
        }
        Ok(())
    })
}

/// Notes that a target lets the old keys in no longer.
///
/// # Errors
/// [`FindError::Unknown`] when there is none of that name.
pub fn settled(path: &Path, name: &TargetName) -> Result<(), FindError> {
    Store::update(path, Role::Client, |store| {
        if let Some(Behind::Unsettled) = find(path, store, name)?.behind {
            set_behind(store, name, None);
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{bench, name};
    use super::*;
    use crate::client::{load, load_target, remove, rename};

    fn follows(behind: Option<&Behind>) -> Option<u32> {
        match behind {
            Some(Behind::Follows { old, .. }) => Some(*old),
            _ => None,
        }
    }

    #[test]
    fn each_target_is_reached_by_the_keys_that_it_knows() {
        let bench = bench(&["a", "b"]);
        let path = &bench.path;
        let first = load(path).unwrap().own.identity();
        let second = begin(path, None).unwrap();
        let (own, a) = load_target(path, &name("a")).unwrap();
        assert_eq!(
            (own.identity(), follows(a.behind.as_ref())),
            (first, Some(1))
        );
        let Some(Behind::Follows { psk, .. }) = &a.behind else {
            panic!("it follows")
        };

        moved(path, &name("a"), 7).unwrap();
        moved(path, &name("a"), 8).unwrap();
        let (own, moved_a) = load_target(path, &name("a")).unwrap();
        assert_eq!(own.identity(), second);
        assert_eq!(moved_a.psk.expose(), psk.expose());
        assert!(matches!(moved_a.behind, Some(Behind::Unsettled)));
        assert_eq!(moved_a.added_at, 7);
        settled(path, &name("a")).unwrap();
        let keys = load(path).unwrap();
        assert!(keys.targets[0].behind.is_none());
        assert_eq!(keys.known_to(&keys.targets[1]).identity(), first);

        // Once more, while b still sleeps: each knows the keys that it knows.
        let third = begin(path, None).unwrap();
        let keys = load(path).unwrap();
        assert_eq!(keys.own.identity(), third);
        let known = keys.targets.iter();
        let known: Vec<_> = known
            .map(|target| keys.known_to(target).identity())
            .collect();
        assert_eq!(known, [second, first]);
        for target in ["a", "b"] {
            moved(path, &name(target), 9).unwrap();
        }
        assert!(
            load(path).unwrap().old.is_empty(),
            "old keys that nobody needs go"
        );
    }

    #[test]
    fn what_is_behind_goes_with_its_target() {
        let bench = bench(&["a", "b"]);
        let path = &bench.path;
        begin(path, None).unwrap();
        rename(path, &name("a"), &name("z")).unwrap();
        let (_, z) = load_target(path, &name("z")).unwrap();
        assert_eq!(follows(z.behind.as_ref()), Some(1));
        remove(path, &name("z")).unwrap();
        assert_eq!(load(path).unwrap().old.len(), 1);
        remove(path, &name("b")).unwrap();
        assert!(load(path).unwrap().old.is_empty());
        begin(path, None).unwrap();
        assert!(
            load(path).unwrap().old.is_empty(),
            "there is nobody to follow"
        );
    }

    /// Old keys are under the passphrase that the new ones are under.
    #[test]
    fn a_passphrase_is_over_all_of_them() {
        let bench = bench(&["a"]);
        let path = &bench.path;
        let words = |text: &str| Passphrase::new(Zeroizing::new(text.to_owned())).unwrap();
        let (one, two) = (words("one"), words("two"));
        crate::set_passphrase(path, Role::Client, None, Some(&one)).unwrap();
        assert!(matches!(
            begin(path, None),
            Err(PassphraseError::Needed { .. })
        ));
        assert!(matches!(
            begin(path, Some(&two)),
            Err(PassphraseError::Wrong { .. })
        ));
        begin(path, Some(&one)).unwrap();
        crate::set_passphrase(path, Role::Client, Some(&one), Some(&two)).unwrap();
        let keys = load(path).unwrap();
        for own in [&keys.own, &keys.old[&1]] {
            let Own::Sealed(sealed) = own else {
                panic!("it is sealed")
            };
            assert!(sealed.open(&two).is_ok());
        }
    }
}

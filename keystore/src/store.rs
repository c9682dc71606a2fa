//! A keystore's content by its schema: whose it is, how often it was written, its keys, its peers.
//!
//! The table has the rows `role`, `schema`, `serial`, `own`, and one `peer:NAME` for each pin.

use std::collections::BTreeMap;
use std::path::Path;

use zeroize::Zeroizing;

use crate::checksum;
use crate::file::{self, Hold, Locked, Place, Staged};
use crate::identity::Role;
use crate::image::{self, Rows};
use crate::unfit::{LoadError, Unfit};

/// The schema that this version reads and writes.
pub(crate) const SCHEMA: u32 = 1;

/// What a client's and a target's keystore have in common.
pub(crate) struct Store {
    pub(crate) role: Role,
    /// How many times it was written.
    pub(crate) serial: u64,
    /// The owner's own keys, as [`crate::own`] writes them.
    pub(crate) own: Zeroizing<Vec<u8>>,
    /// The pins by name, as [`crate::record`] writes them.
    pub(crate) peers: BTreeMap<String, Zeroizing<Vec<u8>>>,
}

impl Store {
    pub(crate) fn new(role: Role, own: Zeroizing<Vec<u8>>) -> Self {
        Self {
            role,
            serial: 1,
            own,
            peers: BTreeMap::new(),
        }
    }

    /// Reads a keystore of this role; its lock is gone when this returns.
    pub(crate) fn load(path: &Path, role: Role) -> Result<Self, LoadError> {
        let bytes = file::read(path)?;
        Self::from_bytes(bytes)
            .map_err(Unfit::at(path))?
            .of_role(path, role)
    }

    /// Changes a keystore as a whole: either all of the change is there afterwards, or none.
    pub(crate) fn update<T, E: From<LoadError>>(
        path: &Path,
        role: Role,
        change: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut locked =
            Locked::open(path, Hold::Exclusive, Place::Home).map_err(LoadError::File)?;
        let bytes = locked.read().map_err(LoadError::File)?;
        let mut store = Self::from_bytes(bytes)
            .map_err(Unfit::at(path))?
            .of_role(path, role)?;
        let result = change(&mut store)?;
        store.serial += 1;
        Staged::write(path, Place::Home, &store.to_bytes(), Some(locked))
            .and_then(Staged::publish)
            .map_err(LoadError::File)?;
        Ok(result)
    }

    pub(crate) fn of_role(self, path: &Path, wanted: Role) -> Result<Self, LoadError> {
        if self.role == wanted {
            return Ok(self);
        }
        Err(LoadError::Role {
            path: path.to_owned(),
            found: self.role,
            wanted,
        })
    }

    /// The whole file.
    pub(crate) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut rows = Rows::new();
        let mut put = |key: &str, value: &[u8]| {
            rows.insert(key.to_owned(), Zeroizing::new(value.to_vec()));
        };
        put("role", self.role.to_string().as_bytes());
        put("schema", &SCHEMA.to_le_bytes());
        put("serial", &self.serial.to_le_bytes());
        put("own", &self.own);
        for (name, record) in &self.peers {
            put(&format!("{PEER}{name}"), record);
        }
        let mut bytes = image::write(&rows).expect("redb writes a table into memory");
        checksum::fill_in(&mut bytes);
        bytes
    }

    pub(crate) fn from_bytes(bytes: Zeroizing<Vec<u8>>) -> Result<Self, Unfit> {
        checksum::check(&bytes)?;
        let rows = image::read(bytes).map_err(|error| Unfit::Damaged(error.to_string()))?;
        Self::from_rows(rows)
    }

    fn from_rows(mut rows: Rows) -> Result<Self, Unfit> {
        let schema = u32::from_le_bytes(fixed(&take(&mut rows, "schema")?, "schema")?);
        if schema != SCHEMA {
            return Err(Unfit::Schema(schema));
        }
        let role = match take(&mut rows, "role")?.as_slice() {
            b"client" => Role::Client,
            b"target" => Role::Target,
            _ => return Err(Unfit::damaged("it is neither a client's nor a target's")),
        };
        let serial = u64::from_le_bytes(fixed(&take(&mut rows, "serial")?, "serial")?);
        let own = take(&mut rows, "own")?;
        let mut peers = BTreeMap::new();
        for (key, record) in rows {
            let name = key.strip_prefix(PEER);
            let name = name.ok_or_else(|| Unfit::damaged("it has a row that schema 1 has not"))?;
            peers.insert(name.to_owned(), record);
        }
        Ok(Self {
            role,
            serial,
            own,
            peers,
        })
    }
}

const PEER: &str = "peer:";

fn take(rows: &mut Rows, key: &str) -> Result<Zeroizing<Vec<u8>>, Unfit> {
    rows.remove(key)
        .ok_or_else(|| Unfit::Damaged(format!("it has no {key}")))
}

fn fixed<const N: usize>(bytes: &[u8], what: &str) -> Result<[u8; N], Unfit> {
    bytes
        .try_into()
        .map_err(|_| Unfit::Damaged(format!("its {what} has a wrong length")))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn small() -> Store {
        let mut store = Store::new(Role::Client, Zeroizing::new(vec![7; 65]));
        for name in ["web1", "web2"] {
            store
                .peers
                .insert(name.into(), Zeroizing::new(vec![9; 112]));
        }
        store
    }

    fn rows() -> Rows {
        image::read(small().to_bytes()).unwrap()
    }

    fn file_of(rows: &Rows) -> Zeroizing<Vec<u8>> {
        let mut bytes = image::write(rows).unwrap();
        checksum::fill_in(&mut bytes);
        bytes
    }

    #[test]
    fn content_returns_itself() {
        let (original, read) = (small(), Store::from_bytes(small().to_bytes()).unwrap());
        assert_eq!((original.role, original.serial), (read.role, read.serial));
        assert_eq!((original.own, original.peers), (read.own, read.peers));
    }

    /// K5: every bit of the file, also the ones that redb does not use.
    #[test]
    fn every_bit_flip_is_noticed() {
        let mut bytes = small().to_bytes();
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(checksum::check(&bytes).is_err(), "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        checksum::check(&bytes).unwrap();
    }

    /// K5: `tests/damage.rs` has the shorter ones.
    #[test]
    fn every_longer_file_is_noticed() {
        let good = small().to_bytes();
        for more in [1, 40, 4096] {
            let longer = [&good[..], &vec![0; more]].concat();
            assert!(checksum::check(&longer).is_err(), "{more}");
        }
    }

    /// K5 without the checksum's help: somebody altered the file and then filled it in anew. redb
    /// panics over some of these; that must stay inside, and come to an end.
    #[test]
    fn an_altered_file_with_a_good_checksum_does_no_harm() {
        let good = small().to_bytes();
        let mut dice = Dice(0x5eed);
        let mut refused = 0;
        for round in 0..1000 {
            let mut bytes = good.clone();
            for _ in 0..=dice.below(3) {
                let at = dice.below(bytes.len());
                bytes[at] ^= 1 << dice.below(8);
            }
            checksum::fill_in(&mut bytes);
            let start = Instant::now();
            match Store::from_bytes(bytes) {
                Err(Unfit::Damaged(reason)) => {
                    assert!(
                        !reason.contains('\n') && !reason.is_empty(),
                        "{round}: {reason:?}"
                    );
                    refused += 1;
                }
                Err(Unfit::Schema(_)) | Ok(_) => {}
            }
            assert!(start.elapsed() < Duration::from_secs(20), "round {round}");
        }
        assert!(refused > 10, "only {refused}");
    }

    /// A small generator with a fixed seed (xorshift64*), so that a failure can be run again.
    struct Dice(u64);

    impl Dice {
        fn below(&mut self, limit: usize) -> usize {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            let roll = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16;
            usize::try_from(roll % u64::try_from(limit).unwrap()).unwrap()
        }
    }

    /// K7: versions n-1, n and n+1.
    #[test]
    fn only_this_schema_is_read() {
        for (schema, advice) in [
            (
                SCHEMA - 1,
                Some("use an older hpt, one that reads schema 0"),
            ),
            (SCHEMA, None),
            (SCHEMA + 1, Some("use a newer hpt, one that reads schema 2")),
            (
                u32::MAX,
                Some("use a newer hpt, one that reads schema 4294967295"),
            ),
        ] {
            let mut rows = rows();
            rows.insert(
                "schema".into(),
                Zeroizing::new(schema.to_le_bytes().to_vec()),
            );
            let read = Store::from_bytes(file_of(&rows)).map_err(Unfit::at(Path::new("k.db")));
            match (read, advice) {
                (Ok(_), None) => {}
                (Err(error), Some(advice)) => {
                    let text = error.to_string();
                    assert!(
                        text.starts_with("k.db: ") && text.contains(advice),
                        "{text}"
                    );
                }
                _ => panic!("schema {schema}"),
            }
        }
    }

    /// K7: exactly these rows, and each as it must be.
    #[test]
    fn other_rows_are_damage() {
        let mut altered = Vec::new();
        for key in ["role", "schema", "serial", "own"] {
            let mut without = rows();
            without.remove(key);
            altered.push((format!("no {key}"), without));
        }
        for (key, value) in [
            ("role", &b"hub"[..]),
            ("role", b""),
            ("role", b"CLIENT"),
            ("schema", b""),
            ("schema", b"\x01\0\0"),
            ("schema", b"\x01\0\0\0\0"),
            ("serial", b""),
            ("serial", b"1234567"),
            ("serial", b"123456789"),
            ("note", b"hello"),
            ("", b""),
            ("peer", b"x"),
        ] {
            let mut with = rows();
            with.insert(key.into(), Zeroizing::new(value.to_vec()));
            altered.push((format!("{key} = {value:?}"), with));
        }
        for (what, rows) in altered {
            let read = Store::from_bytes(file_of(&rows));
            assert!(matches!(read, Err(Unfit::Damaged(_))), "{what}");
        }
    }

    #[test]
    fn the_wrong_role_is_told() {
        let refused = small()
            .of_role(Path::new("k.db"), Role::Target)
            .err()
            .unwrap()
            .to_string();
        assert_eq!(
            refused,
            "k.db: this is a client's keystore, and a target's is needed here"
        );
    }
}

//! A keystore's content by its schema: whose it is, how often it was written, its keys, its peers.
//!
//! The table has the rows `role`, `schema`, `serial`, `own`, and one `peer:NAME` for each pin. Schema 2 has
//! the rows of [`MORE`] besides; a keystore that has none of them is written as schema 1, which older ones read.

use std::collections::BTreeMap;
use std::path::Path;

use zeroize::Zeroizing;

use crate::checksum;
use crate::file::{self, Hold, Locked, Place, Staged};
use crate::identity::Role;
use crate::image::{self, Rows};
use crate::unfit::{LoadError, Unfit};

/// The newest schema that this version reads and writes; it reads all of them.
pub(crate) const SCHEMA: u32 = 2;

/// How the rows begin that schema 2 has besides those of schema 1, and whose keystore has them.
const MORE: [(Role, &str); 6] = [
    (Role::Client, OLD),
    (Role::Client, BEHIND),
    (Role::Target, NEXT),
    (Role::Target, UNTIL),
    (Role::Target, FORMER),
    (Role::Target, LATE),
];
/// A client's own keys that came before those it has now, by a number.
pub(crate) const OLD: &str = "old:";
/// How far a target is with the client's new keys, by its name.
pub(crate) const BEHIND: &str = "behind:";
/// The keys that follow those of a client, by its name.
pub(crate) const NEXT: &str = "next:";
/// When a client's pin ends, by its name.
pub(crate) const UNTIL: &str = "until:";
/// A target's own keys before those it has now: one row, without a name behind it.
pub(crate) const FORMER: &str = "former:";
/// A client that may know none but the former ones, by its name; the row is empty.
pub(crate) const LATE: &str = "late:";

/// What a client's and a target's keystore have in common.
pub(crate) struct Store {
    pub(crate) role: Role,
    /// How many times it was written.
    pub(crate) serial: u64,
    /// The owner's own keys, as [`crate::own`] writes them.
    pub(crate) own: Zeroizing<Vec<u8>>,
    /// The pins by name, as [`crate::record`] writes them.
    pub(crate) peers: BTreeMap<String, Zeroizing<Vec<u8>>>,
    /// The rows of [`MORE`], by their whole names.
    pub(crate) more: BTreeMap<String, Zeroizing<Vec<u8>>>,
}

impl Store {
    pub(crate) fn new(role: Role, own: Zeroizing<Vec<u8>>) -> Self {
        Self {
            role,
            serial: 1,
            own,
            peers: BTreeMap::new(),
            more: BTreeMap::new(),
        }
    }

    /// What a row of these names holds.
    pub(crate) fn more(&self, kind: &str, name: &str) -> Option<&[u8]> {
        self.more
            .get(&format!("{kind}{name}"))
            .map(|row| row.as_slice())
    }

    /// Writes a row of these names, or takes it away.
    pub(crate) fn set_more(&mut self, kind: &str, name: &str, row: Option<Zeroizing<Vec<u8>>>) {
        let key = format!("{kind}{name}");
        match row {
            Some(row) => self.more.insert(key, row),
            None => self.more.remove(&key),
        };
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
        let schema: u32 = if self.more.is_empty() { 1 } else { SCHEMA };
        put("schema", &schema.to_le_bytes());
        put("serial", &self.serial.to_le_bytes());
        put("own", &self.own);
        for (name, record) in &self.peers {
            put(&format!("{PEER}{name}"), record);
        }
        for (key, row) in &self.more {
            put(key, row);
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
        if !(1..=SCHEMA).contains(&schema) {
            return Err(Unfit::Schema(schema));
        }
        let role = match take(&mut rows, "role")?.as_slice() {
            b"client" => Role::Client,
            b"target" => Role::Target,
            _ => return Err(Unfit::damaged("it is neither a client's nor a target's")),
        };
        let serial = u64::from_le_bytes(fixed(&take(&mut rows, "serial")?, "serial")?);
        let own = take(&mut rows, "own")?;
        let (mut peers, mut more) = (BTreeMap::new(), BTreeMap::new());
        let is_more = |key: &str| {
            let is_kind = |(whose, kind): &(Role, &str)| *whose == role && key.starts_with(kind);
            schema > 1 && MORE.iter().any(is_kind)
        };
        for (key, record) in rows {
            if let Some(name) = key.strip_prefix(PEER) {
                peers.insert(name.to_owned(), record);
            } else if is_more(&key) {
                more.insert(key, record);
            } else {
                let what = format!("it has a row that schema {schema} has not");
                return Err(Unfit::Damaged(what));
            }
        }
        Ok(Self {
            role,
            serial,
            own,
            peers,
            more,
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
            (0, Some("use an older hpt, one that reads schema 0")),
            (SCHEMA - 1, None),
            (SCHEMA, None),
            (SCHEMA + 1, Some("use a newer hpt, one that reads schema 3")),
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
            ("old:1", b"of schema 2"),
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

    /// What an older hpt can read is written so.
    #[test]
    fn the_schema_is_the_least_that_has_all_rows() {
        let schema = |store: &Store| image::read(store.to_bytes()).unwrap()["schema"][0];
        let mut store = small();
        assert_eq!(schema(&store), 1);
        store.set_more(OLD, "1", Some(Zeroizing::new(vec![5])));
        assert_eq!(schema(&store), 2);
        let mut read = Store::from_bytes(store.to_bytes()).unwrap();
        assert_eq!(read.more(OLD, "1"), Some(&[5][..]));
        read.set_more(UNTIL, "web1", Some(Zeroizing::new(vec![5])));
        let refused = Store::from_bytes(read.to_bytes());
        assert!(matches!(refused, Err(Unfit::Damaged(_))), "a target's row");
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

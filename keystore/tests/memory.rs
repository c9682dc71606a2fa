//! H14: a secret is in memory once while it is held, and not at all afterwards. Alone in its
//! process, because it looks at all of the process's memory.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use hpt_keystore::{
    ClientName, Existing, NewTarget, Own, Passphrase, TargetName, client, gen_target, target,
};
use zeroize::Zeroizing;

/// A secret as it is looked for: inverted, so that the search does not find itself.
struct Needle([u8; 32]);

impl Needle {
    fn of(secret: &[u8; 32]) -> Self {
        // Not `map`, which would copy the secret first.
        Self(std::array::from_fn(|at| !secret[at]))
    }

    /// How many copies are in this process's writable memory.
    fn hits(&self) -> usize {
        let memory = File::open("/proc/self/mem").unwrap();
        let mut window = vec![0; 1 << 16];
        let own = window.as_ptr().addr()..window.as_ptr().addr() + window.len();
        let mut hits = 0;
        for line in fs::read_to_string("/proc/self/maps").unwrap().lines() {
            let mut words = line.split_ascii_whitespace();
            let (range, rights) = (words.next().unwrap(), words.next().unwrap());
            if !rights.starts_with("rw") {
                continue;
            }
            let (start, end) = range.split_once('-').unwrap();
            let parse = |hex| usize::from_str_radix(hex, 16).unwrap();
            let (mut at, end) = (parse(start), parse(end));
            while at + 32 <= end {
                let length = window.len().min(end - at);
                let read = memory.read_exact_at(&mut window[..length], u64::try_from(at).unwrap());
                if read.is_err() {
                    break;
                }
                for (offset, found) in window[..length].windows(32).enumerate() {
                    let found = found
                        .iter()
                        .zip(&self.0)
                        .all(|(byte, inverted)| *byte == !inverted);
                    hits += usize::from(found && !own.contains(&(at + offset)));
                }
                if length < window.len() {
                    break;
                }
                at += window.len() - 31;
            }
        }
        hits
    }
}

#[test]
fn each_secret_is_in_memory_once_and_then_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let (here, there) = (
        dir.path().join("keystore.db"),
        dir.path().join("web1.keystore"),
    );
    client::create(&here, None, Existing::Keep).unwrap();
    let new = NewTarget {
        name: TargetName::parse("web1").unwrap(),
        client: ClientName::parse("laptop").unwrap(),
        address: None,
        now: 1,
    };
    gen_target(&here, &there, new, Existing::Keep).unwrap();

    let keys = target::load(&there).unwrap();
    let Own::Open(own) = keys.own else {
        panic!("it is open")
    };
    let secrets = [
        ("the channel key", Needle::of(own.channel.expose())),
        ("the signing key", Needle::of(own.signing.expose())),
        (
            "the pre-shared key",
            Needle::of(keys.clients[0].psk.expose()),
        ),
    ];
    let _used = (own.identity(), own.signing.sign(b"run it"));
    for (what, needle) in &secrets {
        assert_eq!(needle.hits(), 1, "{what} while it is held");
    }
    drop((own, keys.clients));
    for (what, needle) in &secrets {
        assert_eq!(needle.hits(), 0, "{what} afterwards");
    }

    let words = || Passphrase::new(Zeroizing::new("correct horse".to_owned())).unwrap();
    hpt_keystore::set_passphrase(&here, hpt_keystore::Role::Client, None, Some(&words())).unwrap();
    let Own::Sealed(sealed) = client::load(&here).unwrap().own else {
        panic!("it is sealed")
    };
    let keys = sealed.open(&words()).ok().unwrap();
    let needle = Needle::of(keys.channel.expose());
    assert_eq!(needle.hits(), 1, "an opened key while it is held");
    drop(keys);
    assert_eq!(needle.hits(), 0, "an opened key afterwards");
}

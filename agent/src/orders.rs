//! Orders that are kept on the host: what the last apply of each config asked for, by which its drift is
//! told; and what a run needs that goes on after a reboot.
//!
//! `orders/config-NAME.order` and `orders/run-ID.order` hold a [`wire::KeptOrder`], secrets too, under a
//! key that is derived from the host's own key of fingerprints and new for each writing: no content of it
//! is on a disk as it is, and no file stands in for another (S1). All of it is for root alone.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::PathBuf;

use bytes::Bytes;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use hpt_proto::wire::{KeptOrder, Request};
use prost::Message;
use zeroize::Zeroizing;

use crate::Places;
use crate::state::{State, StateError, replace, sweep};

/// What the key is derived for.
const PURPOSE: &str = "hpt 2026-11-21 orders that are kept on a target";
/// What a file begins with.
const MAGIC: &[u8; 12] = b"hpt order 1\n";
/// Bytes that make the key of one writing.
const SALT: usize = 32;
const SUFFIX: &str = ".order";

/// The orders of one host.
pub(crate) struct Orders {
    dir: PathBuf,
    key: Zeroizing<[u8; 32]>,
}

/// Whose order it is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Whose<'a> {
    /// Of a config, by its name.
    Config(&'a str),
    /// Of a run, by its id.
    Run(&'a str),
}

impl Orders {
    /// Those of the host at these places. Their directory is made when there is one.
    pub(crate) fn open(places: &Places) -> Result<Self, StateError> {
        let dir = places.of_root().join("orders");
        let own = Zeroizing::new(State::open(places)?.fingerprint_key()?);
        Ok(Self {
            dir,
            key: Zeroizing::new(blake3::derive_key(PURPOSE, &own[..])),
        })
    }

    /// Keeps an order, in the place of an earlier one. It is on disk, whole, when this returns.
    pub(crate) fn keep(&self, whose: Whose<'_>, order: &KeptOrder) -> io::Result<()> {
        let name = file_name(whose);
        let plain = Zeroizing::new(order.encode_to_vec());
        let mut salt = [0; SALT];
        getrandom::fill(&mut salt).expect("the kernel has randomness after boot");
        let sealed = self.cipher(&salt).encrypt(
            &Nonce::default(),
            Payload {
                msg: &plain,
                aad: name.as_bytes(),
            },
        );
        let sealed = sealed.expect("ChaCha20-Poly1305 seals a message");
        let bytes = [&MAGIC[..], &salt, &sealed].concat();
        replace(&self.dir.join(&name), &bytes)
    }

    /// Removes what a run has left of one that died as it was written.
    pub(crate) fn sweep(&self) -> io::Result<()> {
        sweep(&self.dir)
    }

    /// The order; `None` if none is kept.
    pub(crate) fn read(&self, whose: Whose<'_>) -> io::Result<Option<KeptOrder>> {
        self.read_file(&file_name(whose))
    }

    /// The orders of all configs, by their names.
    pub(crate) fn of_configs(&self) -> io::Result<Vec<KeptOrder>> {
        let mut all = Vec::new();
        for name in self.names("config-")? {
            all.extend(self.read_file(&name)?);
        }
        all.sort_by(|a, b| a.config.cmp(&b.config));
        Ok(all)
    }

    /// Drops an order, if one is kept.
    pub(crate) fn forget(&self, whose: Whose<'_>) -> io::Result<()> {
        match fs::remove_file(self.dir.join(file_name(whose))) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }

    /// Drops what was kept of runs that went on after no reboot, since another one holds the host.
    pub(crate) fn forget_runs(&self) -> io::Result<()> {
        for name in self.names("run-")? {
            fs::remove_file(self.dir.join(name))?;
        }
        Ok(())
    }

    /// What a config's last run has come to is known. One of some of its blocks says nothing of the rest.
    pub(crate) fn note_end(&self, order: &KeptOrder) {
        if is_partial(order) {
            return;
        }
        if let Err(why) = self.keep(Whose::Config(&order.config), order) {
            tracing::warn!("what {} asked for cannot be kept: {why}", order.config);
        }
    }

    /// All that a config asks for is in place.
    pub(crate) fn note_in_place(&self, order: &KeptOrder) {
        if !self.knows(order) {
            self.note_end(order);
        }
    }

    /// Whether it is what was asked for last; a part of a config need not be known.
    pub(crate) fn knows(&self, order: &KeptOrder) -> bool {
        let earlier = self.read(Whose::Config(&order.config)).ok().flatten();
        let is_it = |known: KeptOrder| known.well && request(&known) == request(order);
        is_partial(order) || earlier.is_some_and(is_it)
    }

    /// A run was undone: what its config asked for is not there any more.
    pub(crate) fn undone(&self, run: &str) -> io::Result<()> {
        for mut kept in self.of_configs()? {
            if run_of(&kept) == run && kept.well {
                kept.well = false;
                self.keep(Whose::Config(&kept.config), &kept)?;
            }
        }
        Ok(())
    }

    /// The names of all files of a sort.
    fn names(&self, prefix: &str) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(&self.dir) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry?.file_name().into_string().ok();
            let is_one = |name: &String| name.starts_with(prefix) && name.ends_with(SUFFIX);
            names.extend(name.filter(is_one));
        }
        Ok(names)
    }

    fn read_file(&self, name: &str) -> io::Result<Option<KeptOrder>> {
        let path = self.dir.join(name);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        let opened = self.opened(name, &bytes);
        opened.map(Some).ok_or_else(|| {
            let why = format!("{}: this host has not sealed it so", path.display());
            io::Error::new(ErrorKind::InvalidData, why)
        })
    }

    fn opened(&self, name: &str, bytes: &[u8]) -> Option<KeptOrder> {
        let (salt, sealed) = bytes.strip_prefix(MAGIC)?.split_first_chunk::<SALT>()?;
        let payload = Payload {
            msg: sealed,
            aad: name.as_bytes(),
        };
        let plain = self.cipher(salt).decrypt(&Nonce::default(), payload);
        let plain = Zeroizing::new(plain.ok()?);
        KeptOrder::decode(Bytes::copy_from_slice(&plain)).ok()
    }

    /// The cipher of one writing, whose key is used once, hence the nonce of zeros.
    fn cipher(&self, salt: &[u8; SALT]) -> ChaCha20Poly1305 {
        let key = Zeroizing::new(*blake3::keyed_hash(&self.key, salt).as_bytes());
        ChaCha20Poly1305::new((&*key).into())
    }
}

/// What was asked for.
pub(crate) fn request(order: &KeptOrder) -> Option<&Request> {
    order.order.as_ref()?.apply.as_ref()?.request.as_ref()
}

fn is_partial(order: &KeptOrder) -> bool {
    request(order).is_none_or(|request| !request.tags.is_empty())
}

fn run_of(order: &KeptOrder) -> &str {
    let running = order
        .order
        .as_ref()
        .and_then(|order| order.running.as_ref());
    running.map_or("", |running| running.run.as_str())
}

/// A config's name may have any length and spaces in it.
fn file_name(whose: Whose<'_>) -> String {
    match whose {
        Whose::Config(name) => {
            let hash = blake3::hash(name.as_bytes()).to_hex();
            format!("config-{}{SUFFIX}", &hash[..32])
        }
        Whose::Run(id) => format!("run-{id}{SUFFIX}"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use hpt_proto::wire::{ApplyRequest, RunRequest, Running, Secret};

    use super::*;

    fn order(config: &str, secret: &str) -> KeptOrder {
        let secret = Secret {
            name: "db".to_owned(),
            value: secret.to_owned(),
        };
        let request = Request {
            secrets: vec![secret],
            ..Request::default()
        };
        let running = Running {
            run: "20261121-171501-3f7a".to_owned(),
            ..Running::default()
        };
        KeptOrder {
            config: config.to_owned(),
            order: Some(RunRequest {
                apply: Some(ApplyRequest {
                    request: Some(request),
                    ..ApplyRequest::default()
                }),
                running: Some(running),
                ..RunRequest::default()
            }),
            well: true,
        }
    }

    fn orders(dir: &std::path::Path) -> Orders {
        let places = Places {
            state: dir.join("state"),
            run: dir.join("run"),
            ..Places::default()
        };
        Orders::open(&places).unwrap()
    }

    #[test]
    fn an_order_is_kept_sealed_and_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let orders = orders(dir.path());
        let (web, run) = (Whose::Config("web"), Whose::Run("20261121-171501-3f7a"));
        assert!(orders.read(web).unwrap().is_none());
        orders.keep(web, &order("web", "hunter2")).unwrap();
        orders.keep(web, &order("web", "hunter3")).unwrap();
        orders.keep(run, &order("web", "hunter4")).unwrap();
        assert!(orders.read(web).unwrap() == Some(order("web", "hunter3")));
        assert!(orders.of_configs().unwrap() == [order("web", "hunter3")]);
        for entry in fs::read_dir(&orders.dir).unwrap() {
            let path = entry.unwrap().path();
            assert_eq!(path.metadata().unwrap().mode() & 0o7777, 0o600);
            let bytes = fs::read(&path).unwrap();
            let is_told = |word: &[u8]| bytes.windows(word.len()).any(|part| part == word);
            assert!(!is_told(b"hunter") && !is_told(b"web"), "{path:?}");
        }
        orders.undone("another").unwrap();
        assert!(orders.read(web).unwrap().unwrap().well);
        orders.undone("20261121-171501-3f7a").unwrap();
        assert!(!orders.read(web).unwrap().unwrap().well);
        orders.forget(run).unwrap();
        orders.forget(run).unwrap();
        assert!(orders.read(run).unwrap().is_none());
    }

    #[test]
    fn an_order_is_not_another_ones_and_not_changed() {
        let dir = tempfile::tempdir().unwrap();
        let kept = orders(dir.path());
        kept.keep(Whose::Config("web"), &order("web", "x")).unwrap();
        let web = kept.dir.join(file_name(Whose::Config("web")));
        let db = kept.dir.join(file_name(Whose::Config("db")));
        fs::copy(&web, &db).unwrap();
        assert!(kept.read(Whose::Config("db")).is_err());
        let whole = fs::read(&web).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            fs::write(&web, bytes).unwrap();
            assert!(kept.read(Whose::Config("web")).is_err(), "byte {at}");
            fs::write(&web, &whole[..at]).unwrap();
            assert!(kept.read(Whose::Config("web")).is_err(), "cut at {at}");
        }
        let elsewhere = tempfile::tempdir().unwrap();
        let other = orders(elsewhere.path());
        crate::state::private_dir(&other.dir).unwrap();
        fs::write(other.dir.join(file_name(Whose::Config("web"))), whole).unwrap();
        assert!(other.read(Whose::Config("web")).is_err());
    }
}

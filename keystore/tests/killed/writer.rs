//! `keystore-writer VERB DIR`: one write to the keystores in a directory, for `killed.rs` to kill.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use hpt_keystore::client::{self, KnownTarget};
use hpt_keystore::{
    ClientName, Existing, Keypair, NewTarget, Psk, TargetName, backup, gen_target, restore,
};
use rustix::fs::Mode;
use rustix::process::umask;

fn main() {
    // The umask that protects nothing: what is kept from others is kept by hpt (K1).
    umask(Mode::empty());
    let args: Vec<_> = std::env::args().collect();
    let [_, verb, dir] = &args[..] else {
        panic!("keystore-writer VERB DIR")
    };
    let at = |name: &str| Path::new(dir).join(name);
    let (keystore, copy) = (at("client.db"), at("copy"));
    let name = |text: &str| TargetName::parse(text).unwrap();
    let generate = |target: &str, existing| {
        let new = NewTarget {
            name: name(target),
            client: ClientName::parse("laptop").unwrap(),
            address: None,
            now: 1,
        };
        let output = at(&format!("{target}.keystore"));
        gen_target(&keystore, &output, new, existing).unwrap();
    };
    match verb.as_str() {
        "create" => drop(client::create(&keystore, None, Existing::Keep).unwrap()),
        "recreate" => drop(client::create(&keystore, None, Existing::Replace).unwrap()),
        "gen" => generate("web2", Existing::Keep),
        "regen" => generate("web1", Existing::Replace),
        "pin" => {
            let target = KnownTarget {
                name: name("web2"),
                identity: Keypair::generate().identity(),
                psk: Psk::generate(),
                address: None,
                added_at: 1,
                behind: None,
            };
            client::pin_target(&keystore, &target, Existing::Keep).unwrap();
        }
        "rename" => client::rename(&keystore, &name("db1"), &name("db2")).unwrap(),
        "remove" => drop(client::remove(&keystore, &name("db1")).unwrap()),
        "backup" => backup(&keystore, &copy).unwrap(),
        "restore" => restore(&copy, &keystore, Existing::Replace).unwrap(),
        _ => panic!("{verb}: not a verb"),
    }
}

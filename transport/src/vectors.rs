//! Another implementation's vector of our suite, replayed through our resolver.

use std::sync::Arc;

use hpt_keystore::{Psk, PublicKey, SecretKey};
use serde_json::Value;
use snow::Builder;

use crate::allow::{Pin, Pins};
use crate::handshake::{PSK_PLACE, builder};
use crate::local::LocalKey;
use crate::wire::SUITE;
use crate::x25519::{Gate, STATIC};

fn bytes(value: &Value) -> Vec<u8> {
    let hex = value.as_str().unwrap();
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

fn key(value: &Value) -> [u8; 32] {
    bytes(value).try_into().unwrap()
}

#[test]
fn cacophony_holds() {
    let file = include_str!("../testdata/cacophony.json");
    let file: Value = serde_json::from_str(file).unwrap();
    let vector = &file["vectors"][0];
    assert_eq!(vector["protocol_name"], SUITE);

    let local = |name: &str| {
        let secret = SecretKey::from_bytes(key(&vector[name]).into());
        LocalKey::new(secret)
    };
    let (client, target) = (local("init_static"), local("resp_static"));
    let remote = PublicKey::from_bytes(key(&vector["init_remote_static"])).unwrap();
    assert_eq!(target.public(), remote);
    let pins = Arc::new(Pins::new(vec![Pin {
        key: client.public(),
        psk: Psk::from_bytes(key(&vector["resp_psks"][0]).into()),
    }]));

    let psk = key(&vector["init_psks"][0]);
    let ephemeral = ["init_ephemeral", "resp_ephemeral"].map(|name| key(&vector[name]));
    let prologue = ["init_prologue", "resp_prologue"].map(|name| bytes(&vector[name]));
    let mut initiator = builder(&client, Gate::Chosen)
        .prologue(&prologue[0])
        .and_then(|noise| noise.local_private_key(STATIC))
        .and_then(|noise| noise.remote_public_key(remote.as_bytes()))
        .map(|noise| noise.fixed_ephemeral_key_for_testing_only(&ephemeral[0]))
        .and_then(Builder::build_initiator)
        .unwrap();
    initiator.set_psk(PSK_PLACE, &psk).unwrap();
    let mut responder = builder(&target, Gate::Pinned(Arc::clone(&pins)))
        .prologue(&prologue[1])
        .and_then(|noise| noise.local_private_key(STATIC))
        .map(|noise| noise.fixed_ephemeral_key_for_testing_only(&ephemeral[1]))
        .and_then(Builder::build_responder)
        .unwrap();

    let messages = vector["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 6);
    let (mut sent, mut got) = ([0; 256], [0; 256]);

    let (payload, expected) = (
        bytes(&messages[0]["payload"]),
        bytes(&messages[0]["ciphertext"]),
    );
    let n = initiator.write_message(&payload, &mut sent).unwrap();
    assert_eq!(sent[..n], expected);
    let n = responder.read_message(&expected, &mut got).unwrap();
    assert_eq!(got[..n], payload);

    let found = pins.find(responder.get_remote_static().unwrap().try_into().unwrap());
    responder
        .set_psk(PSK_PLACE, found.unwrap().psk.expose())
        .unwrap();
    let (payload, expected) = (
        bytes(&messages[1]["payload"]),
        bytes(&messages[1]["ciphertext"]),
    );
    let n = responder.write_message(&payload, &mut sent).unwrap();
    assert_eq!(sent[..n], expected);
    let n = initiator.read_message(&expected, &mut got).unwrap();
    assert_eq!(got[..n], payload);

    for end in [&initiator, &responder] {
        assert_eq!(end.get_handshake_hash(), bytes(&vector["handshake_hash"]));
    }
    let mut initiator = initiator.into_transport_mode().unwrap();
    let mut responder = responder.into_transport_mode().unwrap();
    for (turn, message) in messages[2..].iter().enumerate() {
        let (from, to) = if turn % 2 == 0 {
            (&mut initiator, &mut responder)
        } else {
            (&mut responder, &mut initiator)
        };
        let (payload, expected) = (bytes(&message["payload"]), bytes(&message["ciphertext"]));
        let n = from.write_message(&payload, &mut sent).unwrap();
        assert_eq!(sent[..n], expected);
        let n = to.read_message(&expected, &mut got).unwrap();
        assert_eq!(got[..n], payload);
    }
}

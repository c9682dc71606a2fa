//! K9: an invitation that is guessed at. Nobody gets in, it is logged and made slow, and whoever was invited
//! is met all the same.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hpt_agent::join;
use hpt_keystore::{Existing, FirstKeys, Invitation, Keypair, target};
use hpt_proto::wire::joining_client::JoiningClient;
use hpt_proto::wire::{MeetRequest, WelcomeRequest};
use hpt_transport::{Dialer, LocalKey, TurnedAway, bind, grpc};
use tonic::Code;

const GUESSES: usize = 10_000;
const AT_ONCE: usize = 50;

fn dialer(host: &str, port: u16, keys: &Keypair, first: FirstKeys) -> Dialer {
    let secret = hpt_keystore::SecretKey::from_bytes((*keys.channel.expose()).into());
    let key = LocalKey::new(secret);
    Dialer::new(host, port, key, first.host.public(), Arc::new(first.psk))
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_guesses_come_to_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let keystore = dir.path().join("keystore.db");
    let client = Keypair::generate();
    let invitation = Invitation::new(&client.identity(), 1_750_003_600);
    let tcp = bind("[::]:0".parse().unwrap()).unwrap();
    let port = tcp.local_addr().unwrap().port();
    let said = Arc::new(Mutex::new(Vec::new()));
    let hear = Arc::clone(&said);
    let tell = Arc::new(move |who: TurnedAway| hear.lock().unwrap().push(who));
    let (path, text) = (keystore.clone(), invitation.to_text());
    let joining = tokio::spawn(async move {
        let invitation = Invitation::parse(&text).unwrap();
        let left = Duration::from_mins(10);
        join(
            tcp,
            &invitation,
            (path, Existing::Keep),
            (1_750_000_000, left),
            tell,
        )
        .await
    });

    // Some know whom the host waits for, some even hold that key and know no secret; none is let in.
    let stranger = Arc::new(Keypair::generate());
    let known = Arc::new(Keypair {
        channel: hpt_keystore::SecretKey::from_bytes((*client.channel.expose()).into()),
        signing: hpt_keystore::SigningKey::generate(),
    });
    let mut guesses: tokio::task::JoinSet<bool> = tokio::task::JoinSet::new();
    for guess in 0..GUESSES {
        if guesses.len() == AT_ONCE {
            assert!(
                guesses.join_next().await.unwrap().unwrap(),
                "a guess got in"
            );
        }
        let keys = Arc::clone(if guess % 2 == 0 { &stranger } else { &known });
        let first = Invitation::new(&client.identity(), 1_750_003_600).first_keys();
        let dialer = dialer("127.0.0.1", port, &keys, first);
        guesses.spawn(async move { dialer.dial().await.is_err() });
    }
    while let Some(refused) = guesses.join_next().await {
        assert!(refused.unwrap(), "a guess got in");
    }
    assert!(!keystore.exists() && !joining.is_finished());
    {
        let said = said.lock().unwrap();
        assert!(
            !said.is_empty() && said.len() < GUESSES / 10,
            "{} lines",
            said.len()
        );
        assert!(
            said.iter().any(|who| who.why.contains("shut out")),
            "it is made slow"
        );
    }

    // The one who was invited comes from elsewhere, and says who it is.
    let channel = grpc::connect(dialer("::1", port, &client, invitation.first_keys()));
    let mut host = JoiningClient::new(channel.await.unwrap());
    let early = host.welcome(WelcomeRequest {}).await.unwrap_err();
    assert_eq!(early.code(), Code::FailedPrecondition);
    let wrong = MeetRequest {
        identity: stranger.identity().to_bytes().into(),
        name: "laptop".into(),
    };
    let refused = host.meet(wrong).await.err().unwrap();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let own = MeetRequest {
        identity: client.identity().to_bytes().into(),
        name: "laptop".into(),
    };
    let met = host.meet(own).await.unwrap().into_inner();
    assert!(
        !keystore.exists(),
        "nothing is kept before the client has pinned it"
    );
    host.welcome(WelcomeRequest {}).await.unwrap();
    let identity = joining.await.unwrap().unwrap();
    assert_eq!(met.identity, identity.to_bytes());
    let keys = target::load(&keystore).unwrap();
    assert_eq!(keys.own.identity(), identity);
    let [pinned] = &keys.clients[..] else {
        panic!("one client")
    };
    assert_eq!(pinned.identity, client.identity());
    assert_eq!(pinned.psk.expose()[..], met.psk[..]);
    assert!(pinned.is_operator());
    // The invitation was for one.
    let again = dialer("::1", port, &client, invitation.first_keys());
    assert!(again.dial().await.is_err());
}

//! The calls about pins: who may let whom in, that a revoked session is over at once, and that keys follow others.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{TestClient, TestServer};
use hpt_keystore::target::{self, statement};
use hpt_keystore::{Identity, Keypair};
use hpt_proto::wire::target_client::TargetClient;
use hpt_proto::wire::{
    AuthorizeRequest, ClientsRequest, RevokeRequest, SettleRequest, StatusRequest, SucceedRequest,
};
use tonic::transport::Channel;
use tonic::{Code, Status};

const ALL: &str = "status facts plan apply exec log attach cancel undo pins call:*";

async fn status(client: &mut TargetClient<Channel>) -> Result<(), Status> {
    client.status(StatusRequest {}).await.map(drop)
}

fn let_in(client: &TestClient, grants: &str) -> AuthorizeRequest {
    AuthorizeRequest {
        name: client.name.to_string(),
        identity: client.own.identity().to_bytes().into(),
        psk: client.psk.expose().into(),
        grants: grants.to_owned(),
        ..AuthorizeRequest::default()
    }
}

fn code<T>(result: Result<T, Status>) -> Code {
    result.err().map_or(Code::Ok, |status| status.code())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gives_what_they_have_not() {
    let (laptop, porter) = (TestClient::new("laptop"), TestClient::new("porter"));
    let guest = TestClient::new("guest");
    let server = TestServer::start(&[laptop.pin(ALL), porter.pin("status pins call:open")]);
    let mut porter = server.connect(&porter).await;
    for grants in ["plan", "status apply", "call:close", "call:*", ALL] {
        let refused = porter.authorize(let_in(&guest, grants)).await;
        assert_eq!(code(refused), Code::PermissionDenied, "{grants}");
    }
    for wrong in [
        AuthorizeRequest {
            psk: vec![1; 31],
            ..let_in(&guest, "status")
        },
        AuthorizeRequest {
            identity: vec![0; 64],
            ..let_in(&guest, "status")
        },
        AuthorizeRequest {
            name: "../guest".into(),
            ..let_in(&guest, "status")
        },
        AuthorizeRequest {
            until: common::clock(),
            ..let_in(&guest, "status")
        },
        let_in(&guest, "everything"),
    ] {
        let refused = porter.authorize(wrong).await;
        assert_eq!(code(refused), Code::InvalidArgument);
    }
    assert!(server.dialer(&guest).dial().await.is_err());
    let granted = porter.authorize(let_in(&guest, "status call:open")).await;
    assert_eq!(code(granted), Code::Ok);
    status(&mut server.connect(&guest).await).await.unwrap();
    let clients = porter
        .clients(ClientsRequest {})
        .await
        .unwrap()
        .into_inner();
    let names: Vec<_> = clients.clients.iter().map(|client| &client.name).collect();
    assert_eq!(names, ["guest", "laptop", "porter"]);
}

/// R2: whoever is revoked is out when the reply comes, in whatever session.
#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_session_is_over_when_the_reply_comes() {
    let (laptop, thief) = (TestClient::new("laptop"), TestClient::new("thief"));
    let server = TestServer::start(&[laptop.pin(ALL), thief.pin(ALL)]);
    let (mut mine, mut stolen) = (server.connect(&laptop).await, server.connect(&thief).await);
    status(&mut stolen).await.unwrap();
    let revoke = RevokeRequest {
        identity: thief.own.identity().to_bytes().into(),
        ..RevokeRequest::default()
    };
    let reply = mine.revoke(revoke.clone()).await.unwrap().into_inner();
    assert_eq!(reply.name, "thief");
    assert!(status(&mut stolen).await.is_err());
    assert!(server.dialer(&thief).dial().await.is_err());
    let again = mine.revoke(revoke).await.unwrap().into_inner();
    assert_eq!(again.name, "");
    // R3: nobody else is left who may do everything.
    let own = RevokeRequest {
        name: laptop.name.to_string(),
        ..RevokeRequest::default()
    };
    assert_eq!(code(mine.revoke(own).await), Code::FailedPrecondition);
    status(&mut mine).await.unwrap();
}

fn follow(target: &Identity, by: &Keypair, next: &TestClient) -> SucceedRequest {
    let identity = next.own.identity();
    SucceedRequest {
        identity: identity.to_bytes().into(),
        psk: next.psk.expose().into(),
        signature: by.signing.sign(&statement(target, &identity)).into(),
    }
}

/// R1: new keys are let in beside the old ones, and alone once they were used.
#[tokio::test(flavor = "multi_thread")]
async fn keys_follow_others() {
    let (laptop, next) = (TestClient::new("laptop"), TestClient::new("laptop"));
    let server = TestServer::start(&[laptop.pin("status")]);
    let target = target::load(&server.keystore()).unwrap().own.identity();
    let mut old = server.connect(&laptop).await;
    let forged = follow(&target, &next.own, &next);
    assert_eq!(code(old.succeed(forged).await), Code::PermissionDenied);
    let elsewhere = follow(&next.own.identity(), &laptop.own, &next);
    assert_eq!(code(old.succeed(elsewhere).await), Code::PermissionDenied);
    assert!(server.dialer(&next).dial().await.is_err());

    let asked = follow(&target, &laptop.own, &next);
    old.succeed(asked.clone()).await.unwrap();
    old.succeed(asked).await.unwrap();
    let mut new = server.connect(&next).await;
    status(&mut new).await.unwrap();
    // The old ones cannot say that the new ones were used.
    old.settle(SettleRequest {}).await.unwrap();
    status(&mut server.connect(&laptop).await).await.unwrap();
    new.settle(SettleRequest {}).await.unwrap();
    assert!(status(&mut old).await.is_err(), "its session is over");
    assert!(server.dialer(&laptop).dial().await.is_err());
    new.settle(SettleRequest {}).await.unwrap();
    status(&mut new).await.unwrap();
    let pinned = target::load(&server.keystore()).unwrap().clients;
    assert_eq!(pinned[0].grants.to_string(), "status");
}

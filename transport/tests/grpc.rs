//! gRPC rides on a link: calls, who is calling, reconnects, panics, and what strangers are told.

mod common;

use common::{Pair, echo, lenient};
use hpt_keystore::SecretKey;
use hpt_transport::{DialError, LocalKey, grpc};

#[tokio::test]
async fn a_call_goes_through_and_names_its_caller() {
    let pair = Pair::new();
    let (at, _serving) = pair.serve(lenient()).await;
    let channel = grpc::connect(pair.dialer(at)).await.unwrap();
    assert_eq!(echo(&channel, b"hello").await.unwrap(), b"hello");
    let megabyte = vec![7; 1 << 20];
    assert!(echo(&channel, &megabyte).await.unwrap() == megabyte);
    let who = echo(&channel, b"who").await.unwrap();
    assert_eq!(who, pair.client.public().as_bytes());
}

#[tokio::test]
async fn a_stranger_only_sees_the_door_close() {
    let pair = Pair::new();
    let (at, _serving) = pair.serve(lenient()).await;
    let stranger = LocalKey::new(SecretKey::generate());
    let refused = grpc::connect(pair.dialer_as(&stranger, at)).await;
    let error = refused.map(drop).unwrap_err();
    assert!(matches!(error, DialError::Closed { .. }), "{error}");
}

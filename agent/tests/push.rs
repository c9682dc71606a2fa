//! Blobs through a link: whole or not at all.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::time::Instant;

use bytes::Bytes;
use common::{TestClient, TestServer, put};
use hpt_proto::wire;
use tokio_stream::StreamExt as _;

#[tokio::test(flavor = "multi_thread")]
async fn many_blobs_travel_in_one_call() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start(&[laptop.pin("apply")]);
    let mut client = server.connect(&laptop).await;
    let blobs: Vec<Vec<u8>> = (0..1000_u32).map(|i| i.to_be_bytes().repeat(256)).collect();
    let slices: Vec<&[u8]> = blobs.iter().map(Vec::as_slice).collect();
    let hashes: Vec<_> = blobs.iter().map(|blob| blake3::hash(blob)).collect();
    let request = wire::MissingBlobsRequest::from(&hashes[..]);
    let missing = client
        .missing_blobs(request.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(missing.hashes, request.hashes);
    let start = Instant::now();
    put(&mut client, &slices, 1 << 20).await.unwrap();
    println!("1,000 blobs of 1 KiB, durable: {:?}", start.elapsed());
    let missing = client.missing_blobs(request).await.unwrap().into_inner();
    assert_eq!(missing.hashes.len(), 0);
}

/// H12: a sender who is cut off in the middle of a blob leaves nothing behind.
#[tokio::test(flavor = "multi_thread")]
async fn a_cut_push_leaves_nothing() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start(&[laptop.pin("apply")]);
    let mut client = server.connect(&laptop).await;
    let begin = wire::PutBlobsRequest {
        hash: blake3::hash(b"never whole").as_bytes().to_vec(),
        size: 11,
        chunk: Bytes::from_static(b"never"),
    };
    let stalling = tokio_stream::iter([begin]).chain(tokio_stream::pending());
    let push = tokio::spawn(async move { client.put_blobs(stalling).await.map(drop) });
    let blobs = server.places().state.join("blobs");
    let count = || fs::read_dir(&blobs).unwrap().count();
    let start = Instant::now();
    while count() == 0 {
        assert!(start.elapsed().as_secs() < 10, "the push has not begun");
        tokio::task::yield_now().await;
    }
    push.abort();
    while count() > 0 {
        assert!(start.elapsed().as_secs() < 10, "a torn blob is left");
        tokio::task::yield_now().await;
    }
}

//! The checked-in code is what the checked-in contract says. No one who builds hpt needs protoc.

use std::path::{Path, PathBuf};
use std::{env, fs};

const HEADER: &str = "\
//! Written by tests/generated.rs from target.proto: `HPT_BLESS=1 cargo test -p hpt-proto` does it.

";

/// Messages that carry configs, secrets or output: they must not be printed by mistake (S1).
const UNPRINTABLE: &[&str] = &[
    "File",
    "Source",
    "Secret",
    "Request",
    "PlanRequest",
    "ApplyRequest",
    "PutBlobsRequest",
    "Output",
    "ApplyEvent",
    "ApplyEvent.event",
    "RunRequest",
    "KeptOrder",
    "Record",
    "Record.record",
    "AuthorizeRequest",
    "SucceedRequest",
    "MeetReply",
];

fn generate(out: &Path) -> String {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let parsed = protox::compile(["target.proto"], [here]).expect("target.proto is sound");
    tonic_prost_build::configure()
        .build_transport(false)
        .codec_path("crate::exact::ExactCodec")
        .bytes(".hpt.v1.PutBlobsRequest.chunk")
        .bytes(".hpt.v1.Source.content")
        .bytes(".hpt.v1.Output.bytes")
        .skip_debug(UNPRINTABLE.iter().map(|name| format!(".hpt.v1.{name}")))
        .out_dir(out)
        .compile_fds(parsed)
        .expect("the folder can be written");
    HEADER.to_owned() + &fs::read_to_string(out.join("hpt.v1.rs")).expect("it was written")
}

#[test]
fn generated_code_is_what_the_contract_says() {
    let out = tempfile::tempdir().unwrap();
    let wanted = generate(out.path());
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/generated.rs");
    #[allow(
        clippy::disallowed_methods,
        reason = "a test is asked for this by its environment"
    )]
    if env::var_os("HPT_BLESS").is_some() {
        fs::write(&path, wanted).unwrap();
        return;
    }
    assert!(
        fs::read_to_string(&path).unwrap() == wanted,
        "src/generated.rs is not what target.proto says: run HPT_BLESS=1 cargo test -p hpt-proto"
    );
}

/// S1: what may hold a secret cannot be printed, so that no log or panic text can show it.
#[test]
fn messages_with_secrets_have_no_debug() {
    let text = include_str!("../src/generated.rs");
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    for name in UNPRINTABLE {
        let shape = match *name {
            "ApplyEvent.event" => "pub enum Event {".to_owned(),
            "Record.record" => "pub enum Record {".to_owned(),
            message => format!("pub struct {message} {{"),
        };
        let at = lines
            .iter()
            .position(|line| *line == shape)
            .expect("the message is there");
        assert_eq!(lines[at - 1], "#[prost(skip_debug)]", "{name}");
    }
}

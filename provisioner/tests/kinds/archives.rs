//! `[[archive]]`.

use super::*;

/// A tar archive with one file, `app-1/bin/app`.
fn archive(content: &str) -> Vec<u8> {
    let mut header = [0_u8; 512];
    let mut put =
        |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, "app-1/bin/app");
    put(100, "0000755");
    put(124, &format!("{:011o}", content.len()));
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut bytes = header.to_vec();
    bytes.extend_from_slice(content.as_bytes());
    bytes.resize(bytes.len().next_multiple_of(512) + 1024, 0);
    bytes
}

/// A config whose source `app.tar` holds a file with this content.
fn with(text: &str, content: &str, host: &mut Host) -> Config {
    let bytes = archive(content);
    let hash = host.inner.put_blob(&bytes);
    let size = u64::try_from(bytes.len()).unwrap();
    let source = Source::File("app.tar".to_owned());
    config_with(text, BTreeMap::from([(source, Blob { hash, size })]))
}

const APP: &str = "[[archive]]\nsource = \"app.tar\"\ndest = \"/opt/x/app\"\nstrip = 1\n";

fn verdict(config: &Config, host: &Host) -> Verdict {
    only(look(config, host)).verdict
}

#[test]
fn an_archive_is_unpacked_once_and_again_when_it_is_another() {
    let mut host = Host::new();
    let one = with(APP, "1", &mut host);
    assert_eq!(verdict(&one, &host), Verdict::Create);
    settles_with(&one, &mut host);
    assert_eq!(host.text("/opt/x/app/bin/app"), "1");
    let two = with(APP, "2", &mut host);
    assert_eq!(verdict(&two, &host), Verdict::Update);
    settles_with(&two, &mut host);
    assert_eq!(host.text("/opt/x/app/bin/app"), "2");
    // Back to the first, which is not there any more.
    assert_eq!(verdict(&one, &host), Verdict::Update);
    settles_with(&one, &mut host);
}

#[test]
fn what_is_gone_is_unpacked_again() {
    let mut host = Host::new();
    let text = format!("{APP}creates = \"/opt/x/app/bin/app\"\n");
    let config = with(&text, "1", &mut host);
    settles_with(&config, &mut host);
    let gone = |at: &str| Effect::Remove {
        path: path(at),
        recursive: true,
    };
    host.inner.put(&gone("/opt/x/app/bin/app"));
    assert_eq!(verdict(&config, &host), Verdict::Update);
    settles_with(&config, &mut host);
    host.inner.put(&gone("/opt/x/app"));
    assert_eq!(verdict(&config, &host), Verdict::Create);
    settles_with(&config, &mut host);
}

#[test]
fn an_archive_without_what_it_should_bring_fails() {
    let mut host = Host::new();
    let text = format!("{APP}creates = \"/opt/x/app/other\"\n");
    let config = with(&text, "1", &mut host);
    let report = apply(&config, &mut host, &mut ());
    assert_eq!(report.blocks[0].outcome, Outcome::Failed, "{report:?}");
}

#[test]
fn a_plan_of_an_archive_asks_for_its_bytes_and_says_what_stands_in_its_way() {
    let mut host = Host::new();
    let source = Source::File("app.tar".to_owned());
    let hash = blake3::hash(b"not sent yet");
    let config = config_with(APP, BTreeMap::from([(source, Blob { hash, size: 12 })]));
    let plan = look(&config, &host);
    assert_eq!(plan.missing, [hash]);
    assert_eq!(plan.blocks[0].verdict, Verdict::Create);
    host.inner.put(&directory("/opt/x"));
    host.inner.put(&written("/opt/x/app", "", 0o644));
    let why = only(look(&config, &host)).summary;
    assert!(why.contains("no directory"), "{why}");
    let text = format!("{APP}owner = \"app\"\n");
    let config = with(&text, "1", &mut Host::new());
    assert_eq!(verdict(&config, &host), Verdict::Blocked);
}

#[test]
fn an_owner_that_a_package_brings_is_awaited() {
    let mut host = Host::new();
    let text = format!("packages = [\"app\"]\n{APP}owner = \"app\"\n");
    let plan = look(&with(&text, "1", &mut host), &host);
    assert_eq!(plan.blocks[1].verdict, Verdict::Maybe, "{plan:?}");
}

#[test]
fn what_lies_in_an_archive_is_known_when_it_is_unpacked() {
    let mut host = Host::new();
    let text = format!(
        "{APP}[[file]]\npath = \"/opt/x/app/conf\"\ncontent = \"x\"\n[[file]]\npath = \"/opt/x/beside\"\ncontent = \"x\"\n"
    );
    let config = with(&text, "1", &mut host);
    let verdicts: Vec<_> = look(&config, &host)
        .blocks
        .iter()
        .map(|b| b.verdict)
        .collect();
    assert_eq!(verdicts, [Verdict::Create, Verdict::Maybe, Verdict::Create]);
    settles_with(&config, &mut host);
}

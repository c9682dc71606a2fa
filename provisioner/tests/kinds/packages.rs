//! `packages` and `[[package]]`.

use super::*;

#[test]
fn packages_are_one_transaction_and_half_configured_ones_are_not_in_place() {
    let mut host = Host::new();
    let text = "packages = [\"git\", \"curl\"]\n";
    assert_eq!(
        planned(text, &host),
        (Verdict::Create, "git, curl".to_owned())
    );
    settles(text, &mut host);
    host.half_configured = true;
    assert_eq!(planned(text, &host).0, Verdict::Update);
    settles(text, &mut host);
    settles("[[package]]\nname = \"git\"\nabsent = true\n", &mut host);
    settles(
        "[[package]]\nname = \"curl\"\nstate = \"absent\"\n",
        &mut host,
    );
}

#[test]
fn a_version_is_that_version() {
    let mut host = Host::new();
    let text = "[[package]]\nname = \"git\"\nversion = \"1:2.39.5-0+deb12u2\"\n";
    let want = Want {
        name: PackageName::parse("git").unwrap(),
        version: None,
    };
    host.inner.put(&Effect::Packages(Transaction {
        install: vec![want],
        ..Transaction::default()
    }));
    assert_eq!(planned(text, &host).0, Verdict::Update);
    settles(text, &mut host);
}

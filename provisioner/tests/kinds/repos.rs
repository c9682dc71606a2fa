//! `[[package_repo]]`.

use super::*;

const KEY: &str = include_str!("../../../testdata/keys/lab.asc");
const PRINT: &str = "5DEFAC8526D742C59F72DACE51D841E5A93A646F";

/// A host of a package manager.
fn managed_by(manager: &str) -> Host {
    let mut host = Host::new();
    host.inner = Memory::new(Facts {
        package_manager: manager.to_owned(),
        ..Facts::default()
    });
    host.inner.put(&directory("/etc/apt"));
    host.inner.put(&directory("/etc/apt/sources.list.d"));
    host
}

fn inline(fields: &str) -> String {
    format!(
        "[[package_repo]]\nname = \"lab\"\nuris = [\"https://repo.example.org:8443/x\", \"file:///srv/x\"]\n\
         key = '''\n{KEY}'''\n{fields}"
    )
}

#[test]
fn apt_gets_a_list_a_key_and_a_pin() {
    let mut host = managed_by("apt");
    let text = inline("suites = [\"bookworm\"]\ncomponents = [\"main\"]\npriority = 600\n");
    let (verdict, words) = planned(&text, &host);
    assert_eq!(
        (verdict, words.as_str()),
        (
            Verdict::Create,
            "https://repo.example.org:8443/x file:///srv/x"
        )
    );
    settles(&text, &mut host);
    let note = "# Written by hpt; what is changed here is changed back.\n";
    assert_eq!(
        host.text("/etc/apt/sources.list.d/lab.sources"),
        format!(
            "{note}Types: deb\nURIs: https://repo.example.org:8443/x file:///srv/x\nSuites: bookworm\n\
             Components: main\nSigned-By: /etc/apt/keyrings/lab.asc\n"
        )
    );
    assert_eq!(host.text("/etc/apt/keyrings/lab.asc"), KEY);
    assert_eq!(
        host.text("/etc/apt/preferences.d/hpt-lab.pref"),
        format!(
            "{note}Package: *\nPin: origin \"\"\nPin-Priority: 600\n\n\
             Package: *\nPin: origin \"repo.example.org\"\nPin-Priority: 600\n"
        )
    );
    let without_pin = inline("suites = [\"x/\"]\n");
    assert_eq!(planned(&without_pin, &host).0, Verdict::Update);
    settles(&without_pin, &mut host);
    assert_eq!(host.entry("/etc/apt/preferences.d/hpt-lab.pref"), None);
    // Somebody's hand in it is undone.
    host.inner.put(&written(
        "/etc/apt/sources.list.d/lab.sources",
        "Trusted: yes\n",
        0o644,
    ));
    settles(&without_pin, &mut host);
    settles(
        "[[package_repo]]\nname = \"lab\"\nabsent = true\n",
        &mut host,
    );
    for gone in [
        "/etc/apt/sources.list.d/lab.sources",
        "/etc/apt/keyrings/lab.asc",
    ] {
        assert_eq!(host.entry(gone), None, "{gone}");
    }
}

#[test]
fn dnf_gets_a_list_that_checks_signatures() {
    let mut host = managed_by("dnf");
    let text = inline("priority = 10\n");
    settles(&text, &mut host);
    assert_eq!(
        host.text("/etc/yum.repos.d/lab.repo"),
        "# Written by hpt; what is changed here is changed back.\n[lab]\nname=lab\n\
         baseurl=https://repo.example.org:8443/x file:///srv/x\nenabled=1\ngpgcheck=1\n\
         gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-hpt-lab\npriority=10\n"
    );
    assert_eq!(host.text("/etc/pki/rpm-gpg/RPM-GPG-KEY-hpt-lab"), KEY);
    settles(
        "[[package_repo]]\nname = \"lab\"\nabsent = true\n",
        &mut host,
    );
}

#[test]
fn what_a_manager_does_not_have_is_said_in_a_line() {
    let of_apt = inline("suites = [\"bookworm\"]\ncomponents = [\"main\"]\n");
    let table = [
        ("apt", inline(""), "apt needs the `suites` of a repository"),
        (
            "dnf",
            of_apt,
            "`suites` and `components` are apt's; this host has dnf",
        ),
        (
            "dnf",
            inline("priority = 600\n"),
            "a priority of dnf is 1 to 99",
        ),
        (
            "apk",
            inline(""),
            "package repositories are set up for apt and dnf; this host has apk",
        ),
        (
            "",
            inline(""),
            "package repositories are set up for apt and dnf; this host has neither",
        ),
    ];
    for (manager, text, why) in table {
        assert_eq!(blocked(&text, &managed_by(manager)), why);
    }
    let mut host = managed_by("apt");
    host.inner
        .put(&directory("/etc/apt/sources.list.d/lab.sources"));
    let why = blocked(&inline("suites = [\"x/\"]\n"), &host);
    assert!(why.contains("and not a file"), "{why}");
}

/// A key from elsewhere is the one whose fingerprint was given, or nothing is written.
#[test]
fn a_key_from_elsewhere_is_known_by_its_fingerprint() {
    let text = |print: &str| {
        config_with_key(&format!(
            "[[package_repo]]\nname = \"lab\"\nuris = [\"https://h/x\"]\nsuites = [\"x/\"]\n\
             source = \"lab.asc\"\nfingerprint = \"{print}\"\n"
        ))
    };
    let mut host = managed_by("apt");
    host.inner.put_blob(KEY.as_bytes());
    settles_with(&text(PRINT), &mut host);
    assert_eq!(host.text("/etc/apt/keyrings/lab.asc"), KEY);

    let mut host = managed_by("apt");
    host.inner.put_blob(KEY.as_bytes());
    let other = "0".repeat(40);
    let plan = look(&text(&other), &host);
    let planned = only(plan);
    assert_eq!(
        (planned.verdict, planned.summary),
        (
            Verdict::Blocked,
            format!("the key's fingerprint is {PRINT}, and not {other}")
        )
    );
    let report = apply(&text(&other), &mut host, &mut ());
    assert!(!report.succeeded());
    assert_eq!(host.entry("/etc/apt/sources.list.d/lab.sources"), None);
}

fn config_with_key(text: &str) -> Config {
    let blob = Blob {
        hash: blake3::hash(KEY.as_bytes()),
        size: KEY.len().try_into().unwrap(),
    };
    config_with(
        text,
        BTreeMap::from([(Source::parse("lab.asc").unwrap(), blob)]),
    )
}

/// What a repository will bring is not known before its lists are.
#[test]
fn latest_after_a_new_repository_is_known_when_applied() {
    let mut host = managed_by("apt");
    let text = inline("suites = [\"x/\"]\n") + "[[package]]\nname = \"git\"\nstate = \"latest\"\n";
    let want = Want {
        name: PackageName::parse("git").unwrap(),
        version: PackageVersion::parse("1").ok(),
    };
    host.inner.put(&Effect::Packages(Transaction {
        install: vec![want],
        ..Transaction::default()
    }));
    let plan = look(&config(&text), &host);
    assert_eq!(plan.blocks[1].verdict, Verdict::Maybe);
    settles(&text, &mut host);
}

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

fn put(host: &mut Host, names: &[&str]) {
    let want = |name: &&str| Want {
        name: PackageName::parse(name).unwrap(),
        version: Some(PackageVersion::parse("1.0-1").unwrap()),
    };
    host.inner.put(&Effect::Packages(Transaction {
        install: names.iter().map(want).collect(),
        ..Transaction::default()
    }));
}

#[test]
fn latest_is_in_place_when_the_lists_know_nothing_newer() {
    let mut host = Host::new();
    put(&mut host, &["git", "curl"]);
    let text = "[[package]]\nnames = [\"git\", \"curl\"]\nstate = \"latest\"\n";
    assert_eq!(planned(text, &host).0, Verdict::Ok);
    let newer = PackageVersion::parse("1.1-1").unwrap();
    host.inner
        .put_newer(PackageName::parse("curl").unwrap(), newer);
    assert_eq!(
        planned(text, &host),
        (Verdict::Update, "curl 1.0-1 -> 1.1-1".to_owned())
    );
    settles(text, &mut host);
    // What is missing is installed, and is the newest then.
    settles(
        "[[package]]\nname = \"vim\"\nstate = \"latest\"\n",
        &mut host,
    );
}

#[test]
fn latest_of_refreshed_lists_is_known_when_they_are() {
    let mut host = Host::new();
    put(&mut host, &["git"]);
    let text = "[[package]]\nname = \"git\"\nstate = \"latest\"\nupdate_cache = true\n";
    let words = "git to the newest version in the refreshed package lists";
    assert_eq!(planned(text, &host), (Verdict::Run, words.to_owned()));
    // Another repository has to be read first.
    let text = "[[file]]\npath = \"/etc/apt/sources.list.d/x.list\"\ncontent = \"\"\n[[package]]\nname = \"git\"\nstate = \"latest\"\n";
    host.inner.put(&directory("/etc/apt"));
    host.inner.put(&directory("/etc/apt/sources.list.d"));
    let plan = look(&config(text), &host);
    let words = "known when applied: depends on what /etc/apt/sources.list.d/x.list will bring";
    assert_eq!(
        (plan.blocks[1].verdict, plan.blocks[1].summary.as_str()),
        (Verdict::Maybe, words)
    );
    settles(text, &mut host);
}

#[test]
fn a_hold_is_set_kept_and_taken_away() {
    let mut host = Host::new();
    let held = "[[package]]\nname = \"git\"\nhold = true\n";
    assert_eq!(
        planned(held, &host),
        (Verdict::Create, "git, hold git".to_owned())
    );
    settles(held, &mut host);
    let other = "[[package]]\nname = \"git\"\nhold = true\nversion = \"2.0\"\n";
    settles(other, &mut host);
    assert_eq!(
        planned("[[package]]\nname = \"git\"\n", &host).0,
        Verdict::Ok
    );
    let free = "[[package]]\nname = \"git\"\nhold = false\n";
    assert_eq!(
        planned(free, &host),
        (Verdict::Update, "no hold on git".to_owned())
    );
    settles(free, &mut host);
}

#[test]
fn a_block_for_another_manager_says_so() {
    let facts = Facts {
        package_manager: "dnf".to_owned(),
        ..Facts::default()
    };
    let mut host = Host::new();
    host.inner = Memory::new(facts);
    let text = |manager: &str| format!("[[package]]\nname = \"git\"\nmanager = \"{manager}\"\n");
    assert_eq!(
        blocked(&text("apt"), &host),
        "packages of this host are managed by dnf, and not by apt"
    );
    assert_eq!(planned(&text("yum"), &host).0, Verdict::Create);
    settles(&text("dnf"), &mut host);
}

#[test]
fn what_others_need_is_removed_after_them_or_with_them() {
    let fresh = || {
        let mut host = Host::new();
        put(&mut host, &["app", "dep", "other"]);
        for (name, needed) in [("dep", "app"), ("other", "dep")] {
            let [name, needed] = [name, needed].map(|name| PackageName::parse(name).unwrap());
            host.inner.put_need(name, needed);
        }
        host
    };
    let absent = |names: &str| format!("[[package]]\nnames = [{names}]\nabsent = true\n");
    let [app, dep, other] = [r#""app""#, r#""dep""#, r#""other""#].map(absent);
    assert_eq!(
        blocked(&app, &fresh()),
        "the package manager would remove dep, other, which no block asks for"
    );
    settles(&absent(r#""app", "dep", "other""#), &mut fresh());
    settles(&[other.as_str(), &dep, &app].concat(), &mut fresh());
    // Each block is a transaction of its own.
    let plan = look(&config(&(app + &dep + &other)), &fresh());
    let verdicts: Vec<Verdict> = plan.blocks.iter().map(|block| block.verdict).collect();
    assert_eq!(
        verdicts,
        [Verdict::Blocked, Verdict::Blocked, Verdict::Delete]
    );
}

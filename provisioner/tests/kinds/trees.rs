//! `[[sync]]`.

use hpt_provisioner::listing::{Below, Listed, Listing};

use super::*;

const SITE: &str = "[[sync]]\nsource = \"static\"\ndest = \"/srv/site\"\n";

/// A config whose source `static` has these files, whose contents the host has got; a name that ends
/// with a slash is a directory.
fn with(text: &str, files: &[(&str, &str)], host: &mut Host) -> Config {
    let mut listing = Listing::default();
    for (name, content) in files {
        let listed = match name.strip_suffix('/') {
            Some(_) => Listed::Dir,
            None => Listed::File {
                content: blob(content, host),
                executable: name.starts_with("bin/"),
            },
        };
        let below = Below::parse(name.trim_end_matches('/')).unwrap();
        listing.add(below, listed);
    }
    let list = blob(&listing.to_text(), host);
    let source = Source::File("static".to_owned());
    config_with(text, BTreeMap::from([(source, list)]))
}

fn blob(content: &str, host: &mut Host) -> Blob {
    Blob {
        hash: host.inner.put_blob(content.as_bytes()),
        size: u64::try_from(content.len()).unwrap(),
    }
}

fn planned_of(config: &Config, host: &Host) -> (Verdict, String) {
    let planned = only(look(config, host));
    (planned.verdict, planned.summary)
}

const FILES: [(&str, &str); 4] = [
    ("index.html", "hello"),
    ("css/a b.css", "x"),
    ("bin/run", "#!"),
    ("empty/", ""),
];

#[test]
fn a_tree_is_copied_and_then_in_place() {
    let mut host = Host::new();
    let config = with(SITE, &FILES, &mut host);
    assert_eq!(
        planned_of(&config, &host),
        (Verdict::Create, "3 files".to_owned())
    );
    settles_with(&config, &mut host);
    assert_eq!(host.text("/srv/site/css/a b.css"), "x");
    let mode = |at| host.entry(at).unwrap().mode;
    assert_eq!(mode("/srv/site/bin/run"), Mode::new(0o755));
    assert_eq!(mode("/srv/site/index.html"), Mode::new(0o644));
    assert!(host.entry("/srv/site/empty").is_some());
}

#[test]
fn only_what_differs_is_written_and_asked_for() {
    let mut host = Host::new();
    settles_with(&with(SITE, &FILES, &mut host), &mut host);
    host.inner.put(&written("/srv/site/mine", "kept", 0o600));
    let mut files = FILES;
    files[0].1 = "hello again";
    let config = with(SITE, &files, &mut host);
    let plan = look(&config, &host);
    assert!(plan.missing.is_empty(), "{plan:?}");
    assert_eq!(
        planned_of(&config, &host),
        (Verdict::Update, "1 file".to_owned())
    );
    settles_with(&config, &mut host);
    assert_eq!(host.text("/srv/site/index.html"), "hello again");
    assert_eq!(host.text("/srv/site/mine"), "kept");
    // Contents that the host lacks are asked for, those of the files that would be written alone.
    let mut other = Host::new();
    let config = with(SITE, &files, &mut other);
    let mut lacks = Host::new();
    let list = Source::File("static".to_owned());
    let listed = config.scope.blobs[&list].hash;
    lacks
        .inner
        .put_blob(&other.inner.blob(&listed).unwrap().unwrap());
    let missing = look(&config, &lacks).missing;
    assert_eq!(missing.len(), 3, "{missing:?}");
}

#[test]
fn what_goes_is_named_first() {
    let mut host = Host::new();
    settles_with(&with(SITE, &FILES, &mut host), &mut host);
    for effect in [
        directory("/srv/site/old"),
        written("/srv/site/old/x", "", 0o644),
        written("/srv/site/css/mine.css", "", 0o644),
    ] {
        host.inner.put(&effect);
    }
    let text = format!("{SITE}delete = true\n");
    let config = with(&text, &FILES, &mut host);
    let plan = look(&config, &host);
    assert_eq!(plan.blocks[0].summary, "2 go");
    let said = format!("{:?}", plan.blocks[0].details);
    assert!(
        said.contains("/srv/site/old goes and all that it holds")
            && said.contains("/srv/site/css/mine"),
        "{said}"
    );
    settles_with(&config, &mut host);
    assert!(
        host.entry("/srv/site/old").is_none() && host.entry("/srv/site/css/mine.css").is_none()
    );
    // A file where a directory should be, and the other way round.
    let swapped = [("css", "now a file"), ("index.html/x", "now below")];
    let config = with(SITE, &swapped, &mut host);
    assert_eq!(planned_of(&config, &host).0, Verdict::Blocked);
    settles_with(&with(&text, &swapped, &mut host), &mut host);
    assert_eq!(host.text("/srv/site/css"), "now a file");
}

#[test]
fn what_an_earlier_block_puts_there_is_seen() {
    let mut host = Host::new();
    host.inner.put(&directory("/srv/site"));
    let text = format!(
        "[[file]]\npath = \"/srv/site/index.html\"\ncontent = \"hello\"\n\
         [[file]]\npath = \"/srv/site/other\"\ncontent = \"goes\"\n{SITE}delete = true\n"
    );
    let config = with(&text, &[("index.html", "hello")], &mut host);
    let plan = look(&config, &host);
    assert_eq!(plan.blocks[2].summary, "1 goes", "{plan:#?}");
}

#[test]
fn a_tree_has_an_owner_who_must_be_there() {
    let mut host = Host::new();
    let text = format!("{SITE}owner = \"ana\"\n");
    let config = with(&text, &FILES, &mut host);
    assert_eq!(planned_of(&config, &host).0, Verdict::Blocked);
    host.inner.put(&Effect::User(user("ana")));
    settles_with(&config, &mut host);
    let text = format!("packages = [\"curl\"]\n{SITE}owner = \"bo\"\n");
    let plan = look(&with(&text, &FILES, &mut host), &host);
    assert_eq!(plan.blocks[1].verdict, Verdict::Maybe);
}

#[test]
fn a_link_below_a_tree_is_not_followed() {
    let mut host = Host::new();
    host.inner.put(&directory("/srv/site"));
    host.inner.put(&Effect::Link {
        path: path("/srv/site/css"),
        to: "/etc".to_owned(),
    });
    let config = with(SITE, &FILES, &mut host);
    let (verdict, why) = planned_of(&config, &host);
    assert_eq!(verdict, Verdict::Blocked);
    assert!(why.contains("/srv/site/css is not a directory"), "{why}");
    let text = format!("{SITE}delete = true\n");
    settles_with(&with(&text, &FILES, &mut host), &mut host);
}

#[test]
fn a_list_that_lies_is_refused() {
    let mut host = Host::new();
    let lie = blob("hpt tree 1\nd ../../etc\n", &mut host);
    let source = Source::File("static".to_owned());
    let config = config_with(SITE, BTreeMap::from([(source, lie)]));
    let (verdict, why) = planned_of(&config, &host);
    assert_eq!(verdict, Verdict::Blocked);
    assert!(why.contains("line 2"), "{why}");
}

#[test]
fn a_thousand_files_in_place_cost_little() {
    let mut host = Host::new();
    let names: Vec<_> = (0..1000).map(|i| format!("{}/{i}", i % 20)).collect();
    let files: Vec<_> = names.iter().map(|name| (name.as_str(), "x")).collect();
    let config = with(&format!("{SITE}delete = true\n"), &files, &mut host);
    settles_with(&config, &mut host);
    let begun = std::time::Instant::now();
    assert!(look(&config, &host).is_empty());
    let took = begun.elapsed();
    assert!(took.as_millis() < 2000, "{took:?}");
}

#[test]
fn what_lies_in_a_tree_that_a_block_gives_away_is_made_for_nobody_else() {
    let tree = "[[file]]\npath = \"/opt/t\"\ndir = true\nrecurse = true\nowner = \"ana\"\n";
    let file = "[[file]]\npath = \"/opt/t/a\"\ncontent = \"x\"\n";
    let verdicts = |text: &str, host: &mut Host| -> Vec<(Verdict, String)> {
        host.inner.put(&Effect::User(user("ana")));
        let plan = look(&config(text), host);
        let report = apply(&config(text), host, &mut ());
        for (planned, ended) in plan.blocks.iter().zip(&report.blocks) {
            let failed = ended.outcome == Outcome::Failed;
            assert_eq!(planned.verdict == Verdict::Blocked, failed, "{text}");
        }
        plan.blocks
            .into_iter()
            .map(|b| (b.verdict, b.summary))
            .collect()
    };
    // Whoever says nothing makes it for root; a tree that comes later may still give it away.
    let found = verdicts(&format!("{tree}{file}"), &mut Host::new());
    let why = "file:/opt/t gives all that /opt/t holds to ana, and file:/opt/t/a makes /opt/t/a for root; give both the same, or leave `recurse` out of the first";
    assert_eq!(found[1], (Verdict::Blocked, why.to_owned()));
    let mut host = Host::new();
    host.inner.put(&Effect::User(user("ana")));
    host.inner.put(&directory("/opt/t"));
    settles(&format!("{file}{tree}"), &mut host);
    // Once it is there and ana's, nothing is made for root.
    settles(
        &format!("{tree}{}", file.replace("\"x\"", "\"y\"")),
        &mut host,
    );
    let same = format!("{tree}{file}owner = \"ana\"\n");
    let mut host = Host::new();
    host.inner.put(&Effect::User(user("ana")));
    settles(&same, &mut host);
    // Two who both say so cannot both have it, whichever stands first.
    let other = format!("{file}owner = \"root\"\n");
    for text in [format!("{tree}{other}"), format!("{other}{tree}")] {
        let mut host = Host::new();
        host.inner.put(&directory("/opt/t"));
        let found = verdicts(&text, &mut host);
        let blocked = |(verdict, _): &&(Verdict, String)| *verdict == Verdict::Blocked;
        assert_eq!(found.iter().filter(blocked).count(), 1, "{text}{found:?}");
    }
    // Other kinds make files too.
    let line = "[[line]]\npath = \"/opt/t/b\"\nline = \"x\"\n";
    let clone = "[[clone]]\nurl = \"https://h/a\"\ndest = \"/opt/t/c\"\n";
    for text in [line, clone] {
        let found = verdicts(&format!("{tree}{text}"), &mut Host::new());
        assert_eq!(found[1].0, Verdict::Blocked, "{text}{}", found[1].1);
    }
}

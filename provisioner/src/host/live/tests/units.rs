//! Units of a root that does not run, beside what systemctl makes of the same.

use std::collections::BTreeSet;

use super::*;
use crate::config::scope::Scope;
use crate::config::{self, File};
use crate::host::live::command::Spawn;
use crate::plan::{Reveal, plan};
use crate::run::apply;

const UNIT: &str = "[Service]\nExecStart=/bin/true\n\n[Install]\nWantedBy=multi-user.target a.target\n\
                    RequiredBy=b.service\nAlias=other.service\n";

/// The links below a directory, and where they point.
fn links(dir: &Path, of: &Path) -> BTreeSet<(String, String)> {
    let mut all = BTreeSet::new();
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            all.extend(links(&entry.path(), of));
        } else if kind.is_symlink() {
            let at = entry.path().strip_prefix(of).unwrap().display().to_string();
            let to = fs::read_link(entry.path()).unwrap().display().to_string();
            all.insert((at, to));
        }
    }
    all
}

#[test]
#[allow(
    clippy::disallowed_methods,
    reason = "a test is asked for by its environment"
)]
fn links_are_those_that_systemctl_makes() {
    if !Path::new("/usr/bin/systemctl").exists() {
        let all = std::env::var("HPT_REQUIRE_ALL").is_ok();
        assert!(!all, "this test needs systemctl");
        return;
    }
    let vendor = "usr/lib/systemd/system";
    let [ours, theirs] = [(); 2].map(|()| {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join(vendor)).unwrap();
        fs::create_dir_all(dir.path().join("etc/systemd/system")).unwrap();
        fs::write(dir.path().join(vendor).join("app.service"), UNIT).unwrap();
        fs::write(dir.path().join(vendor).join("gone.service"), UNIT).unwrap();
        dir
    });
    let mut live = open(ours.path());
    for (text, verbs) in [
        (
            "name = \"app\"\nenabled = true\n[[service]]\nname = \"gone\"\nmasked = true",
            vec![("enable", "app"), ("mask", "gone")],
        ),
        (
            "name = \"app\"\nenabled = false\nstatus = \"stopped\"",
            vec![("disable", "app")],
        ),
        ("name = \"gone\"\nmasked = false", vec![("unmask", "gone")]),
    ] {
        let file = File {
            name: "site.toml".to_owned(),
            text: format!("[[service]]\n{text}\n"),
        };
        let scope = Scope {
            facts: Some(live.facts().clone()),
            secrets: Some([].into()),
            ..Scope::default()
        };
        let config = config::parse(vec![file], scope).unwrap_or_else(|f| panic!("{f:#?}"));
        let report = apply(&config, &mut live, &mut ());
        assert!(report.succeeded(), "{report:#?}");
        let left = plan(&config, &live, Reveal::Outline);
        assert!(left.is_empty(), "{left:#?}");
        for (verb, unit) in verbs {
            let root = format!("--root={}", theirs.path().display());
            let asked = Spawn::tool("systemctl", [root.as_str(), "--quiet", verb, unit]);
            asked.succeed(&mut |_, _| {}).unwrap();
        }
        let [ours, theirs] = [&ours, &theirs].map(|dir| links(dir.path(), dir.path()));
        assert_eq!(ours, theirs, "{text}");
    }
}

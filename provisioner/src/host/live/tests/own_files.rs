//! Files of root's own in a root that has no accounts.

use super::*;
use crate::config::scope::Scope;
use crate::config::{self, File};
use crate::plan::{Reveal, Verdict, plan};
use crate::run::apply;

/// What root makes is root's, whether or not that root knows the name.
#[test]
fn a_file_of_roots_own_needs_no_passwd() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("etc/security/limits.d")).unwrap();
    let files = vec![File {
        name: "limits.toml".into(),
        text: "[[limits]]\ndomain = \"*\"\ntype = \"-\"\nitem = \"nofile\"\nvalue = 1\n".into(),
    }];
    let mut host = open(dir.path());
    let scope = Scope {
        facts: Some(host.facts().clone()),
        secrets: Some([].into()),
        ..Scope::default()
    };
    let config = config::parse(files, scope).unwrap_or_else(|faults| panic!("{faults:?}"));
    let planned = plan(&config, &host, Reveal::Content);
    assert_eq!(planned.blocks[0].verdict, Verdict::Create);
    let report = apply(&config, &mut host, &mut ());
    assert!(report.succeeded(), "{report:?}");
    assert!(plan(&config, &host, Reveal::Content).is_empty());
}

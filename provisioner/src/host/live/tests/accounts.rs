//! What was read in order to act does not outlive the act.

use super::*;

/// What was read in order to act does not outlive the act. Needs root, to make users.
#[test]
fn a_user_is_there_as_soon_as_it_was_made() {
    if !is_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let etc = dir.path().join("etc");
    fs::create_dir(&etc).unwrap();
    for (file, text) in [
        ("passwd", "root:x:0:0::/root:/bin/sh\n"),
        ("group", "root:x:0:\n"),
        ("shadow", "root:*:1::::::\n"),
        ("gshadow", "root:*::\n"),
        ("login.defs", "UID_MIN 1000\nGID_MIN 1000\n"),
    ] {
        fs::write(etc.join(file), text).unwrap();
    }
    let mut live = open(dir.path());
    let name = UserName::parse("app").unwrap();
    assert!(live.user(&name).unwrap().is_none());
    let add = crate::effect::UserEdit::Add {
        name: name.clone(),
        as_: crate::effect::UserShape::default(),
        system: false,
        create_home: false,
    };
    all_done(&mut live, &[Effect::User(add)]);
    assert!(live.user(&name).unwrap().is_some());
}

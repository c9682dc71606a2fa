//! Changes users and groups by the system's own tools, in the running root or in another: those of
//! shadow-utils where they are, else busybox.

use std::path::Path;

use zeroize::Zeroizing;

use super::account_calls::{Call, group_calls, user_calls};
use super::accounts::Accounts;
use super::busybox_calls;
use super::command::Spawn;
use crate::effect::{GroupEdit, UserEdit};
use crate::host::HostError;

/// Changes a group.
pub(super) fn edit_group(edit: &GroupEdit, root: &Path) -> Result<(), HostError> {
    let calls = match Tools::of(root) {
        Tools::Shadow => group_calls(edit),
        Tools::Busybox => busybox_calls::group_calls(edit)?,
    };
    run(calls, root)
}

/// Changes a user; `accounts` are those before the change.
pub(super) fn edit_user(
    edit: &UserEdit,
    accounts: &Accounts,
    root: &Path,
) -> Result<(), HostError> {
    let calls = match Tools::of(root) {
        Tools::Shadow => user_calls(edit, accounts)?,
        Tools::Busybox => busybox_calls::user_calls(edit, accounts)?,
    };
    run(calls, root)
}

/// What changes accounts.
enum Tools {
    /// shadow-utils, of this machine in whatever root.
    Shadow,
    /// busybox, in the running root alone.
    Busybox,
}

impl Tools {
    fn of(root: &Path) -> Self {
        if root == Path::new("/") && !is_there(USERADD) {
            Self::Busybox
        } else {
            Self::Shadow
        }
    }
}

/// Whether accounts of this root can be changed, as far as tools go.
pub(super) fn can_edit(is_live: bool) -> bool {
    is_there(USERADD) || (is_live && is_there(BUSYBOX))
}

/// What is there where shadow-utils are.
const USERADD: &str = "/usr/sbin/useradd";
/// What is there where they are not, such as on Alpine.
const BUSYBOX: &str = "/bin/busybox";

fn is_there(path: &str) -> bool {
    Path::new(path).exists()
}

fn run(calls: Vec<Call>, root: &Path) -> Result<(), HostError> {
    for mut call in calls {
        if root != Path::new("/") {
            // chpasswd knows no prefix; it changes into the root instead.
            let option = if call.program == "chpasswd" {
                "--root"
            } else {
                "--prefix"
            };
            call.args
                .splice(0..0, [option.to_owned(), root.display().to_string()]);
            // A new home begins as that root has it, not as this machine has.
            if let Some(at) = call.args.iter().position(|arg| arg == "--create-home") {
                let skel = root.join("etc/skel").display().to_string();
                call.args.splice(at..at, ["--skel".to_owned(), skel]);
            }
        }
        let mut spawn = Spawn::tool(call.program, call.args);
        spawn.stdin = call
            .stdin
            .map(|text| Zeroizing::new(text.as_bytes().to_vec()));
        spawn.succeed(&mut |_, _| {})?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::effect::UserShape;
    use crate::name::{AbsPath, GroupName, UserName};

    fn user(name: &str) -> UserName {
        UserName::parse(name).unwrap()
    }

    fn group(name: &str) -> GroupName {
        GroupName::parse(name).unwrap()
    }

    /// The real tools, in another root. Needs root.
    #[test]
    fn the_tools_edit_another_root() {
        if !crate::host::live::tests::is_root() || !Path::new("/usr/sbin/useradd").exists() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let etc = dir.path().join("etc");
        fs::create_dir(&etc).unwrap();
        fs::create_dir(dir.path().join("home")).unwrap();
        for (file, text) in [
            ("passwd", "root:x:0:0::/root:/bin/sh\n"),
            ("group", "root:x:0:\n"),
            ("shadow", "root:*:1::::::\n"),
            ("gshadow", "root:*::\n"),
            ("login.defs", "UID_MIN 1000\nGID_MIN 1000\n"),
        ] {
            fs::write(etc.join(file), text).unwrap();
        }
        let read = || {
            let file = |name| fs::read(etc.join(name)).unwrap();
            Accounts::parse(&file("passwd"), &file("group"), Some(&file("shadow")))
        };
        edit_group(
            &GroupEdit::Add {
                name: group("web"),
                gid: Some(4444),
                system: false,
            },
            dir.path(),
        )
        .unwrap();
        let as_ = UserShape {
            uid: Some(4242),
            join: vec![group("web")],
            comment: Some("A b".into()),
            ..UserShape::default()
        };
        let add = UserEdit::Add {
            name: user("app"),
            as_,
            system: false,
            create_home: true,
        };
        edit_user(&add, &read(), dir.path()).unwrap();
        let home = fs::read_dir(dir.path().join("home/app")).unwrap();
        assert_eq!(
            home.count(),
            0,
            "this machine's /etc/skel is not that root's"
        );
        let app = read().user(&user("app"), |_| String::new()).unwrap();
        assert_eq!(
            (app.uid, app.comment.as_str(), app.locked),
            (Some(4242), "A b", true)
        );
        assert_eq!(
            (app.groups, app.home.as_str()),
            (vec![group("web")], "/home/app")
        );
        assert!(dir.path().join("home/app").is_dir());
        let to = UserShape {
            leave: vec![group("web")],
            shell: AbsPath::parse("/bin/bash").ok(),
            ..UserShape::default()
        };
        edit_user(
            &UserEdit::Modify {
                name: user("app"),
                to,
            },
            &read(),
            dir.path(),
        )
        .unwrap();
        let app = read().user(&user("app"), |_| String::new()).unwrap();
        assert_eq!((app.groups.len(), app.shell.as_str()), (0, "/bin/bash"));
        edit_user(
            &UserEdit::Remove {
                name: user("app"),
                remove_home: false,
            },
            &read(),
            dir.path(),
        )
        .unwrap();
        assert!(read().passwd("app").is_none());
        let twice = edit_group(
            &GroupEdit::Add {
                name: group("web"),
                gid: None,
                system: false,
            },
            dir.path(),
        );
        assert!(twice.unwrap_err().to_string().contains("already exists"));
    }
}

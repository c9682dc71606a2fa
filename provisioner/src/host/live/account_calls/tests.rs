//! The words of each call, whatever text reaches them.

use super::*;
use crate::name::{AbsPath, GroupName};
use crate::secret::Secret;

fn user(name: &str) -> UserName {
    UserName::parse(name).unwrap()
}

fn group(name: &str) -> GroupName {
    GroupName::parse(name).unwrap()
}

fn accounts() -> Accounts {
    let group = "ana:x:5:\nsudo:x:27:ana\nadm:x:4:ana\nOdd:x:9:ana\n";
    Accounts::parse(b"ana:x:1000:5::/home/ana:/bin/sh\n", group.as_bytes(), None)
}

fn words(calls: &[Call]) -> Vec<String> {
    calls
        .iter()
        .map(|call| format!("{} {}", call.program, call.args.join(" ")))
        .collect()
}

#[test]
fn a_new_user_is_described_whole() {
    let add = |name: &str, as_, system| UserEdit::Add {
        name: user(name),
        as_,
        system,
        create_home: !system,
    };
    let shape = UserShape {
        uid: Some(1234),
        comment: Some("-r Root".into()),
        join: vec![group("sudo"), group("adm")],
        password_hash: Some(Secret::new("$y$j9T$x".into())),
        locked: Some(true),
        expires: None,
        ..UserShape::default()
    };
    let calls = user_calls(&add("bob", shape, false), &accounts()).unwrap();
    assert_eq!(
        words(&calls),
        [
            "useradd --create-home --user-group --uid 1234 --comment -r Root --home-dir /home/bob \
         --shell /bin/sh --groups sudo,adm -- bob",
            "chpasswd --encrypted",
            "usermod --lock -- bob",
        ]
    );
    assert_eq!(
        calls[1].stdin.as_ref().map(|s| s.as_str()),
        Some("bob:$y$j9T$x\n")
    );
    let calls = user_calls(&add("ana", UserShape::default(), true), &accounts()).unwrap();
    assert_eq!(
        words(&calls),
        [
            "useradd --system --no-create-home --no-user-group --gid ana --comment  --home-dir \
         /home/ana --shell /usr/sbin/nologin -- ana",
        ]
    );
}

#[test]
fn a_change_names_only_what_changes() {
    let modify = |to| {
        user_calls(
            &UserEdit::Modify {
                name: user("ana"),
                to,
            },
            &accounts(),
        )
        .unwrap()
    };
    assert!(modify(UserShape::default()).is_empty());
    for (end, words_of_it) in [
        (Expiry::Never, "usermod --expiredate  -- ana"),
        (
            Expiry::On(crate::name::Day::after_1970(20_818)),
            "usermod --expiredate 2026-12-31 -- ana",
        ),
    ] {
        let shape = UserShape {
            expires: Some(end),
            ..UserShape::default()
        };
        assert_eq!(words(&modify(shape)), [words_of_it]);
    }
    let join = UserShape {
        join: vec![group("web")],
        ..UserShape::default()
    };
    assert_eq!(
        words(&modify(join)),
        ["usermod --append --groups web -- ana"]
    );
    let leave = UserShape {
        join: vec![group("web")],
        leave: vec![group("sudo")],
        ..UserShape::default()
    };
    assert_eq!(
        words(&modify(leave)),
        ["usermod --groups Odd,adm,web -- ana"]
    );
    let shell = UserShape {
        shell: AbsPath::parse("/bin/zsh").ok(),
        ..UserShape::default()
    };
    assert_eq!(words(&modify(shell)), ["usermod --shell /bin/zsh -- ana"]);
}

#[test]
fn groups_are_made_changed_and_removed() {
    let name = || group("web");
    let table = [
        (
            GroupEdit::Add {
                name: name(),
                gid: Some(7),
                system: true,
            },
            "groupadd --system --gid 7 -- web",
        ),
        (
            GroupEdit::Add {
                name: name(),
                gid: None,
                system: false,
            },
            "groupadd -- web",
        ),
        (
            GroupEdit::SetGid {
                name: name(),
                gid: 8,
            },
            "groupmod --gid 8 -- web",
        ),
        (
            GroupEdit::AddMembers {
                name: name(),
                members: vec![user("ana")],
            },
            "usermod --append --groups web -- ana",
        ),
        (GroupEdit::Remove { name: name() }, "groupdel -- web"),
    ];
    for (edit, expected) in table {
        assert_eq!(words(&group_calls(&edit)), [expected]);
    }
}

/// S2, X4: a hash cannot become a second line, nor show in an error.
#[test]
fn a_hash_that_is_none_is_refused_unseen() {
    for hash in ["", "a:b", "a\nroot:x", "a b", "a\0"] {
        let to = UserShape {
            password_hash: Some(Secret::new(hash.into())),
            ..UserShape::default()
        };
        let error = user_calls(
            &UserEdit::Modify {
                name: user("ana"),
                to,
            },
            &accounts(),
        )
        .unwrap_err();
        assert!(hash.is_empty() || !error.to_string().contains(hash));
    }
}

/// X4: whatever text reaches a value, the operand stays the last word and the only one.
#[test]
fn hostile_values_stay_values() {
    let mut hostile: Vec<String> = [
        "",
        "-",
        "--",
        "-rf",
        "--help",
        "a b",
        "$(id)",
        "`id`",
        "a;b",
        "\u{202e}x",
    ]
    .map(String::from)
    .into();
    hostile.extend((0..190_u8).map(|n| format!("{}-{n}", char::from(n % 95 + 32))));
    for value in hostile {
        let as_ = UserShape {
            comment: Some(value.clone()),
            ..UserShape::default()
        };
        let edit = UserEdit::Add {
            name: user("bob"),
            as_,
            system: false,
            create_home: false,
        };
        let args = user_calls(&edit, &accounts()).unwrap().remove(0).args;
        let at = args.iter().position(|arg| arg == "--comment").unwrap();
        assert_eq!(args[at + 1], value);
        assert_eq!(args[args.len() - 2..], ["--".to_owned(), "bob".to_owned()]);
    }
}

//! How apk and pacman are called, and what is made of their words.

use super::*;

#[test]
fn apk_is_called_so_and_understood() {
    let options = "--wait 120 --no-progress --";
    let call = |verb: &str, names: &str| format!("apk {verb} {options} {names}");
    let [simulate, add] = ["add --simulate", "add"].map(|verb| call(verb, "nginx=1.26.2-r0 git"));
    let apk = Case {
        manager: &apk::Apk,
        tool: "apk",
        before: &[],
        after: &["nginx=1.26.2-r0!", "git=2.45-r0"],
        wanted: transaction(&[("nginx", Some("1.26.2-r0")), ("git", None)], &[]),
        answers: &[],
        calls: &[&simulate, &add],
        comes_to: Ok("installed 1.26.2-r0, 2.45-r0"),
    };
    check(&apk);
    check(&Case {
        wanted: upgrade(&["git"], Transaction::default()),
        calls: &[
            &call("add --simulate --upgrade", "git"),
            &call("add --upgrade", "git"),
        ],
        comes_to: Ok("installed 2.45-r0"),
        ..apk
    });
    let unknown = "ERROR: unable to select packages:\n  nosuch (no such package):\n    required by: world[nosuch]\n";
    let simulate = call("add --simulate", "nosuch");
    check(&Case {
        wanted: transaction(&[("nosuch", None)], &[]),
        answers: &[("*nosuch*", 1, unknown)],
        calls: &[&simulate, "apk --wait 120 --no-progress update", &simulate],
        comes_to: Err("apk failed on package nosuch; it exited with 1: ERROR: unable to select"),
        ..apk
    });
    let breaks =
        "ERROR: unable to select packages:\n  nginx-1.26.2-r0:\n    breaks: world[nginx=9]\n";
    check(&Case {
        wanted: transaction(&[("nginx", Some("9"))], &[]),
        answers: &[("*nginx*", 1, breaks)],
        calls: &[&call("add --simulate", "nginx=9")],
        comes_to: Err("apk failed on package nginx;"),
        ..apk
    });
    let purges =
        "(1/2) Purging busybox-static (1.36-r0)\n(2/2) Installing git (2.45-r0)\nOK: 9 MiB\n";
    check(&Case {
        wanted: transaction(&[("git", None)], &[]),
        answers: &[("*git*", 0, purges)],
        calls: &[&call("add --simulate", "git")],
        comes_to: Err("apk would remove busybox-static, which no block asks for"),
        ..apk
    });
    let needed = "World updated, but the following packages are not removed due to:\n  labdep: labuser\n\nOK: 9 MiB\n";
    check(&Case {
        before: &["labdep=1-r0"],
        after: &["labdep=1-r0"],
        wanted: transaction(&[], &["labdep"]),
        answers: &[("del*", 0, needed)],
        calls: &[&call("del", "labdep")],
        comes_to: Err("apk failed on package labdep; it exited with 0: World updated, but"),
        ..apk
    });
    check(&Case {
        before: &["git=2.45-r0"],
        after: &["git=2.45-r0!"],
        wanted: hold(&["git"], Transaction::default()),
        calls: &[&call("add", "git=2.45-r0")],
        comes_to: Ok("held"),
        ..apk
    });
    check(&Case {
        before: &["git=2.45-r0!"],
        after: &["git=2.45-r0"],
        wanted: unhold(&["git"]),
        calls: &[&call("add", "git")],
        comes_to: Ok("released"),
        ..apk
    });
    check(&Case {
        wanted: transaction(&[("git:x86", None)], &[]),
        calls: &[],
        comes_to: Err("apk has packages of one architecture alone, and not git:x86"),
        ..apk
    });
}

#[test]
fn pacman_is_called_so_and_understood() {
    let options = "--noconfirm --noprogressbar --";
    let call = |verb: &str, names: &str| format!("pacman {verb} {options} {names}");
    let pacman = Case {
        manager: &pacman::Pacman,
        tool: "pacman",
        before: &["git=2.44-1"],
        after: &["nginx=1.26.2-1", "git=2.45-1"],
        wanted: upgrade(&["git"], transaction(&[("nginx", Some("1.26.2-1"))], &[])),
        answers: &[],
        calls: &[&call("-S --needed", "nginx=1.26.2-1 git")],
        comes_to: Ok("installed 1.26.2-1, 2.45-1"),
    };
    check(&pacman);
    check(&Case {
        wanted: transaction(&[], &["git"]),
        after: &[],
        calls: &[&call("-R", "git")],
        comes_to: Ok("removed"),
        ..pacman
    });
    let needed = "checking dependencies...\nerror: failed to prepare transaction (could not satisfy dependencies)\n\
                  :: removing git breaks dependency 'git' required by tig\n";
    check(&Case {
        after: &["git=2.44-1"],
        wanted: transaction(&[], &["git"]),
        answers: &[("-R*", 1, needed)],
        calls: &[&call("-R", "git")],
        comes_to: Err("pacman failed on package git; it exited with 1"),
        ..pacman
    });
    let signature = "error: git: signature from \"Ana <ana@example.org>\" is unknown trust\n\
                     error: failed to commit transaction (invalid or corrupted package (PGP signature))\n";
    check(&Case {
        after: &["git=2.44-1"],
        wanted: transaction(&[("vim", None)], &[]),
        answers: &[("-S --needed*", 1, signature)],
        calls: &[&call("-S --needed", "vim")],
        comes_to: Err("pacman failed on package git;"),
        ..pacman
    });
    check(&Case {
        wanted: hold(&["git"], Transaction::default()),
        calls: &[],
        comes_to: Err("pacman holds git by `IgnorePkg` in /etc/pacman.conf alone"),
        ..pacman
    });
}

/// Lists that lack a name are refreshed once; here the order of the calls is what counts.
#[test]
fn pacman_refreshes_lists_that_do_not_know_a_name() {
    let stage = Stage::new();
    let unknown = "error: target not found: nosuch\n";
    stage.tool("pacman", &[("-S --needed*", 1, unknown)]);
    let wanted = transaction(&[("nosuch", None)], &[]);
    let answers = stage.perform(&pacman::Pacman, [&[], &[]], &[&wanted]);
    let error = answers[0].as_ref().unwrap_err().to_string();
    assert!(
        error.starts_with("pacman failed on package nosuch; it"),
        "{error}"
    );
    let refreshes = stage
        .calls()
        .iter()
        .filter(|call| *call == "pacman -Sy --noconfirm --noprogressbar")
        .count();
    assert_eq!(refreshes, 1, "{:?}", stage.calls());
}

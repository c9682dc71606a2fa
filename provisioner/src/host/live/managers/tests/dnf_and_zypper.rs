//! How dnf, yum and zypper are called, and what is made of their words.

use super::*;

/// A case of dnf on an empty host, to be filled in.
fn dnf<'a>() -> Case<'a> {
    Case {
        manager: &dnf::DNF,
        tool: "dnf",
        before: &[],
        after: &[],
        wanted: Transaction::default(),
        answers: &[],
        calls: &[],
        comes_to: Ok(""),
    }
}

#[test]
fn dnf_and_yum_are_called_so_and_understood() {
    let unknown = "Last metadata expiration check: 0:00:34 ago on Sat Nov 21 12:32:08 2026.\n\
                   No match for argument: nosuch\nError: Unable to find a match: nosuch\n";
    let dnf = Case {
        manager: &dnf::DNF,
        tool: "dnf",
        before: &[],
        after: &["nginx=1:1.20.1-14.el9", "git=2.39-1"],
        wanted: transaction(&[("nginx", Some("1:1.20.1-14.el9")), ("git", None)], &[]),
        answers: &[],
        calls: &["dnf -y install -- nginx-1:1.20.1-14.el9 git"],
        comes_to: Ok("installed 1:1.20.1-14.el9, 2.39-1"),
    };
    check(&dnf);
    check(&Case {
        wanted: transaction(&[("glibc:i686", Some("2.34-60"))], &[]),
        after: &["glibc:i686=2.34-60"],
        calls: &["dnf -y install -- glibc-2.34-60.i686"],
        comes_to: Ok("installed 2.34-60"),
        ..dnf
    });
    let dnf = Case {
        wanted: transaction(&[("git", None)], &[]),
        ..dnf
    };
    check(&Case {
        before: &["nginx=1:1.18-1"],
        wanted: upgrade(&["nginx", "git"], Transaction::default()),
        calls: &["dnf -y install -- git", "dnf -y upgrade -- nginx"],
        comes_to: Ok("installed 1:1.20.1-14.el9, 2.39-1"),
        ..dnf
    });
    let dnf = Case {
        wanted: transaction(&[("nosuch", None)], &[]),
        ..dnf
    };
    // The lists are refreshed once, and it is tried again.
    check(&Case {
        after: &[],
        answers: &[("*install*", 1, unknown)],
        calls: &[
            "dnf -y install -- nosuch",
            "dnf -y makecache",
            "dnf -y install -- nosuch",
        ],
        comes_to: Err("dnf failed on package nosuch; it exited with 1: Last metadata"),
        ..dnf
    });
}

#[test]
fn dnf_removes_and_holds_by_the_name() {
    let needed =
        "error: Failed dependencies:\n\tlab_dep is needed by (installed) labuser-1.0-1.noarch\n";
    let no_plugin = "No such command: versionlock. Please use /usr/bin/dnf --help\n\
                     It could be a DNF plugin command, try: \"dnf install 'dnf-command(versionlock)'\"\n";
    check(&Case {
        before: &["labuser=1.0-1"],
        wanted: transaction(&[], &["labuser"]),
        after: &[],
        calls: &[
            "rpm -e --test -- labuser",
            "dnf -y --setopt=clean_requirements_on_remove=False remove -- labuser",
        ],
        comes_to: Ok("removed"),
        ..dnf()
    });
    // What others need stays, and dnf is not asked.
    check(&Case {
        before: &["lab_dep=1.0-1"],
        after: &["lab_dep=1.0-1"],
        wanted: transaction(&[], &["lab_dep"]),
        answers: &[("-e*", 1, needed)],
        calls: &["rpm -e --test -- lab_dep"],
        comes_to: Err(
            "rpm failed on package lab_dep; it exited with 1: error: Failed dependencies",
        ),
        ..dnf()
    });
    check(&Case {
        before: &["nginx=1-1!"],
        after: &["nginx=2-1!"],
        wanted: hold(&["nginx"], transaction(&[("nginx", Some("2-1"))], &[])),
        calls: &[
            "dnf -y versionlock delete -- nginx",
            "dnf -y install -- nginx-2-1",
            "dnf -y versionlock add -- nginx",
        ],
        comes_to: Ok("installed 2-1, held"),
        ..dnf()
    });
    check(&Case {
        before: &["nginx=1-1"],
        after: &["nginx=1-1"],
        wanted: hold(&["nginx"], Transaction::default()),
        answers: &[("*versionlock*", 1, no_plugin)],
        calls: &["dnf -y versionlock add -- nginx"],
        comes_to: Err("dnf versionlock exited with 1: No such command: versionlock"),
        ..dnf()
    });
    check(&Case {
        manager: &dnf::YUM,
        tool: "yum",
        after: &[],
        wanted: transaction(&[("nosuch", None)], &[]),
        answers: &[(
            "*install*",
            1,
            "No package nosuch available.\nError: Nothing to do\n",
        )],
        calls: &[
            "yum -y install -- nosuch",
            "yum -y makecache",
            "yum -y install -- nosuch",
        ],
        comes_to: Err("yum failed on package nosuch"),
        ..dnf()
    });
}

#[test]
fn zypper_is_called_so_and_understood() {
    let unknown = "Loading repository data...\nReading installed packages...\n\
                   Package 'nosuch' not found.\nResolving package dependencies...\nNothing to do.\n";
    let locked = "Problem: conflicting requests\n Solution 1: Following actions will be done:\n  \
                  remove lock to allow installation of LabTool-1.1-1.noarch[local]\n\
                  Choose from above solutions by number or cancel [1/2/c/d/?] (c): c\n";
    let zypper = Case {
        manager: &zypper::Zypper,
        tool: "zypper",
        before: &["LabTool=1.1-1"],
        after: &["LabTool=1.0-1", "git=2-1"],
        wanted: upgrade(&["git"], transaction(&[("LabTool", Some("1.0-1"))], &[])),
        answers: &[("*install*", 102, "")],
        calls: &["zypper --non-interactive install --name --oldpackage -- LabTool=1.0-1 git"],
        comes_to: Ok("installed 1.0-1, 2-1"),
    };
    check(&zypper);
    check(&Case {
        wanted: transaction(&[("nosuch", None)], &[]),
        answers: &[("*install*", 104, unknown)],
        calls: &[
            "zypper --non-interactive install --name -- nosuch",
            "zypper --non-interactive refresh",
            "zypper --non-interactive install --name -- nosuch",
        ],
        comes_to: Err("zypper failed on package nosuch; it exited with 104"),
        ..zypper
    });
    check(&Case {
        after: &["LabTool=1.0-1!"],
        before: &["LabTool=1.0-1!"],
        wanted: transaction(&[("LabTool", Some("1.1-1"))], &[]),
        answers: &[("*install*", 4, locked)],
        calls: &["zypper --non-interactive install --name --oldpackage -- LabTool=1.1-1"],
        comes_to: Err("zypper exited with 4: Problem: conflicting requests"),
        ..zypper
    });
    check(&Case {
        after: &[],
        wanted: transaction(&[], &["LabTool"]),
        calls: &[
            "rpm -e --test -- LabTool",
            "zypper --non-interactive remove --name -- LabTool",
        ],
        comes_to: Ok("removed"),
        ..zypper
    });
    check(&Case {
        after: &["LabTool=1.1-1!"],
        wanted: hold(&["LabTool"], Transaction::default()),
        calls: &["zypper --non-interactive addlock -- LabTool"],
        comes_to: Ok("held"),
        ..zypper
    });
    check(&Case {
        wanted: unhold(&["LabTool"]),
        calls: &["zypper --non-interactive removelock -- LabTool"],
        comes_to: Ok("released"),
        ..zypper
    });
}

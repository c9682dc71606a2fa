//! Managers against stand-ins for their tools, which record how they are called and answer with what
//! the real ones were seen to say; and dnf itself, in a root of its own.

mod apk_and_pacman;
mod dnf_and_zypper;
mod real_apt;
mod real_dnf;
mod records;
mod repos;

use std::cell::Cell;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;

use super::apt::tests::transaction;
use super::*;
use crate::host::{Done, Package, Progress};

/// A directory of stand-ins.
struct Stage(TempDir);

impl Stage {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// `tool` records its arguments, one call a line. It answers for the first of `answers` whose
    /// pattern its arguments match, or says nothing and exits 0.
    fn tool(&self, tool: &str, answers: &[(&str, i32, &str)]) {
        let dir = self.0.path();
        let mut script = format!(
            "#!/bin/sh\n(printf '{tool}'; for a; do printf ' <%s>' \"$a\"; done; echo) >> '{}/calls'\ncase \"$*\" in\n",
            dir.display()
        );
        for (i, (pattern, exit, text)) in answers.iter().enumerate() {
            let answer = dir.join(format!("{tool}.{i}"));
            fs::write(&answer, text).unwrap();
            let pattern = pattern.replace(' ', "?");
            script += &format!("{pattern}) cat '{}'; exit {exit};;\n", answer.display());
        }
        script += "esac\n";
        self.script(tool, &script);
    }

    fn script(&self, tool: &str, script: &str) {
        let at = self.0.path().join(tool);
        // A script that is written while another thread forks is busy when it is started.
        let new = at.with_extension("new");
        fs::write(&new, script).unwrap();
        fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(new, at).unwrap();
    }

    /// The calls so far, without the marks around plain words.
    fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.0.path().join("calls")).unwrap_or_default();
        calls
            .lines()
            .map(|line| line.replace(['<', '>'], ""))
            .collect()
    }

    /// Performs transactions on a host that has `before`, and `after` when any of them was answered.
    fn perform(
        &self,
        manager: &dyn Manager,
        [before, after]: [&[&str]; 2],
        batch: &[&Transaction],
    ) -> Vec<Result<Done, HostError>> {
        let looks = Cell::new(0);
        let packages = || {
            looks.set(looks.get() + 1);
            let acted = self.calls().iter().any(|call| {
                [" -- "].iter().any(|dashes| call.contains(dashes)) && !call.contains("--simulate")
            });
            Ok(Arc::new(installed(if acted { after } else { before })))
        };
        Work {
            manager,
            packages: &packages,
            tell: &mut |_: Progress| {},
            tools: Some(self.0.path().to_owned()),
            refreshed: false,
        }
        .perform(batch)
    }
}

/// Packages in short: `name=version`, and `name=version!` for one on hold.
fn installed(short: &[&str]) -> Packages {
    let mut packages = Packages::default();
    for entry in short {
        let (name, version) = entry.split_once('=').unwrap();
        let package = Package {
            version: PackageVersion::parse(version.trim_end_matches('!')).ok(),
            held: version.ends_with('!'),
            configured: true,
        };
        packages.add(name, "x86_64", true, package);
    }
    packages
}

fn names(names: &[&str]) -> Vec<PackageName> {
    names
        .iter()
        .map(|name| PackageName::parse(name).unwrap())
        .collect()
}

/// One case of a manager: what is there before and after, what is wanted, what the tool answers, how
/// it must be called, and what comes of it: a note, or an error's words.
struct Case<'a> {
    manager: &'a dyn Manager,
    tool: &'a str,
    before: &'a [&'a str],
    after: &'a [&'a str],
    wanted: Transaction,
    answers: &'a [(&'a str, i32, &'a str)],
    calls: &'a [&'a str],
    comes_to: Result<&'a str, &'a str>,
}

fn check(case: &Case<'_>) {
    let stage = Stage::new();
    for tool in ["rpm", case.tool] {
        let answers = case
            .answers
            .iter()
            .filter(|(pattern, ..)| (tool == "rpm") == pattern.starts_with("-e"));
        stage.tool(tool, &answers.copied().collect::<Vec<_>>());
    }
    let answers = stage.perform(case.manager, [case.before, case.after], &[&case.wanted]);
    // Lists that are missing on the machine of this test are refreshed first.
    let calls: Vec<String> = stage
        .calls()
        .into_iter()
        .filter(|call| !call.starts_with("pacman -Sy"))
        .collect();
    assert_eq!(calls, case.calls, "{answers:?}");
    match (&answers[..], case.comes_to) {
        ([Ok(done)], Ok(note)) => assert_eq!(done.note, note),
        ([Err(error)], Err(words)) => {
            assert!(error.to_string().contains(words), "{error}\nlacks {words}");
        }
        (answers, wanted) => panic!("{answers:?} and not {wanted:?}"),
    }
}

fn upgrade(of: &[&str], and: Transaction) -> Transaction {
    Transaction {
        upgrade: names(of),
        ..and
    }
}

fn hold(of: &[&str], and: Transaction) -> Transaction {
    Transaction {
        hold: names(of),
        ..and
    }
}

fn unhold(of: &[&str]) -> Transaction {
    Transaction {
        unhold: names(of),
        ..Transaction::default()
    }
}

/// A batch in which one name is unknown is done one by one, and the failure falls to that one.
#[test]
fn one_unknown_name_does_not_keep_others_out() {
    let stage = Stage::new();
    let unknown = "No match for argument: nosuch\nError: Unable to find a match: nosuch\n";
    stage.tool("dnf", &[("*nosuch*", 1, unknown)]);
    let [git, nosuch, curl] =
        ["git", "nosuch", "curl"].map(|name| transaction(&[(name, None)], &[]));
    let batch = [&git, &nosuch, &curl];
    let answers = stage.perform(&dnf::DNF, [&[], &["git=2-1"]], &batch);
    assert_eq!(answers.len(), 2, "{answers:?}");
    assert_eq!(answers[0].as_ref().unwrap().note, "installed 2-1");
    assert!(
        answers[1]
            .as_ref()
            .unwrap_err()
            .to_string()
            .contains("package nosuch")
    );
    assert_eq!(
        stage.calls(),
        [
            "dnf -y install -- git nosuch curl",
            "dnf -y makecache",
            "dnf -y install -- git nosuch curl",
            "dnf -y install -- git",
            "dnf -y install -- nosuch",
        ]
    );
}

/// A manager, how its trial of a removal of `app` ended and what it said, and what is made of it.
type Tried<'a> = (&'a dyn Manager, i32, &'a str, Option<&'a str>);

#[test]
fn a_trial_says_what_stands_against_a_removal() {
    let unmet = " dep : Depends: app (>= 1.1) but it is not going to be installed\nE: Error, held broken packages.\n";
    let rpm = "error: Failed dependencies:\n\tapp is needed by (installed) dep-1-1.noarch\n";
    let purges = "(1/2) Purging app (1-r0)\n(2/2) Purging lib (1-r0)\nOK: 9 MiB\n";
    let apk = "World updated, but the following packages are not removed due to:\n  app: dep\n\nOK: 9 MiB\n";
    let pacman =
        "checking dependencies...\n:: removing app breaks dependency 'app' required by dep\n";
    let table: [Tried<'_>; 9] = [
        (&apt::Apt, 0, "Remv app [1]\n", None),
        (
            &apt::Apt,
            0,
            "Remv dep [1]\nRemv app [1]\n",
            Some("apt would remove dep, which no block asks for"),
        ),
        (&apt::Apt, 100, unmet, Some("tool exited with 100:  dep :")),
        (&apt::Apt, 100, "E: Unable to locate package app\n", None),
        (&dnf::DNF, 0, "", None),
        (
            &zypper::Zypper,
            1,
            rpm,
            Some("tool failed on package app; it exited with 1: error"),
        ),
        // What nothing needs any more goes along with apk's blessing.
        (&apk::Apk, 0, purges, None),
        (
            &apk::Apk,
            0,
            apk,
            Some("tool failed on package app; it exited with 0: World"),
        ),
        (
            &pacman::Pacman,
            1,
            pacman,
            Some("tool failed on package app; it exited with 1: check"),
        ),
    ];
    let ask = |manager, wanted: &Transaction, exit, said| {
        let stage = Stage::new();
        stage.tool("tool", &[("*", exit, said)]);
        let program = stage.0.path().join("tool").display().to_string();
        let mut call = Spawn::tool(&program, ["-s"]);
        call.label = "tool".to_owned();
        objection(manager, wanted, &call).unwrap()
    };
    for (manager, exit, said, expected) in table {
        let why = ask(manager, &transaction(&[], &["app"]), exit, said);
        let starts = |start| why.as_ref().is_some_and(|why| why.starts_with(start));
        assert!(expected.map_or(why.is_none(), starts), "{why:?}");
    }
    // Two blocks are two calls where they do not go together.
    let both = transaction(&[("dep", None)], &["app"]);
    let why = ask(&apt::Apt, &both, 100, unmet);
    assert_eq!(
        why.unwrap(),
        "apt would remove dep, which no block asks for"
    );
}

/// X6: no call that any manager makes has a word against signatures.
#[test]
fn no_call_is_against_signatures() {
    let wanted = hold(
        &["aa"],
        upgrade(&["bb"], transaction(&[("aa", Some("1-1"))], &["cc"])),
    );
    let packages = installed(&["aa=1-0", "bb=1-0", "cc=1-0"]);
    let mut seen = 0;
    for manager in ALL {
        let held = names(&["aa"]);
        let mut calls = manager.change(&wanted, &packages);
        calls.extend([manager.refresh(), manager.newer(&held)]);
        calls.extend(manager.simulate(&wanted));
        calls.extend(manager.hold(&held, &packages));
        calls.extend(manager.unhold(&held));
        for call in calls {
            for arg in call.args.iter().map(|arg| arg.to_lowercase()) {
                for word in [
                    "gpg",
                    "sig",
                    "untrusted",
                    "unauth",
                    "insecure",
                    "trusted",
                    "force",
                    "weak",
                    "verify",
                    "import",
                ] {
                    let conffiles = arg.starts_with("dpkg::options::=--force-conf");
                    assert!(conffiles || !arg.contains(word), "{}: {arg}", call.label);
                }
                seen += 1;
            }
            // Names come last, after the dashes.
            let named = call
                .args
                .iter()
                .position(|arg| ["aa", "bb", "cc"].iter().any(|n| arg.starts_with(n)));
            let dashes = call.args.iter().position(|arg| arg.as_str() == "--");
            assert!(
                named.is_none() || (dashes.is_some() && dashes < named),
                "{}",
                call.label
            );
        }
    }
    assert!(seen > 100, "{seen}");
}

/// A manager, how its tool ended and what it said, and the newer version in that.
type Said<'a> = (&'a dyn Manager, End, &'a str, Option<(&'a str, &'a str)>);

#[test]
fn newer_versions_are_read_from_what_each_tool_says() {
    let table: [Said<'_>; 9] = [
        (
            &dnf::DNF,
            End::Exit(0),
            "LabTool\t1.1-1\tnoarch\n\n",
            Some(("LabTool", "1.1-1")),
        ),
        (&dnf::DNF, End::Exit(0), "", None),
        (
            &dnf::YUM,
            End::Exit(0),
            "Updated Packages\nLabTool.noarch    1:1.1-1    local\n",
            Some(("LabTool", "1:1.1-1")),
        ),
        (
            &dnf::YUM,
            End::Exit(1),
            "Error: No matching Packages to list\n",
            None,
        ),
        (
            &zypper::Zypper,
            End::Exit(0),
            "Loading repository data...\nReading installed packages...\n\
             S | Repository | Name    | Current Version | Available Version | Arch\n\
             --+------------+---------+-----------------+-------------------+-------\n\
             v | local      | LabTool | 1.0-1           | 1.1-1             | noarch\n",
            Some(("LabTool", "1.1-1")),
        ),
        (
            &zypper::Zypper,
            End::Exit(0),
            "Loading repository data...\nNo updates found.\n",
            None,
        ),
        (
            &apk::Apk,
            End::Exit(0),
            "Installed:                                Available:\nlab-tool-1.0_rc1-r1                       < 1.1-r0 \n",
            Some(("lab-tool", "1.1-r0")),
        ),
        (
            &pacman::Pacman,
            End::Exit(0),
            "lab-tool 1.0-1 -> 1.1-1\nheld 1-1 -> 2-1 [ignored]\n",
            Some(("lab-tool", "1.1-1")),
        ),
        (&pacman::Pacman, End::Exit(1), "", None),
    ];
    for (manager, end, output, expected) in table {
        let found: Vec<_> = manager
            .newer_versions(end, output)
            .unwrap()
            .into_iter()
            .collect();
        let found: Vec<_> = found
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .filter(|(n, _)| !n.contains(':'))
            .collect();
        assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{output}");
    }
    let cache = "Error: Cache-only enabled but no cache for 'local'\n";
    assert!(dnf::DNF.newer_versions(End::Exit(1), cache).is_none());
}

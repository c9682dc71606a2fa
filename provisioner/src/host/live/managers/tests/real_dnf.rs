//! dnf and rpm themselves, in a root of their own, with a repository that is made here.

use super::repos::{Files, Keys, has};
use super::*;
use crate::host::live::tests::is_root;

/// What the test cannot do without.
const TOOLS: [&str; 6] = ["dnf", "rpm", "rpmbuild", "rpmsign", "gpg", "createrepo_c"];

struct Place {
    stage: Stage,
    root: TempDir,
    repo: TempDir,
}

impl Place {
    /// `None` where it cannot be made.
    fn new() -> Option<Self> {
        if !is_root() || !has(&TOOLS) {
            return None;
        }
        let place = Self {
            stage: Stage::new(),
            root: tempfile::tempdir().unwrap(),
            repo: tempfile::tempdir().unwrap(),
        };
        for (tool, options) in [
            (
                "dnf",
                format!(
                    "--installroot={} --releasever=1 --disableplugin=*",
                    place.root()
                ),
            ),
            ("rpm", format!("--root={}", place.root())),
        ] {
            let script = format!("#!/bin/sh\nexec /usr/bin/{tool} {options} \"$@\"\n");
            place.stage.script(tool, &script);
        }
        let repos = place.root.path().join("etc/yum.repos.d");
        fs::create_dir_all(&repos).unwrap();
        let repo = format!(
            "[lab]\nname=lab\nbaseurl=file://{}\ngpgcheck=0\n",
            place.repo.path().display()
        );
        fs::write(repos.join("lab.repo"), repo).unwrap();
        Some(place)
    }

    fn root(&self) -> String {
        self.root.path().display().to_string()
    }

    /// Builds packages, `name version requires`, and the index of the repository.
    fn publish(&self, packages: &[(&str, &str, &str)]) {
        for (name, version, requires) in packages {
            let spec = format!(
                "Name: {name}\nVersion: {version}\nRelease: 1\nSummary: x\nLicense: MIT\nBuildArch: noarch\n\
                 {requires}\n%description\nx\n%files\n"
            );
            let at = self.stage.0.path().join(format!("{name}-{version}.spec"));
            fs::write(&at, spec).unwrap();
            let top = format!("_topdir {}/build", self.stage.0.path().display());
            let to = format!("_rpmdir {}", self.repo.path().display());
            let args = [
                "-bb",
                "--define",
                &top,
                "--define",
                &to,
                at.to_str().unwrap(),
            ];
            Spawn::tool("rpmbuild", args)
                .succeed(&mut |_, _| {})
                .unwrap();
        }
        self.index();
    }

    fn index(&self) {
        Spawn::tool("createrepo_c", ["-q", self.repo.path().to_str().unwrap()])
            .succeed(&mut |_, _| {})
            .unwrap();
    }

    fn installed(&self) -> Packages {
        let mut query = rpm::query();
        query.program = self.at("rpm").into();
        rpm::ask(&query).unwrap()
    }

    fn at(&self, tool: &str) -> String {
        self.stage.0.path().join(tool).display().to_string()
    }

    fn perform(&self, wanted: &Transaction) -> Result<String, String> {
        let packages = || Ok(Arc::new(self.installed()));
        let mut answers = Work {
            manager: &dnf::DNF,
            packages: &packages,
            tell: &mut |_: Progress| {},
            tools: Some(self.stage.0.path().to_owned()),
            refreshed: false,
        }
        .perform(&[wanted]);
        let answer = answers.pop().unwrap();
        answer
            .map(|done| done.note)
            .map_err(|error| error.to_string())
    }

    /// What the local lists have that is newer.
    fn newer(&self, of: &[&str]) -> Newer {
        let mut call = dnf::DNF.newer(&names(of));
        call.program = self.at("dnf").into();
        let (end, tail) = call.listen(&mut |_, _| {}).unwrap();
        dnf::DNF.newer_versions(end, &tail.text()).unwrap()
    }
}

#[test]
fn dnf_installs_pins_upgrades_and_removes() {
    let Some(place) = Place::new() else { return };
    place.publish(&[
        ("LabTool", "1.0", ""),
        ("LabTool", "1.1", ""),
        ("lab_dep", "1.0", ""),
        ("labuser", "1.0", "Requires: lab_dep"),
    ]);
    let pinned = transaction(&[("LabTool", Some("1.0-1")), ("labuser", None)], &[]);
    assert_eq!(place.perform(&pinned).unwrap(), "installed 1.0-1, 1.0-1");
    assert_eq!(
        place
            .newer(&["LabTool", "labuser"])
            .get("LabTool")
            .unwrap()
            .as_str(),
        "1.1-1"
    );
    assert!(place.newer(&["labuser"]).is_empty());

    let newest = upgrade(&["LabTool"], Transaction::default());
    assert_eq!(place.perform(&newest).unwrap(), "installed 1.1-1");
    // An older version goes over a newer one, as it was asked for.
    let older = transaction(&[("LabTool", Some("1.0-1"))], &[]);
    assert_eq!(place.perform(&older).unwrap(), "installed 1.0-1");

    let unknown = place
        .perform(&transaction(&[("nosuch", None)], &[]))
        .unwrap_err();
    assert!(
        unknown.starts_with("dnf failed on package nosuch; it exited with 1"),
        "{unknown}"
    );

    let needed = place.perform(&transaction(&[], &["lab_dep"])).unwrap_err();
    assert!(needed.contains("rpm failed on package lab_dep"), "{needed}");
    assert!(place.installed().get(&names(&["labuser"])[0]).is_some());
    // What it brought along stays: nobody asked for its removal.
    assert_eq!(
        place.perform(&transaction(&[], &["labuser"])).unwrap(),
        "removed"
    );
    assert!(place.installed().get(&names(&["lab_dep"])[0]).is_some());

    // Lists that do not know a package yet are refreshed.
    place.publish(&[("labnew", "3.0", "")]);
    assert_eq!(
        place
            .perform(&transaction(&[("labnew", None)], &[]))
            .unwrap(),
        "installed 3.0-1"
    );
}

/// X6. The words that a `[[package_repo]]` writes make dnf refuse what is not signed with its key.
#[test]
fn dnf_refuses_what_its_repository_did_not_sign() {
    let Some(place) = Place::new() else { return };
    let keys = Keys::new();
    place.publish(&[("labsigned", "1.0", ""), ("labplain", "1.0", "")]);
    let package = place.repo.path().join("noarch/labsigned-1.0-1.noarch.rpm");
    let args = [
        "--define",
        "_gpg_name lab",
        "--define",
        "__gpg /usr/bin/gpg",
        "--addsign",
        package.to_str().unwrap(),
    ];
    let sign = Spawn::tool("rpmsign", args).env("GNUPGHOME", &keys.home());
    sign.succeed(&mut |_, _| {}).unwrap();
    place.index();
    let fields = format!("uris = [\"file://{}\"]\n", place.repo.path().display());
    Files::of("dnf", &fields, &keys.public()).write(place.root.path());

    let plain = place
        .perform(&transaction(&[("labplain", None)], &[]))
        .unwrap_err();
    assert!(
        plain.starts_with("dnf failed on package labplain-1.0-1.noarch.rpm; it"),
        "{plain}"
    );
    assert!(plain.contains("GPG check FAILED"), "{plain}");
    let signed = transaction(&[("labsigned", None)], &[]);
    assert_eq!(place.perform(&signed).unwrap(), "installed 1.0-1");
}

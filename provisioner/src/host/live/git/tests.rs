//! Working trees from a repository in a scratch directory, as a server would hand it out.

use std::fs;
use std::path::Path;

use super::*;
use crate::host::live::accounts::Accounts;
use crate::host::live::checkout;
use crate::host::live::paths::Tree;
use crate::name::AbsPath;
use crate::secret::Secret;

/// A repository with the branches main and other and the tag v1, and a place to work in.
struct Scene {
    dir: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let scene = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        let script = "set -e; git init -q -b main server; cd server; git config user.email a@b; git config user.name n; \
                      echo 1 > f; git add f; git commit -qm 1; git tag v1; git branch other; echo 2 > f; git commit -qam 2; \
                      git config uploadpack.allowAnySHA1InWant true; mkdir ../app";
        scene.sh(script);
        scene
    }

    fn sh(&self, script: &str) {
        let mut spawn = Spawn::tool("/bin/sh", ["-c", script]);
        spawn.dir = self.dir.path().to_owned();
        spawn.succeed(&mut |_, _| {}).map(drop).unwrap();
    }

    fn job(&self, rev: Option<&str>) -> CloneJob {
        CloneJob {
            url: format!("file://{}/server", self.dir.path().display()),
            dest: AbsPath::parse("/app").unwrap(),
            rev: rev.map(str::to_owned),
            depth: None,
            submodules: false,
            owner: None,
            force: false,
            deploy_key: None,
            known_hosts: None,
            user: None,
            password: None,
        }
    }

    fn perform(&self, job: &CloneJob) -> Result<Done, HostError> {
        self.over(job, "file")
    }

    fn over(&self, job: &CloneJob, protocols: &str) -> Result<Done, HostError> {
        let login = Login::of(&Accounts::default(), None, None)?;
        Git::new(
            job,
            self.dir.path().join("app"),
            login,
            protocols,
            &mut |_| {},
        )?
        .perform()
    }

    fn file(&self) -> String {
        fs::read_to_string(self.dir.path().join("app/f"))
            .unwrap_or_default()
            .trim()
            .to_owned()
    }
}

#[test]
fn a_tree_comes_to_each_sort_of_revision() {
    let scene = Scene::new();
    scene.perform(&scene.job(None)).unwrap();
    assert_eq!(scene.file(), "2");
    scene.perform(&scene.job(Some("v1"))).unwrap();
    assert_eq!(scene.file(), "1");
    let tree = Tree::open(scene.dir.path()).unwrap();
    let seen = checkout::read(&tree, &scene.job(None).dest)
        .unwrap()
        .unwrap();
    assert_eq!((seen.rev.as_deref(), seen.branch), (Some("v1"), None));
    assert!(seen.origin.is_some_and(|url| url.ends_with("/server")));
    scene.sh("cd server; echo 3 > f; git commit -qam 3; git rev-parse HEAD~1 > ../commit");
    scene.perform(&scene.job(Some("main"))).unwrap();
    assert_eq!(scene.file(), "3");
    let commit = fs::read_to_string(scene.dir.path().join("commit")).unwrap();
    scene.perform(&scene.job(Some(commit.trim()))).unwrap();
    assert_eq!(scene.file(), "2");
    scene.perform(&scene.job(Some("v1"))).unwrap();
    scene.perform(&scene.job(Some(&commit[..9]))).unwrap();
    assert_eq!(scene.file(), "2");
    let mut shallow = scene.job(Some("other"));
    shallow.depth = Some(1);
    let done = scene.perform(&shallow).unwrap();
    assert_eq!(
        (scene.file().as_str(), done.note.starts_with("at ")),
        ("1", true)
    );
    let missing = scene.perform(&scene.job(Some("none"))).unwrap_err();
    assert!(
        missing.to_string().contains("has no branch or tag `none`"),
        "{missing}"
    );
}

#[test]
fn local_work_is_kept_unless_forced() {
    let scene = Scene::new();
    scene.perform(&scene.job(None)).unwrap();
    scene.sh("echo mine > app/f");
    let refused = scene
        .perform(&scene.job(Some("v1")))
        .unwrap_err()
        .to_string();
    assert!(refused.contains("local changes (M f)"), "{refused}");
    scene.sh("cd app; git -c user.email=a@b -c user.name=n commit -qam mine");
    let refused = scene
        .perform(&scene.job(Some("v1")))
        .unwrap_err()
        .to_string();
    assert!(refused.contains("not pushed"), "{refused}");
    assert_eq!(scene.file(), "mine");
    let mut forced = scene.job(Some("main"));
    forced.force = true;
    scene.perform(&forced).unwrap();
    assert_eq!(scene.file(), "2");
}

/// X5: neither a hook nor a protocol that is not allowed, and no revision that is an option.
#[test]
fn hooks_protocols_and_options_are_refused() {
    let scene = Scene::new();
    let refused = scene
        .over(&scene.job(None), PROTOCOLS)
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("transport 'file' not allowed"),
        "{refused}"
    );
    scene.perform(&scene.job(None)).unwrap();
    scene.sh("printf '#!/bin/sh\\ntouch ../hooked' > app/.git/hooks/post-checkout; chmod +x app/.git/hooks/post-checkout");
    scene.perform(&scene.job(Some("v1"))).unwrap();
    assert!(!scene.dir.path().join("hooked").exists());
    for rev in [
        "--upload-pack=id",
        "-x",
        "a b",
        "a\nb",
        "a:b",
        "a^{}",
        "a~1",
    ] {
        assert!(
            matches!(
                scene.perform(&scene.job(Some(rev))),
                Err(HostError::Refused(_))
            ),
            "{rev}"
        );
    }
}

/// S1: what is secret is in files of the private directory, and they are gone afterwards.
#[test]
fn secrets_are_in_no_argument_and_no_environment() {
    let scene = Scene::new();
    let mut job = scene.job(None);
    job.url = "https://git.example/x".into();
    job.password = Some(Secret::new("c4nary".into()));
    job.deploy_key = Some(Secret::new("k3y".into()));
    let login = Login::of(&Accounts::default(), None, None).unwrap();
    let mut tell = |_: Progress| {};
    let git = Git::new(&job, scene.dir.path().into(), login, PROTOCOLS, &mut tell).unwrap();
    let words = git
        .env
        .iter()
        .flat_map(|(name, value)| [name.as_str(), "=", value, "\n"]);
    let all: String = words.collect();
    assert!(!all.contains("c4nary") && !all.contains("k3y"), "{all}");
    assert!(
        all.contains("credential.https://git.example.helper")
            && all.contains("StrictHostKeyChecking=yes")
    );
    let path = all
        .split("!cat '")
        .nth(1)
        .unwrap()
        .split('\'')
        .next()
        .unwrap()
        .to_owned();
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        "username=git\npassword=c4nary\n"
    );
    drop(git);
    assert!(!Path::new(&path).exists());
}

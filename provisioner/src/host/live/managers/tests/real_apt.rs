//! apt itself, with lists of its own, and a repository that is made here.

use super::repos::{Files, Keys, has};
use super::*;

/// X6. The words that a `[[package_repo]]` writes make apt take lists that its key has signed, and
/// no others.
#[test]
fn apt_takes_only_lists_that_the_repositorys_key_has_signed() {
    if !has(&["apt-get", "apt-ftparchive", "gpg"]) {
        return;
    }
    let (root, repo) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // apt reads as a user of its own.
    for dir in [&root, &repo] {
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let (ours, others) = (Keys::new(), Keys::new());
    fs::write(repo.path().join("Packages"), "").unwrap();
    let mut release = Spawn::tool("apt-ftparchive", ["release", "."]);
    release.dir = repo.path().to_owned();
    let release = release.succeed(&mut |_, _| {}).unwrap().text();
    fs::write(repo.path().join("Release"), release).unwrap();
    let [plain, signed] =
        ["Release", "InRelease"].map(|name| repo.path().join(name).display().to_string());
    ours.gpg(&[
        "--batch",
        "--quiet",
        "--yes",
        "--clearsign",
        "--output",
        &signed,
        &plain,
    ]);

    let fields = format!(
        "uris = [\"file://{}\"]\nsuites = [\"./\"]\n",
        repo.path().display()
    );
    let update = |key: &Keys| {
        Files::of("apt", &fields, &key.public()).write(root.path());
        let at = |path: &str| format!("{}/{path}", root.path().display());
        for dir in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(at(dir)).unwrap();
        }
        let mut call = apt::Apt.refresh();
        let options = [
            format!("Dir::Etc::sourceparts={}", at("etc/apt/sources.list.d")),
            "Dir::Etc::sourcelist=/dev/null".to_owned(),
            format!("Dir::State::lists={}", at("lists")),
            format!("Dir::Cache={}", at("cache")),
            "APT::Sandbox::User=root".to_owned(),
            "Acquire::Languages=none".to_owned(),
        ];
        call.args
            .extend(options.map(|option| format!("-o={option}").into()));
        let (end, tail) = call.listen(&mut |_, _| {}).unwrap();
        (end, tail.text())
    };
    let (end, said) = update(&ours);
    assert_eq!(end, End::Exit(0), "{said}");
    fs::remove_dir_all(root.path().join("lists")).unwrap();
    let (end, said) = update(&others);
    assert_eq!(end, End::Exit(100), "{said}");
    assert!(said.contains("NO_PUBKEY"), "{said}");
}

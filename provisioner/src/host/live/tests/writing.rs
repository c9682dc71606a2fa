//! Files, links and directories are put in place whole, with their owners and modes.

use super::*;

fn leftovers(dir: &Path) -> usize {
    let temps = |e: &fs::DirEntry| e.file_name().to_string_lossy().starts_with(".hpt-");
    fs::read_dir(dir).unwrap().flatten().filter(temps).count()
}

#[test]
fn a_batch_is_in_place_in_its_order() {
    let dir = tempfile::tempdir().unwrap();
    let mut live = open(dir.path());
    let make = |at: &str| Effect::MakeDir {
        path: path(at),
        access: Access::default(),
    };
    let access = |at: &str, bits| Effect::SetAccess {
        path: path(at),
        access: Access {
            mode: Some(Mode::new(bits)),
            ..Access::default()
        },
    };
    all_done(
        &mut live,
        &[
            make("/etc"),
            make("/etc/app"),
            write("/etc/app/a", "1"),
            write("/etc/app/b", "2"),
            write("/etc/app/a", "3"),
            access("/etc/app/a", 0o600),
            Effect::Link {
                path: path("/etc/c"),
                to: "app".into(),
            },
            write("/etc/c/d", "4"),
        ],
    );
    let read = |at: &str| fs::read_to_string(dir.path().join(at)).unwrap();
    assert_eq!(
        (read("etc/app/a"), read("etc/app/b"), read("etc/app/d")),
        ("3".into(), "2".into(), "4".into())
    );
    let mode = |at: &str| fs::metadata(dir.path().join(at)).unwrap().mode() & 0o7777;
    assert_eq!(
        (mode("etc/app/a"), mode("etc/app/b"), mode("etc/app")),
        (0o600, 0o644, 0o755)
    );
    assert_eq!(
        leftovers(&dir.path().join("etc/app")) + leftovers(&dir.path().join("etc")),
        0
    );
}

#[test]
fn after_a_failure_nothing_more_is_done_and_nothing_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let mut live = open(dir.path());
    fs::create_dir(dir.path().join("taken")).unwrap();
    let batch = [
        write("/a", "1"),
        write("/taken", "2"),
        write("/b", "3"),
        write("/none/c", "4"),
    ];
    let answers = perform(&mut live, &batch);
    assert_eq!(answers.len(), 2);
    assert!(answers[0].is_ok());
    assert!(
        answers[1]
            .as_ref()
            .unwrap_err()
            .to_string()
            .contains("a directory lies there")
    );
    assert!(dir.path().join("a").exists() && !dir.path().join("b").exists());
    assert_eq!(leftovers(dir.path()), 0);
}

#[test]
fn what_is_not_given_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let mut live = open(dir.path());
    let file = dir.path().join("f");
    fs::write(&file, "old").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o4751)).unwrap();
    let as_fd = fs::File::open(&file).unwrap();
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::fsetxattr(&as_fd, "user.note", b"kept", flags).unwrap();
    all_done(&mut live, &[write("/f", "new")]);
    // The setuid bit was given to other content.
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o751);
    let mut value = [0; 4];
    rustix::fs::getxattr(&file, "user.note", &mut value).unwrap();
    assert_eq!(&value, b"kept");
}

#[test]
fn an_acl_is_kept_within_the_mode() {
    let dir = tempfile::tempdir().unwrap();
    let mut live = open(dir.path());
    let file = dir.path().join("f");
    fs::write(&file, "old").unwrap();
    let name = "system.posix_acl_access";
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(&file, name, &xattrs::example_acl(), flags).unwrap();
    all_done(&mut live, &[with_mode(write("/f", "new"), 0o640)]);
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o640);
    let mut value = [0; 64];
    let length = rustix::fs::getxattr(&file, name, &mut value).unwrap();
    let permissions: Vec<u8> = value[4..length].chunks_exact(8).map(|e| e[2]).collect();
    assert_eq!(permissions, [6, 6, 4, 4, 0]);
}

#[test]
fn a_blob_becomes_a_file_and_a_missing_one_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let mut live = open(dir.path());
    let content = vec![5; 3_000_000];
    let hash = blake3::hash(&content);
    let effect = |size| {
        Effect::WriteFile(WriteFile {
            path: path("/f"),
            content: Content::Blob {
                hash,
                size,
                only: true,
            },
            access: Access::default(),
            verify: None,
            secret: true,
        })
    };
    let missing = perform(&mut live, &[effect(3_000_000)]);
    assert!(matches!(missing[..], [Err(HostError::MissingBlob(_))]));
    fs::create_dir(dir.path().join("blobs")).unwrap();
    fs::write(
        dir.path().join("blobs").join(hash.to_hex().as_str()),
        &content,
    )
    .unwrap();
    assert!(perform(&mut live, &[effect(2)])[0].is_err());
    all_done(&mut live, &[effect(3_000_000)]);
    assert_eq!(live.hash(&path("/f")).unwrap(), Some(hash));
    assert_eq!(
        fs::metadata(dir.path().join("f")).unwrap().mode() & 0o7777,
        0o600
    );
    assert_eq!(leftovers(dir.path()), 0);
}

#[test]
fn a_long_blob_that_one_file_needs_becomes_it_and_a_shared_one_stays() {
    let dir = tempfile::tempdir().unwrap();
    let mut live = open(dir.path());
    let content = vec![6; 9 << 20];
    let hash = blake3::hash(&content);
    let blob = dir.path().join("blobs").join(hash.to_hex().as_str());
    fs::create_dir(dir.path().join("blobs")).unwrap();
    fs::write(&blob, &content).unwrap();
    fs::write(dir.path().join("f"), "old").unwrap();
    fs::set_permissions(dir.path().join("f"), fs::Permissions::from_mode(0o604)).unwrap();
    for only in [false, true] {
        let file = WriteFile {
            path: path("/f"),
            content: Content::Blob {
                hash,
                size: 9 << 20,
                only,
            },
            access: Access::default(),
            verify: None,
            secret: false,
        };
        all_done(&mut live, &[Effect::WriteFile(file)]);
        assert_eq!(blob.exists(), !only);
        assert_eq!(fs::read(dir.path().join("f")).unwrap(), content);
        assert_eq!(live.hash(&path("/f")).unwrap(), Some(hash));
        assert_eq!(
            fs::metadata(dir.path().join("f")).unwrap().mode() & 0o7777,
            0o604
        );
        assert_eq!(leftovers(dir.path()), 0);
    }
    // What is known of the moved one is no longer believed once it is touched.
    fs::write(dir.path().join("f"), vec![7; 9 << 20]).unwrap();
    assert_ne!(live.hash(&path("/f")).unwrap(), Some(hash));
}

/// Owners are looked up when a file is written. Needs root, to give files away.
#[test]
fn owners_are_resolved_by_name_in_the_tree() {
    if !is_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("etc")).unwrap();
    fs::write(
        dir.path().join("etc/passwd"),
        "app:x:4242:4243::/:/bin/sh\n",
    )
    .unwrap();
    fs::write(dir.path().join("etc/group"), "web:x:4244:\n").unwrap();
    let mut live = open(dir.path());
    let owned = |owner: &str| {
        let Effect::WriteFile(mut file) = write("/f", "x") else {
            unreachable!()
        };
        file.access.owner = Some(UserName::parse(owner).unwrap());
        file.access.group = Some(GroupName::parse("web").unwrap());
        Effect::WriteFile(file)
    };
    all_done(&mut live, &[owned("app")]);
    let meta = fs::metadata(dir.path().join("f")).unwrap();
    assert_eq!((meta.uid(), meta.gid()), (4242, 4244));
    let refused = perform(&mut live, &[owned("nobody-here")])
        .remove(0)
        .unwrap_err();
    assert_eq!(
        refused.to_string(),
        "there is no user `nobody-here` on this host"
    );
    // Kept when the content changes.
    all_done(&mut live, &[write("/f", "y")]);
    assert_eq!(fs::metadata(dir.path().join("f")).unwrap().uid(), 4242);
}

fn checked(at: &str, content: &str, check: &[&str]) -> Effect {
    match write(at, content) {
        Effect::WriteFile(mut file) => {
            file.verify = Some(check.iter().map(|&word| word.to_owned()).collect());
            Effect::WriteFile(file)
        }
        other => other,
    }
}

/// In the running root, under a scratch directory there.
#[test]
fn content_that_its_check_refuses_is_not_swapped_in() {
    let dir = tempfile::tempdir().unwrap();
    let mut live = open(Path::new("/"));
    let at = dir.path().join("f").display().to_string();
    let before = ["grep", "-q", "good", "%s"];
    let after = ["grep", "-q", "good", &at];
    for check in [&before, &after] {
        all_done(&mut live, &[checked(&at, "good 1", check)]);
        let refused = perform(&mut live, &[checked(&at, "bad", check)])
            .remove(0)
            .unwrap_err();
        assert!(refused.to_string().starts_with(&format!(
            "the new content of {at} was not accepted: grep exited"
        )));
        assert_eq!(fs::read_to_string(&at).unwrap(), "good 1");
        fs::remove_file(&at).unwrap();
        assert!(perform(&mut live, &[checked(&at, "bad", check)])[0].is_err());
        assert!(
            !Path::new(&at).exists(),
            "a new file that is refused does not stay"
        );
        assert_eq!(leftovers(dir.path()), 0);
    }
}

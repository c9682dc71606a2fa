//! The file side of the live host in scratch directories: whole, private, safe from who races it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::*;
use crate::effect::{Access, Command, Content, Effect, WriteFile};
use crate::host::{Done, Mutate, Progress};
use crate::name::Mode;

/// Whether this test may do what only root can. Without root the test passes unseen, unless
/// `HPT_REQUIRE_ALL=1` says that all must run.
#[allow(
    clippy::disallowed_methods,
    reason = "a test is asked for by its environment"
)]
pub(super) fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    assert!(
        root || std::env::var("HPT_REQUIRE_ALL").is_err(),
        "this test needs root"
    );
    root
}

pub(super) fn open(root: &Path) -> Live {
    let options = Options {
        root: root.to_owned(),
        blobs: root.join("blobs"),
        fingerprint_key: [7; 32],
        hashes: Arc::default(),
    };
    Live::open(options).unwrap()
}

fn path(text: &str) -> AbsPath {
    AbsPath::parse(text).unwrap()
}

fn write(at: &str, content: &str) -> Effect {
    Effect::WriteFile(WriteFile {
        path: path(at),
        content: Content::Inline(content.as_bytes().into()),
        access: Access::default(),
        verify: None,
        secret: false,
    })
}

fn with_mode(effect: Effect, bits: u32) -> Effect {
    match effect {
        Effect::WriteFile(mut file) => {
            file.access.mode = Some(Mode::new(bits));
            Effect::WriteFile(file)
        }
        other => other,
    }
}

fn perform(live: &mut Live, batch: &[Effect]) -> Vec<Result<Done, HostError>> {
    live.perform(batch, &mut |_, _| {})
}

fn all_done(live: &mut Live, batch: &[Effect]) {
    let answers = perform(live, batch);
    assert_eq!(answers.len(), batch.len());
    for answer in answers {
        answer.unwrap();
    }
}

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
        assert_eq!(
            fs::metadata(dir.path().join("f")).unwrap().mode() & 0o7777,
            0o604
        );
        assert_eq!(leftovers(dir.path()), 0);
    }
}

/// A3: what lies at the path of a file is replaced only if it is a file.
#[test]
fn links_and_special_files_are_not_written_through() {
    let dir = tempfile::tempdir().unwrap();
    let mut live = open(dir.path());
    fs::write(dir.path().join("target"), "safe").unwrap();
    symlink("target", dir.path().join("link")).unwrap();
    let mode = rustix::fs::Mode::from(0o600);
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, dir.path().join("pipe"), fifo, mode, 0).unwrap();
    let begun = Instant::now();
    for at in ["/link", "/pipe"] {
        assert!(
            matches!(
                perform(&mut live, &[write(at, "x")])[..],
                [Err(HostError::Unsafe { .. })]
            ),
            "{at}"
        );
    }
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert_eq!(
        fs::read_to_string(dir.path().join("target")).unwrap(),
        "safe"
    );
}

/// A1: a reader sees the old content or the new, whole, and no wider mode at any moment.
#[test]
fn readers_see_old_or_new_and_never_a_wider_mode() {
    let dir = tempfile::tempdir().unwrap();
    let mut live = open(dir.path());
    let contents = ["a".repeat(10_000), "b".repeat(7_000)];
    all_done(&mut live, &[with_mode(write("/f", &contents[0]), 0o600)]);
    let stop = AtomicBool::new(false);
    let reads = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut reads = 0_u32;
            while !stop.load(Ordering::Relaxed) {
                let seen = fs::read_to_string(dir.path().join("f")).unwrap();
                assert!(contents.contains(&seen), "torn after {} bytes", seen.len());
                for entry in fs::read_dir(dir.path()).unwrap().flatten() {
                    if let Ok(meta) = entry.metadata() {
                        assert_eq!(meta.mode() & 0o077, 0, "{:?}", entry.file_name());
                    }
                }
                reads += 1;
            }
            reads
        });
        for round in 0..300 {
            all_done(
                &mut live,
                &[with_mode(write("/f", &contents[round % 2]), 0o600)],
            );
        }
        stop.store(true, Ordering::Relaxed);
        reader.join().unwrap()
    });
    assert!(reads > 50, "only {reads} reads");
}

/// A2: whoever swaps a directory for a link on the way gets nothing written elsewhere.
#[test]
fn a_racing_renamer_redirects_no_write() {
    let dir = tempfile::tempdir().unwrap();
    let (home, outside) = (dir.path().join("home"), dir.path().join("outside"));
    fs::create_dir(&home).unwrap();
    fs::create_dir(&outside).unwrap();
    fs::create_dir(home.join("d")).unwrap();
    symlink(&outside, home.join("l")).unwrap();
    // As a user's directory is: he may rename in it.
    fs::set_permissions(&home, fs::Permissions::from_mode(0o777)).unwrap();
    let mut live = open(dir.path());
    let stop = AtomicBool::new(false);
    let (mut done, mut refused) = (0_u32, 0_u32);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let exchange = rustix::fs::RenameFlags::EXCHANGE;
            let cwd = rustix::fs::CWD;
            while !stop.load(Ordering::Relaxed) {
                rustix::fs::renameat_with(cwd, home.join("d"), cwd, home.join("l"), exchange)
                    .unwrap();
            }
        });
        let begun = Instant::now();
        let mut name = 0_u32;
        while begun.elapsed() < Duration::from_secs(2) {
            name += 1;
            let make = Effect::MakeDir {
                path: path(&format!("/home/d/m{name}")),
                access: Access::default(),
            };
            for effect in [write(&format!("/home/d/f{}", name % 7), "x"), make] {
                match &perform(&mut live, &[effect])[..] {
                    [Ok(_)] => done += 1,
                    [Err(_)] => refused += 1,
                    _ => panic!("one effect, one answer"),
                }
            }
            let _ = perform(
                &mut live,
                &[Effect::Remove {
                    path: path("/home/d/f0"),
                    recursive: true,
                }],
            );
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(
        fs::read_dir(&outside).unwrap().count(),
        0,
        "a write escaped"
    );
    assert!(
        done > 10 && refused > 10,
        "{done} done, {refused} refused: no race was run"
    );
}

#[test]
fn what_was_prefetched_answers_until_something_changes() {
    let dir = tempfile::tempdir().unwrap();
    let mut live = open(dir.path());
    fs::write(dir.path().join("f"), "1").unwrap();
    let keys = [
        Key::Path(path("/f")),
        Key::Content(path("/f")),
        Key::Path(path("/x/y")),
    ];
    live.prefetch(&keys);
    fs::remove_file(dir.path().join("f")).unwrap();
    assert!(
        live.path(&path("/f")).unwrap().is_some() && live.path(&path("/x/y")).unwrap().is_none()
    );
    assert_eq!(live.hash(&path("/f")).unwrap(), Some(blake3::hash(b"1")));
    live.prefetch(&keys);
    assert_eq!(
        (
            live.path(&path("/f")).unwrap(),
            live.hash(&path("/f")).unwrap()
        ),
        (None, None)
    );
    all_done(&mut live, &[write("/f", "2")]);
    assert_eq!(live.hash(&path("/f")).unwrap(), Some(blake3::hash(b"2")));
}

#[test]
fn many_paths_are_prefetched_as_they_are_read_one_by_one() {
    let dir = tempfile::tempdir().unwrap();
    let live = open(dir.path());
    let mut keys = Vec::new();
    for n in 0..300 {
        let at = format!("/d{}/f{n}", n % 70);
        fs::create_dir_all(dir.path().join(format!("d{}", n % 70))).unwrap();
        if n % 3 > 0 {
            fs::write(dir.path().join(&at[1..]), n.to_string()).unwrap();
        }
        keys.extend([Key::Path(path(&at)), Key::Content(path(&at))]);
    }
    live.prefetch(&keys);
    for n in 0..300 {
        let at = path(&format!("/d{}/f{n}", n % 70));
        assert_eq!(live.path(&at).unwrap().is_some(), n % 3 > 0);
        let expected = (n % 3 > 0).then(|| blake3::hash(n.to_string().as_bytes()));
        assert_eq!(live.hash(&at).unwrap(), expected);
    }
}

#[test]
fn a_directory_holds_what_nobody_takes_away() {
    let dir = tempfile::tempdir().unwrap();
    let live = open(dir.path());
    fs::create_dir_all(dir.path().join("d/e")).unwrap();
    fs::write(dir.path().join("d/.hidden"), "").unwrap();
    let holds = |at: &str, gone: &[&str]| {
        let gone: Vec<_> = gone.iter().map(|at| path(at)).collect();
        live.holds_besides(&path(at), &gone).unwrap()
    };
    assert!(holds("/d", &[]) && holds("/d", &["/d/e"]) && holds("/d", &["/d/e/.hidden", "/d/e"]));
    assert!(!holds("/d", &["/d/e", "/d/.hidden"]) && !holds("/d/e", &[]));
    assert!(!holds("/none", &[]) && !holds("/d/.hidden", &[]) && !holds("/d/.hidden/x", &[]));
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

fn command(argv: &[&str]) -> Command {
    let secret = |word: &&str| crate::secret::Secret::new((*word).to_owned());
    Command {
        program: crate::effect::Program::Argv(argv.iter().map(secret).collect()),
        user: None,
        group: None,
        dir: None,
        env: Vec::new(),
        stdin: None,
        umask: Mode::new(0o022),
        timeout: Duration::from_secs(20),
        success: vec![0],
    }
}

#[test]
fn commands_and_guards_run_only_in_a_running_root() {
    let mut live = open(Path::new("/"));
    assert!(live.guard(&command(&["true"])).unwrap() && !live.guard(&command(&["false"])).unwrap());
    let mut heard = Vec::new();
    let effect = Effect::Run(Box::new(command(&["echo", "hello"])));
    let done = live.perform(std::slice::from_ref(&effect), &mut |at, progress| {
        if let Progress::Output { bytes, .. } = progress {
            heard.push((at, bytes));
        }
    });
    assert_eq!(
        (done[0].as_ref().unwrap().exit, heard),
        (Some(0), vec![(0, b"hello\n".to_vec())])
    );
    let dir = tempfile::tempdir().unwrap();
    let mut image = open(dir.path());
    assert!(!image.powers().exec && !image.powers().services && !image.powers().packages);
    assert!(image.guard(&command(&["true"])).is_err());
    assert!(perform(&mut image, &[effect])[0].is_err());
}

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

//! K1, K4: in which places a keystore is kept, and how it is held there.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hpt_keystore::client::{self, CreateError};
use hpt_keystore::{Existing, FileError, Hazard, LoadError, TargetName};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;

fn keystore() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keystore.db");
    client::create(&path, None, Existing::Keep).unwrap();
    (dir, path)
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Why reading is refused, after making sure that writing is refused for the same reason.
fn hazard(path: &Path) -> Hazard {
    let name = TargetName::parse("web1").unwrap();
    let read = client::load(path).err().expect("reading is refused");
    let write = client::remove(path, &name)
        .err()
        .expect("writing is refused");
    assert_eq!(read.to_string(), write.to_string());
    match read {
        LoadError::File(FileError::Unsafe { hazard, .. }) => hazard,
        other => panic!("{other}"),
    }
}

/// Whether tests can give files away.
#[allow(
    clippy::print_stdout,
    reason = "says which part of a test was left out"
)]
fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        println!("skipped in part: files of other owners need root (run with sudo)");
    }
    root
}

#[test]
fn a_missing_directory_is_made_for_its_owner_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a/b/keystore.db");
    client::create(&path, None, Existing::Keep).unwrap();
    for made in ["a", "a/b"] {
        assert_eq!(
            fs::metadata(dir.path().join(made)).unwrap().mode() & 0o7777,
            0o700
        );
    }
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
}

#[test]
fn no_directory_is_made_in_a_place_that_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let open = dir.path().join("open");
    fs::create_dir(&open).unwrap();
    set_mode(&open, 0o777);
    let refused = client::create(&open.join("a/b/keystore.db"), None, Existing::Keep).unwrap_err();
    assert!(
        refused.to_string().contains("may be written by others"),
        "{refused}"
    );
    assert!(!open.join("a").exists());
}

#[test]
fn only_regular_files_of_one_name_are_opened() {
    let (dir, path) = keystore();
    let other = dir.path().join("other");

    symlink(&path, &other).unwrap();
    assert_eq!(hazard(&other), Hazard::Symlink);
    fs::remove_file(&other).unwrap();

    symlink(dir.path().join("nowhere"), &other).unwrap();
    assert_eq!(hazard(&other), Hazard::Symlink);
    fs::remove_file(&other).unwrap();

    fs::create_dir(&other).unwrap();
    assert_eq!(hazard(&other), Hazard::NotRegular);
    fs::remove_dir(&other).unwrap();

    let start = Instant::now();
    mknodat(CWD, &other, FileType::Fifo, Mode::from(0o600), 0).unwrap();
    assert_eq!(hazard(&other), Hazard::NotRegular);
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "a FIFO must not hold anyone up"
    );
    fs::remove_file(&other).unwrap();

    fs::hard_link(&path, &other).unwrap();
    assert_eq!(hazard(&path), Hazard::Hardlinked(2));
    fs::remove_file(&other).unwrap();
    client::load(&path).unwrap();
}

#[test]
fn nothing_is_made_through_a_symlink() {
    let dir = tempfile::tempdir().unwrap();
    let (link, aim) = (dir.path().join("keystore.db"), dir.path().join("aim"));
    symlink(&aim, &link).unwrap();
    assert!(client::create(&link, None, Existing::Keep).is_err());
    assert!(client::create(&link, None, Existing::Replace).is_err());
    assert!(!aim.exists());
}

#[test]
fn directories_that_others_write_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a/b/keystore.db");
    client::create(&path, None, Existing::Keep).unwrap();
    for loose in ["a/b", "a"] {
        let loose = dir.path().join(loose);
        for mode in [0o720, 0o702, 0o777, 0o1777] {
            set_mode(&loose, mode);
            // Root's own sticky directories are as good as /tmp.
            if mode & 0o1000 != 0 && fs::metadata(&loose).unwrap().uid() == 0 {
                client::load(&path).unwrap();
                continue;
            }
            let dir = fs::canonicalize(&loose).unwrap();
            assert_eq!(hazard(&path), Hazard::OpenDirectory { dir, mode });
        }
        set_mode(&loose, 0o755);
        client::load(&path).unwrap();
    }
}

#[test]
fn other_owners_are_refused() {
    if !is_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a/b/keystore.db");
    client::create(&path, None, Existing::Keep).unwrap();
    chown(&path, Some(12345), None).unwrap();
    assert_eq!(
        hazard(&path),
        Hazard::Owner {
            owner: 12345,
            me: 0
        }
    );
    chown(&path, Some(0), None).unwrap();
    let foreign = dir.path().join("a");
    chown(&foreign, Some(12345), None).unwrap();
    let dir = fs::canonicalize(&foreign).unwrap();
    assert_eq!(
        hazard(&path),
        Hazard::ForeignDirectory { dir, owner: 12345 }
    );
}

/// K4: the second user learns who is in the way, within 200 ms.
#[test]
fn a_holder_is_named_in_time() {
    let (_dir, path) = keystore();
    let holder = File::open(&path).unwrap();
    holder.lock().unwrap();
    // The quickest of some: the others say how busy the machine is.
    let tries = (0..5).map(|_| {
        let start = Instant::now();
        (client::load(&path).err().unwrap(), start.elapsed())
    });
    let (refused, took) = tries.min_by_key(|(_, took)| *took).unwrap();
    let me = std::process::id();
    assert_eq!(
        refused.to_string(),
        format!("{}: in use by pid {me}", path.display())
    );
    assert!(took < Duration::from_millis(200), "{took:?}");

    drop(holder);
    client::load(&path).unwrap();
}

/// The lock is the one that redb takes, so another program at the file is noticed too.
#[test]
fn redb_itself_keeps_us_out() {
    let (_dir, path) = keystore();
    let holder = redb::Database::open(&path).unwrap();
    let refused = client::load(&path).err().unwrap();
    assert!(matches!(
        refused,
        LoadError::File(FileError::InUse {
            holder: Some(_),
            ..
        })
    ));
    drop(holder);
}

/// Readers do not keep each other out, and a brief holder is waited for.
#[test]
fn a_brief_holder_is_waited_for() {
    let (_dir, path) = keystore();
    let reader = File::open(&path).unwrap();
    reader.lock_shared().unwrap();
    client::load(&path).unwrap();

    let writer = std::thread::spawn({
        let path = path.clone();
        move || {
            client::remove(&path, &TargetName::parse("web1").unwrap())
                .err()
                .unwrap()
        }
    });
    std::thread::sleep(Duration::from_millis(30));
    drop(reader);
    assert!(
        writer
            .join()
            .unwrap()
            .to_string()
            .ends_with("no target is called web1")
    );
}

/// A writer that was killed leaves an unnamed file with secrets in it; the next one takes it away,
/// but not what another writer is busy with, nor anything else.
#[test]
fn leftovers_of_killed_writers_go_with_the_next_write() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keystore.db");
    let orphan = dir.path().join(".keystore.db.0123456789abcdef.new");
    let busy = dir.path().join(".keystore.db.fedcba9876543210.new");
    let others = [
        dir.path().join("keystore.db.new"),
        dir.path().join(".keystore.db2.1.new"),
    ];
    for file in others.iter().chain([&busy]) {
        fs::write(file, "half a keystore").unwrap();
    }
    let writer = File::open(&busy).unwrap();
    writer.lock().unwrap();

    fs::write(&orphan, "half a keystore").unwrap();
    client::create(&path, None, Existing::Keep).unwrap();
    assert!(!orphan.exists());
    fs::write(&orphan, "half a keystore").unwrap();
    hpt_keystore::set_passphrase(&path, hpt_keystore::Role::Client, None, None).unwrap();
    assert!(!orphan.exists());
    assert!(others.iter().chain([&busy]).all(|file| file.exists()));

    drop(writer);
    hpt_keystore::set_passphrase(&path, hpt_keystore::Role::Client, None, None).unwrap();
    assert!(!busy.exists());
    assert_eq!(client::load(&path).unwrap().serial, 3);
}

/// Two hundred writers at once: each either did all of its work or says why not.
#[test]
fn writers_do_not_lose_each_others_work() {
    let (_dir, path) = keystore();
    let made = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let done = (0..25).filter(|_| {
                        hpt_keystore::set_passphrase(&path, hpt_keystore::Role::Client, None, None)
                            .is_ok()
                    });
                    u64::try_from(done.count()).unwrap()
                })
            })
            .collect();
        writers
            .into_iter()
            .map(|writer| writer.join().unwrap())
            .sum::<u64>()
    });
    assert!(made > 0);
    assert_eq!(client::load(&path).unwrap().serial, 1 + made);
}

/// Making the keystore twice at once makes one.
#[test]
fn only_one_creation_wins() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keystore.db");
    let made = std::thread::scope(|scope| {
        let makers: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| client::create(&path, None, Existing::Keep)))
            .collect();
        let made: Vec<_> = makers
            .into_iter()
            .filter_map(|maker| maker.join().unwrap().ok())
            .collect();
        made
    });
    let [identity] = made[..] else {
        panic!("{} were made", made.len())
    };
    assert_eq!(client::load(&path).unwrap().own.identity(), identity);
    let again = client::create(&path, None, Existing::Keep);
    assert!(matches!(again, Err(CreateError::LocksOut { .. })));
}

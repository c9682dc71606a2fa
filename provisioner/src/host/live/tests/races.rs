//! Nobody who races hpt, or lays a link in its way, gets anything written or shown (A1-A3).

use super::*;

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

//! Archives on a real file system, and packed by the host's own programs.

use super::*;
use crate::effect::UnpackJob;

fn job(bytes: &[u8], live: &mut Live) -> Effect {
    let hash = blake3::hash(bytes);
    live.blobs.lend(HashMap::from([(hash, Arc::from(bytes))]));
    Effect::Unpack(Box::new(UnpackJob {
        source: "app.tar".to_owned(),
        hash,
        dest: path("/app"),
        strip: 1,
        access: Access::default(),
        allow_setuid: false,
    }))
}

/// An archive with a short file, a long one, a second name of the short one and a link to it.
fn archive() -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut add = |kind, name: &str, link: &str, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o4775);
        header.set_size(u64::try_from(content.len()).unwrap());
        if link.is_empty() {
            builder.append_data(&mut header, name, content).unwrap();
        } else {
            builder.append_link(&mut header, name, link).unwrap();
        }
    };
    add(tar::EntryType::Regular, "app-1/bin/app", "", b"run");
    add(tar::EntryType::Regular, "app-1/long", "", &vec![7; 5 << 20]);
    add(tar::EntryType::Link, "app-1/same", "app-1/bin/app", b"");
    add(tar::EntryType::Symlink, "app-1/now", "bin/app", b"");
    builder.into_inner().unwrap()
}

#[test]
fn an_archive_is_unpacked_by_whatever_it_is_packed() {
    for program in [None, Some("gzip"), Some("xz"), Some("bzip2"), Some("zstd")] {
        let mut bytes = archive();
        if let Some(program) = program {
            let mut spawn = Spawn::tool(program, ["-c"]);
            spawn.stdin = Some(zeroize::Zeroizing::new(bytes));
            let mut packed = Vec::new();
            spawn.run(&mut |_, b| packed.extend_from_slice(b)).unwrap();
            bytes = packed;
        }
        let dir = tempfile::tempdir().unwrap();
        let mut live = open(dir.path());
        fs::create_dir(dir.path().join("app")).unwrap();
        let unpack = job(&bytes, &mut live);
        for _ in 0..2 {
            all_done(&mut live, std::slice::from_ref(&unpack));
        }
        let at = |name: &str| dir.path().join("app").join(name);
        for name in ["bin/app", "same", "now"] {
            assert_eq!(fs::read(at(name)).unwrap(), b"run", "{program:?} {name}");
        }
        assert_eq!(fs::read(at("long")).unwrap(), vec![7; 5 << 20]);
        let mode = fs::metadata(at("bin/app")).unwrap().mode() & 0o7777;
        assert_eq!(mode, 0o755, "{program:?}");
    }
}

#[test]
fn a_link_that_lies_in_the_way_is_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let mut live = open(dir.path());
    fs::create_dir(dir.path().join("app")).unwrap();
    fs::create_dir(dir.path().join("elsewhere")).unwrap();
    symlink("../elsewhere", dir.path().join("app/bin")).unwrap();
    let unpack = job(&archive(), &mut live);
    let answers = perform(&mut live, &[unpack]);
    assert!(answers[0].is_err());
    assert_eq!(
        fs::read_dir(dir.path().join("elsewhere")).unwrap().count(),
        0
    );
}

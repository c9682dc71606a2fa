//! Archives of honest people, and of others.

use std::io::{Cursor, Write as _};

use super::*;
use crate::host::facts::Facts;
use crate::host::memory::Memory;
use crate::host::{EntryKind, Observe as _};

/// An entry of an archive: its type, its name as it stands there, where it links to, what it holds.
type Raw<'a> = (u8, &'a str, &'a str, &'a str);

/// A tar archive of exactly these entries; the builder's own checks are passed by.
fn tar_of(entries: &[Raw<'_>], mode: u32) -> Vec<u8> {
    let mut builder = ::tar::Builder::new(Vec::new());
    for (kind, name, link, content) in entries {
        let mut header = ::tar::Header::new_gnu();
        let old = header.as_old_mut();
        old.name[..name.len()].copy_from_slice(name.as_bytes());
        old.linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(::tar::EntryType::new(*kind));
        header.set_mode(mode);
        header.set_size(u64::try_from(content.len()).unwrap());
        header.set_cksum();
        builder.append(&header, content.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

fn path(text: &str) -> AbsPath {
    AbsPath::parse(text).unwrap()
}

fn job(strip: u8) -> UnpackJob {
    UnpackJob {
        source: "app.tar".to_owned(),
        hash: blake3::hash(b""),
        dest: path("/opt/app"),
        strip,
        access: Access::default(),
        allow_setuid: false,
    }
}

/// A host on which an archive was unpacked below `/opt/app`.
fn unpacked(bytes: Vec<u8>, job: &UnpackJob) -> Result<Memory, HostError> {
    let mut host = Memory::new(Facts::default());
    Memory::put(
        &mut host,
        &Effect::MakeDir {
            path: path("/opt/app"),
            access: Access::default(),
        },
    );
    unpack(Cursor::new(bytes), job, &mut host).map(|()| host)
}

fn text(host: &Memory, at: &str) -> String {
    let bytes = host.read(&path(at)).unwrap();
    let bytes = bytes.unwrap_or_else(|| panic!("there is no {at}"));
    String::from_utf8(bytes.to_vec()).unwrap()
}

const HONEST: [Raw<'static>; 6] = [
    (b'5', "app-1.2/", "", ""),
    (b'0', "app-1.2/bin/app", "", "run"),
    (b'2', "app-1.2/bin/now", "app", ""),
    (b'2', "app-1.2/lib/up", "../bin/app", ""),
    (b'1', "app-1.2/bin/same", "app-1.2/bin/app", ""),
    (b'0', "./app-1.2/README", "", "read"),
];

fn is_unpacked(host: &Memory) {
    assert_eq!(text(host, "/opt/app/bin/app"), "run");
    assert_eq!(text(host, "/opt/app/README"), "read");
    let entry = |at| host.path(&path(at)).unwrap().unwrap();
    assert_eq!(
        entry("/opt/app/lib/up").kind,
        EntryKind::Symlink("../bin/app".to_owned())
    );
    assert_eq!(entry("/opt/app/bin/app").mode, Mode::new(0o755));
    assert_eq!(entry("/opt/app/bin").kind, EntryKind::Dir);
}

#[test]
fn an_archive_lies_below_its_directory_without_what_is_stripped() {
    let bytes = tar_of(&HONEST, 0o6777);
    let host = unpacked(bytes.clone(), &job(1)).unwrap();
    is_unpacked(&host);
    assert_eq!(text(&host, "/opt/app/bin/same"), "run");
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&bytes).unwrap();
    is_unpacked(&unpacked(packed.finish().unwrap(), &job(1)).unwrap());
    let host = unpacked(bytes.clone(), &job(0)).unwrap();
    assert_eq!(text(&host, "/opt/app/app-1.2/bin/app"), "run");
    let asked = UnpackJob {
        allow_setuid: true,
        ..job(1)
    };
    let host = unpacked(bytes, &asked).unwrap();
    let mode = host.path(&path("/opt/app/bin/app")).unwrap().unwrap().mode;
    assert_eq!(mode, Mode::new(0o6755));
}

#[test]
fn a_zip_archive_is_one_too() {
    let mut zip = ::zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = ::zip::write::SimpleFileOptions::default;
    zip.add_directory("app-1.2/bin", options()).unwrap();
    for (name, content) in [("app-1.2/bin/app", "run"), ("app-1.2/README", "read")] {
        let mode = options().unix_permissions(0o777);
        zip.start_file(name, mode).unwrap();
        zip.write_all(content.as_bytes()).unwrap();
    }
    zip.add_symlink("app-1.2/lib/up", "../bin/app", options())
        .unwrap();
    is_unpacked(&unpacked(zip.finish().unwrap().into_inner(), &job(1)).unwrap());

    for (name, target) in [("../x", None), ("/etc/x", None), ("a", Some("../x"))] {
        let mut zip = ::zip::ZipWriter::new(Cursor::new(Vec::new()));
        match target {
            Some(to) => zip.add_symlink(name, to, options()).unwrap(),
            None => zip.start_file(name, options()).unwrap(),
        }
        let bytes = zip.finish().unwrap().into_inner();
        assert!(unpacked(bytes, &job(0)).is_err(), "{name}");
    }
}

#[test]
fn what_would_leave_the_directory_is_refused() {
    let long = "a/".repeat(45) + "f";
    let hostile: [&[Raw<'_>]; 25] = [
        &[(b'0', "../x", "", "")],
        &[(b'0', "a/../../x", "", "")],
        &[(b'0', "a/..", "", "")],
        &[(b'0', "..", "", "")],
        &[(b'5', "../", "", "")],
        &[(b'0', "/etc/passwd", "", "")],
        &[(b'0', "//etc/passwd", "", "")],
        &[(b'0', "a\nb", "", "")],
        &[(b'0', "a\u{1b}[2J", "", "")],
        &[(b'2', "a", "/etc", "")],
        &[(b'2', "a", "..", "")],
        &[(b'2', "a", "./../x", "")],
        &[(b'2', "a/b", "../../x", "")],
        &[(b'2', "a", "", "")],
        // Links one behind the other.
        &[(b'2', "a/b", "..", ""), (b'2', "c", "a/b/../x", "")],
        &[
            (b'2', "d", "e", ""),
            (b'5', "e", "", ""),
            (b'0', "d/f", "", ""),
        ],
        &[(b'2', "d", ".", ""), (b'2', "d/x", "..", "")],
        &[(b'2', "a", "b", ""), (b'0', "a", "", "through")],
        &[(b'1', "a", "/etc/shadow", "")],
        &[(b'1', "a", "../../etc/shadow", "")],
        &[(b'1', "a", "none", "")],
        &[(b'3', "null", "", "")],
        &[(b'4', "sda", "", "")],
        &[(b'6', "fifo", "", "")],
        &[(b'0', &long, "", ""), (b'0', "a/a", "", "over a directory")],
    ];
    for entries in hostile {
        let error = unpacked(tar_of(entries, 0o644), &job(0)).err();
        let error = error.unwrap_or_else(|| panic!("{entries:?} was taken"));
        assert!(!error.to_string().contains(char::is_control), "{error}");
    }
    // What `strip` takes away may not be an escape either.
    let bytes = tar_of(&[(b'0', "../../x", "", "")], 0o644);
    assert!(unpacked(bytes, &job(1)).is_err());
}

#[test]
fn what_is_no_archive_is_refused() {
    let honest = tar_of(&HONEST, 0o644);
    for bytes in [
        Vec::new(),
        b"no archive at all".to_vec(),
        vec![0; 4096],
        b"PK\x03\x04 and no more".to_vec(),
        vec![0x1f, 0x8b, 8, 0, 0],
        honest[..honest.len() / 2 - 300].to_vec(),
    ] {
        assert!(unpacked(bytes.clone(), &job(0)).is_err(), "{bytes:?}");
    }
}

#[test]
fn a_bomb_ends_before_it_goes_off() {
    let mut host = Memory::new(Facts::default());
    let job = job(0);
    let mut unpacking = Unpacking {
        job: &job,
        sink: &mut host,
        made: BTreeSet::new(),
        entries: 0,
        room: 1000,
    };
    let mut ones = std::io::repeat(1);
    let error = unpacking.take(b"bomb", 0o644, Part::File(&mut ones));
    assert!(error.unwrap_err().to_string().contains("more than 8 GiB"));
    unpacking.entries = MOST_ENTRIES;
    assert!(unpacking.take(b"one more", 0o644, Part::Dir).is_err());
}

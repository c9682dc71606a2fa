//! K1: modes do not depend on the umask. Alone in its process, because the umask is the process's.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use hpt_keystore::{Existing, FileError, Hazard, LoadError, client};
use rustix::fs::Mode;
use rustix::process::umask;

const BAD_MODES: [u32; 12] = [
    0o601, 0o602, 0o604, 0o610, 0o620, 0o640, 0o644, 0o660, 0o664, 0o666, 0o755, 0o777,
];

#[test]
fn every_umask_makes_0600_and_every_bad_mode_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for mask in [0o000, 0o022, 0o077] {
        umask(Mode::from(mask));
        let path = dir.path().join(format!("{mask:03o}/keystore.db"));
        client::create(&path, None, Existing::Keep).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().mode() & 0o7777,
            0o600,
            "umask {mask:03o}"
        );
        let parent = path.parent().unwrap();
        assert_eq!(
            fs::metadata(parent).unwrap().mode() & 0o7777,
            0o700,
            "umask {mask:03o}"
        );
        for mode in BAD_MODES {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            match client::load(&path).err().expect("a bad mode is refused") {
                LoadError::File(FileError::Unsafe { hazard, .. }) => {
                    assert_eq!(hazard, Hazard::Mode(mode), "umask {mask:03o}");
                }
                other => panic!("{other}"),
            }
        }
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        client::load(&path).unwrap();
    }
}

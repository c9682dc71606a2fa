//! hpt in the root directory of an image, which does not run.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hpt_provisioner::effect::{Access, Content, Effect, WriteFile};
use hpt_provisioner::host::live::{Live, Options};
use hpt_provisioner::host::{HostError, Mutate as _, Observe as _};
use hpt_provisioner::name::{AbsPath, GroupName, Mode, UserName};

use super::OTHER;
use super::load::{Load, PROGRAM, Program, machine};
use crate::error::{CommandError, Exit};

const KEYSTORE: &str = "/etc/hpt/keystore.db";
const UNIT: &str = "/etc/systemd/system/hpt.service";
/// The link in which is what `systemctl enable` makes.
const WANTS: &str = "/etc/systemd/system/multi-user.target.wants";
const WANTED: &str = "/etc/systemd/system/multi-user.target.wants/hpt.service";
/// What is there wherever systemd is.
const SYSTEMD: [&str; 2] = ["usr/lib/systemd/systemd", "lib/systemd/systemd"];
/// As much of a program as tells what it runs on.
const HEAD: u64 = 20;

/// The root directory of a Linux with systemd.
pub(super) struct Image {
    live: Live,
}

impl Image {
    /// Opens it, if it is one on which this program runs.
    pub(super) fn open(root: &Path, program: &Program) -> Result<Self, CommandError> {
        let refused = |what: &str| {
            let what = format!("{}: {what}; nothing was changed", root.display());
            CommandError::new(Exit::Failed, what)
        };
        if !rustix::process::geteuid().is_root() {
            return Err(refused("the files of an image belong to root")
                .hint("do it as root, as you unpack images"));
        }
        let look = |path: &Path| fs::metadata(path).map_err(CommandError::io("look at it", path));
        let (own, other) = (look(Path::new("/"))?, look(root)?);
        if (own.dev(), own.ino()) == (other.dev(), other.ino()) {
            return Err(refused("it is the root directory of this machine").hint(
                "an image is elsewhere; on this machine itself run an installer, \
                 `hpt gen-target-keys --format installer`",
            ));
        }
        let systemd = SYSTEMD.iter().find_map(|path| head(&root.join(path)));
        let Some(systemd) = systemd else {
            return Err(
                refused("it is not the root directory of a Linux with systemd")
                    .hint("`--root` is where the image's /etc and /usr are"),
            );
        };
        let machine = machine(&systemd).unwrap_or("machine that hpt is not for");
        if machine != program.machine {
            let what = format!(
                "it is of a {machine}, and this hpt is for {}",
                program.machine
            );
            return Err(refused(&what).hint(OTHER));
        }
        // Nothing is kept, remembered or fetched for what is written here.
        let nowhere = || PathBuf::from("/nonexistent");
        let live = Live::open(Options {
            root: root.to_owned(),
            blobs: nowhere(),
            memos: nowhere(),
            pre_images: nowhere(),
            fingerprint_key: [0; 32],
            reboots: false,
            kept: Arc::default(),
        });
        Ok(Self {
            live: live.map_err(failed)?,
        })
    }

    pub(super) fn has_keystore(&self) -> Result<bool, CommandError> {
        let there = self.live.path(&at(KEYSTORE)).map_err(failed)?;
        Ok(there.is_some())
    }

    /// Puts program, keystore and unit in place; the unit is enabled as systemctl would do it.
    pub(super) fn install(&mut self, load: &Load<'_>) -> Result<(), CommandError> {
        let Load {
            program,
            keystore,
            unit,
        } = load;
        let root = Access {
            owner: Some(UserName::parse("root").expect("a plain name")),
            group: Some(GroupName::parse("root").expect("a plain name")),
            mode: None,
        };
        let with = |mode| Access {
            mode: Some(Mode::new(mode)),
            ..root.clone()
        };
        // What is there of these stays as it is.
        let made = ["/usr/local", "/usr/local/bin", "/etc/systemd/system", WANTS].map(|path| {
            Effect::MakeDir {
                path: at(path),
                access: Access::default(),
            }
        });
        let own = Effect::MakeDir {
            path: at("/etc/hpt"),
            access: with(0o700),
        };
        let files = [
            (PROGRAM, &&program.bytes[..], 0o755),
            (KEYSTORE, keystore, 0o600),
            (UNIT, &unit.as_bytes(), 0o644),
        ];
        let files = files.map(|(path, content, mode)| {
            Effect::WriteFile(WriteFile {
                path: at(path),
                content: Content::Inline(Arc::from(*content)),
                access: with(mode),
                verify: None,
                secret: path == KEYSTORE,
            })
        });
        let enabled = Effect::Link {
            path: at(WANTED),
            to: UNIT.to_owned(),
        };
        let all: Vec<Effect> = made
            .into_iter()
            .chain([own])
            .chain(files)
            .chain([enabled])
            .collect();
        let done = self.live.perform(&all, &mut |_, _| {});
        done.into_iter()
            .try_for_each(|done| done.map(|_| ()))
            .map_err(failed)
    }
}

fn failed(why: HostError) -> CommandError {
    CommandError::new(Exit::Failed, why)
}

fn at(path: &str) -> AbsPath {
    AbsPath::parse(path).expect("a literal path is absolute and plain")
}

/// The beginning of a program, if there is one.
fn head(path: &Path) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    File::open(path)
        .ok()?
        .take(HEAD)
        .read_to_end(&mut head)
        .ok()?;
    Some(head)
}

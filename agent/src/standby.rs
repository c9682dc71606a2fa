//! The unit that guards a run anew when its host is booted before the run is decided (J3). It starts a
//! program of its own, so that it does not matter what the run has made of hpt and of its unit.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

use hpt_proto::wire::RunRequest;
use rustix::fs::XattrFlags;

use crate::child::framed;
use crate::confirm::Confirmation;
use crate::state::replace;
use crate::unit_file::{BadPath, plain};

/// Units of systemd's own making, where no config has any and which are above those that configs have.
const UNITS: &str = "/etc/systemd/system.control";
/// By its label systemd may start a program where `SELinux` enforces.
const LABEL: &str = "security.selinux";

/// The program that runs.
const RUNNING: &str = "/proc/self/exe";
/// What lies beside the run's journal: the program, and its order.
const PROGRAM: &str = "hpt";
const ORDER: &str = "order";

/// Has every boot start `hpt guard` for this run. It is on disk when this returns.
pub(crate) fn install(
    confirmation: &Confirmation,
    program: &Path,
    order: &RunRequest,
) -> io::Result<()> {
    let own = confirmation.path(PROGRAM);
    let started = match copy(&own) {
        Ok(()) => &own,
        Err(why) => {
            // On a full disk an undo may be what is to make room.
            tracing::warn!("{} has no copy for the next boot: {why}", program.display());
            program
        }
    };
    let told = confirmation.path(ORDER);
    replace(&told, &framed(order))?;
    let bad = |BadPath| io::Error::new(ErrorKind::InvalidInput, BadPath);
    let text = UNIT
        .replace("@RUN@", confirmation.run())
        .replace("@PROGRAM@", plain(started).map_err(bad)?)
        .replace("@ORDER@", plain(&told).map_err(bad)?);
    let [unit, wanted] = paths(confirmation.run());
    let mut dirs = DirBuilder::new();
    dirs.recursive(true).mode(0o755);
    dirs.create(dir_of(&wanted))?;
    let mut file = anew(&unit, 0o644)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    match symlink(&unit, &wanted) {
        Err(why) if why.kind() != ErrorKind::AlreadyExists => return Err(why),
        _ => {}
    }
    let mut changed = [&unit, &wanted].into_iter();
    changed.try_for_each(|path| File::open(dir_of(path))?.sync_all())
}

/// The program that guards a run and its order, if a boot would start it.
pub(crate) fn of(confirmation: &Confirmation, program: &Path) -> Option<[PathBuf; 2]> {
    let order = confirmation.path(ORDER);
    let own = confirmation.path(PROGRAM);
    let program = if own.exists() {
        own
    } else {
        program.to_owned()
    };
    order.exists().then_some([program, order])
}

/// Takes all of it away again, if there is any.
pub(crate) fn remove(confirmation: &Confirmation) {
    let order = confirmation.path(ORDER);
    if !order.exists() {
        return;
    }
    let [unit, wanted] = paths(confirmation.run());
    // The order last: where it is, there may be more.
    for path in [wanted, unit, confirmation.path(PROGRAM), order] {
        match fs::remove_file(&path) {
            Err(why) if why.kind() != ErrorKind::NotFound => {
                return tracing::warn!("cannot remove {}: {why}", path.display());
            }
            _ => {}
        }
    }
}

/// The unit of a run, and the link by which a boot starts it.
fn paths(run: &str) -> [PathBuf; 2] {
    let name = format!("hpt-standby-{run}.service");
    let units = Path::new(UNITS);
    let wanted = units.join("multi-user.target.wants").join(&name);
    [units.join(name), wanted]
}

fn dir_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

/// Copies this program, so that it does not matter what becomes of the one in its place.
fn copy(to: &Path) -> io::Result<()> {
    let mut from = File::open(RUNNING)?;
    let mut own = anew(to, 0o700)?;
    io::copy(&mut from, &mut own)?;
    let mut label = [0; 256];
    if let Ok(length) = rustix::fs::fgetxattr(&from, LABEL, &mut label[..]) {
        rustix::fs::fsetxattr(&own, LABEL, &label[..length], XattrFlags::empty())?;
    }
    own.sync_all()
}

/// A new file in the place of one that may be there, as when a run is armed again after a reboot.
fn anew(path: &Path, mode: u32) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(why) if why.kind() != ErrorKind::NotFound => return Err(why),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(mode).open(path)
}

const UNIT: &str = "\
# Written by hpt, which removes it when run @RUN@ is confirmed or undone.
[Unit]
Description=hpt guard @RUN@: undoes that run, which was not confirmed before this boot
After=network.target

[Service]
Type=exec
ExecStart=@PROGRAM@ guard
StandardInput=file:@ORDER@
Restart=on-failure
RestartSec=1

[Install]
WantedBy=multi-user.target
";

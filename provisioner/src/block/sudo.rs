//! A file in `/etc/sudoers.d`: exactly these rules, never appended, and accepted by visudo before
//! sudo can see them.

use crate::block::Decision;
use crate::block::own_file::{Judged, OwnFile};
use crate::effect::Effect;
use crate::host::overlay::Fate;
use crate::host::{HostError, Key};
use crate::name::{AbsPath, Mode};
use crate::view::View;

const VISUDO: &str = "/usr/sbin/visudo";

/// What is to be done about a sudoers file.
pub(super) enum Sudo {
    /// It is as it should be.
    InPlace,
    /// This has to be done.
    Act(Effect),
    /// It cannot be judged, or cannot be.
    Stop(Decision),
}

/// The file for a user or a group. sudo ignores names with a `.` or a `~`, which these cannot have.
pub(super) fn path(kind: &str, name: &str) -> AbsPath {
    AbsPath::parse(&format!("/etc/sudoers.d/hpt-{kind}-{name}")).expect("names are plain")
}

/// What the host must be asked for it.
pub(super) fn reads(path: &AbsPath) -> [Key; 2] {
    [Key::Path(path.clone()), Key::Content(path.clone())]
}

/// Judges the file that grants `rules`, one a line; no rules means no file.
pub(super) fn decide(path: &AbsPath, rules: &[String], view: &View<'_>) -> Result<Sudo, HostError> {
    Ok(match judge(path, rules, view)? {
        Judged::InPlace => Sudo::InPlace,
        Judged::Create(effect) | Judged::Update(effect) | Judged::Remove(effect) => {
            Sudo::Act(effect)
        }
        Judged::Stop(decision) => Sudo::Stop(decision),
    })
}

/// The same, telling what is there already.
pub(super) fn judge(
    path: &AbsPath,
    rules: &[String],
    view: &View<'_>,
) -> Result<Judged, HostError> {
    let file = OwnFile {
        path: path.clone(),
        bytes: (!rules.is_empty()).then(|| (rules.join("\n") + "\n").into_bytes()),
        mode: Some(Mode::new(0o440)),
        verify: Some([VISUDO, "-c", "-f", "%s"].map(ToOwned::to_owned).to_vec()),
    };
    let judged = file.judge(view)?;
    if !matches!(judged, Judged::Create(_) | Judged::Update(_)) {
        return Ok(judged);
    }
    let visudo = AbsPath::parse(VISUDO).expect("a plain path");
    if view.path(&visudo)? != Fate::Is(None) {
        return Ok(judged);
    }
    Ok(Judged::Stop(match view.pending_install() {
        Some(cause) => Decision::Maybe(cause),
        None => Decision::Blocked(
            "sudo is not installed on this host; add the package sudo before this block".to_owned(),
        ),
    }))
}

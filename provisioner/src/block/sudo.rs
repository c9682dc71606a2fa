//! A file in `/etc/sudoers.d` for one user or group: exactly these rules, never appended, and
//! accepted by visudo before sudo can see them.

use crate::block::Decision;
use crate::effect::{Access, Content, Effect, WriteFile};
use crate::host::overlay::Fate;
use crate::host::{EntryKind, HostError, Key};
use crate::name::{AbsPath, GroupName, Mode, UserName};
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
    let entry = match view.path(path)? {
        Fate::Is(entry) => entry,
        Fate::Unknown(cause) => return Ok(Sudo::Stop(Decision::Maybe(cause))),
    };
    if rules.is_empty() {
        return Ok(match entry {
            None => Sudo::InPlace,
            Some(_) => Sudo::Act(Effect::Remove {
                path: path.clone(),
                recursive: false,
            }),
        });
    }
    let text = rules.join("\n") + "\n";
    let content = Content::Inline(text.into_bytes().into());
    let mode = Mode::new(0o440);
    let root = UserName::parse("root").expect("a plain name");
    if let Some(entry) = &entry
        && entry.mode == mode
        && view.owned_by(entry, &root)? // sudo ignores one that is another's
        && matches!(entry.kind, EntryKind::File { size } if size == content.size())
        && view.hash(path)? == Fate::Is(Some(content.hash()))
    {
        return Ok(Sudo::InPlace);
    }
    let visudo = AbsPath::parse(VISUDO).expect("a plain path");
    if view.path(&visudo)? == Fate::Is(None) {
        return Ok(Sudo::Stop(match view.pending_install() {
            Some(cause) => Decision::Maybe(cause),
            None => Decision::Blocked(
                "sudo is not installed on this host; add the package sudo before this block"
                    .to_owned(),
            ),
        }));
    }
    Ok(Sudo::Act(Effect::WriteFile(WriteFile {
        path: path.clone(),
        content,
        access: Access {
            owner: Some(root),
            group: Some(GroupName::parse("root").expect("a plain name")),
            mode: Some(mode),
        },
        verify: Some([VISUDO, "-c", "-f", "%s"].map(ToOwned::to_owned).to_vec()),
        secret: false,
    })))
}

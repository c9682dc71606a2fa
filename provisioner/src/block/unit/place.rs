//! A file in `/etc/systemd/system`: what removes it, and who judges it.

use crate::block::Decision;
use crate::block::own_file::{in_the_way, removal};
use crate::effect::Effect;
use crate::host::overlay::Fate;
use crate::host::{EntryKind, HostError};
use crate::name::AbsPath;
use crate::view::View;

/// systemd's own tool for looking at units.
pub(in crate::block) const ANALYZE: &str = "/usr/bin/systemd-analyze";

/// What removes the file at `path`: nothing if it is not there. A link is another's: a mask, an alias.
pub(in crate::block) fn remove(
    path: &AbsPath,
    view: &View<'_>,
) -> Result<Result<Option<Effect>, Decision>, HostError> {
    match view.path(path)? {
        Fate::Is(Some(entry)) if matches!(entry.kind, EntryKind::Symlink(_)) => {
            Ok(Err(Decision::Blocked(in_the_way(path, &entry.kind))))
        }
        _ => removal(path, view),
    }
}

/// Whether systemd's tool may be asked on this host: it is there, and commands can run.
pub(in crate::block) fn can_analyze(view: &View<'_>) -> Result<bool, HostError> {
    let tool = AbsPath::parse(ANALYZE).expect("a plain path");
    Ok(view.powers().exec && matches!(view.path(&tool)?, Fate::Is(Some(_))))
}

//! The text of a unit or a drop-in: what is given, what is wrong with it, what stands there now.

use crate::host::overlay::Fate;
use crate::host::{EntryKind, HostError};
use crate::name::AbsPath;
use crate::unit_file::{self, Setting};
use crate::view::View;

/// The text that is given, ending in a line break.
pub(in crate::block) fn whole(content: Option<&str>, sections: Option<String>) -> String {
    let mut text = content
        .map(ToOwned::to_owned)
        .or(sections)
        .unwrap_or_default();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// What is wrong with the text of a unit or a drop-in.
pub(in crate::block) fn check(
    content: Option<&str>,
    sections: Option<&str>,
    absent: bool,
    complain: &mut dyn FnMut(&'static str, String),
) {
    match (content, sections) {
        (Some(_), Some(_)) => {
            complain(
                "content",
                "either `content` or sections, not both".to_owned(),
            );
        }
        (None, None) if !absent => {
            complain(
                "",
                "this needs `content`, or sections such as [unit.Service]".to_owned(),
            );
        }
        (_, Some(_)) | (Some(_), _) if absent => {
            complain("absent", "what is absent has no content".to_owned());
        }
        (Some(text), None) | (None, Some(text)) => match unit_file::parse(text) {
            Err(why) => complain("content", why),
            Ok(settings) if settings.is_empty() => {
                complain("content", "this text sets nothing".to_owned());
            }
            Ok(_) => {}
        },
        (None, None) => {}
    }
}

/// What the file at a path says now; nothing if it is not there or no unit file.
pub(super) fn settings_at(path: &AbsPath, view: &View<'_>) -> Result<Vec<Setting>, HostError> {
    let Fate::Is(Some(bytes)) = (match view.path(path)? {
        Fate::Is(Some(entry)) if matches!(entry.kind, EntryKind::File { .. }) => view.read(path)?,
        _ => return Ok(Vec::new()),
    }) else {
        return Ok(Vec::new());
    };
    Ok(unit_file::parse(&String::from_utf8_lossy(&bytes)).unwrap_or_default())
}

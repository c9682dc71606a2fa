//! Units of a root in which no systemd runs: what their files and links say, and what systemctl would
//! do to these. Nothing can be started there.

use crate::block::Decision;
use crate::block::own_file::missing_dirs;
use crate::effect::{Access, Effect, UnitJob};
use crate::host::overlay::Fate;
use crate::host::{EntryKind, HostError, Powers, Unit};
use crate::name::{AbsPath, UnitName};
use crate::unit_file::{self, Setting};
use crate::view::View;

/// What a plan says where a unit should run.
pub(in crate::block) const NOT_STARTED: &str = "not started, as no systemd runs here";

/// Whether units are a matter of files alone: of a root that does not run.
pub(in crate::block) fn is_so(powers: Powers) -> bool {
    !powers.services && !powers.exec
}

/// A unit as its files say.
pub(in crate::block) struct Seen {
    pub(in crate::block) unit: Unit,
    file: AbsPath,
    settings: Vec<Setting>,
}

/// What the files of a unit say; `written` is what its own is about to.
pub(in crate::block) fn look(
    name: &UnitName,
    written: Option<&str>,
    view: &View<'_>,
) -> Result<Fate<Option<Seen>>, HostError> {
    let own = unit_file::path_of(name);
    let is_mask = |kind: &EntryKind| matches!(kind, EntryKind::Symlink(to) if to == "/dev/null");
    let masked = match view.path(&own)? {
        Fate::Unknown(cause) => return Ok(Fate::Unknown(cause)),
        Fate::Is(entry) => entry.is_some_and(|entry| is_mask(&entry.kind)),
    };
    let mut found = written.map(|text| (own.clone(), text.to_owned()));
    for file in unit_file::places(name) {
        if found.is_some() {
            break;
        }
        if let Fate::Is(Some(entry)) = view.path(&file)?
            && matches!(entry.kind, EntryKind::File { .. })
            && let Fate::Is(Some(bytes)) = view.read(&file)?
        {
            found = Some((file, String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
    let Some((file, text)) = found.or_else(|| masked.then(|| (own, String::new()))) else {
        return Ok(match view.pending_install() {
            Some(cause) => Fate::Unknown(cause), // packages bring units too
            None => Fate::Is(None),
        });
    };
    let settings = unit_file::parse(&text).unwrap_or_default();
    let links = unit_file::links(name, &settings);
    let mut all = !links.is_empty();
    for link in &links {
        match view.path(link)? {
            Fate::Unknown(cause) => return Ok(Fate::Unknown(cause)),
            Fate::Is(entry) => all &= entry.is_some(),
        }
    }
    let enabled = match (masked, all) {
        (true, _) => "masked",
        (false, true) => "enabled",
        (false, false) => unit_file::disabled(&settings),
    };
    let unit = Unit {
        enabled: enabled.to_owned(),
        ..Unit::fresh()
    };
    Ok(Fate::Is(Some(Seen {
        unit,
        file,
        settings,
    })))
}

/// What a job for systemd means for files and links; nothing for one that starts or stops.
pub(in crate::block) fn effects(
    name: &UnitName,
    seen: &Seen,
    job: UnitJob,
    view: &View<'_>,
) -> Result<Result<Vec<Effect>, Decision>, HostError> {
    let own = unit_file::path_of(name);
    let remove = |path| Effect::Remove {
        path,
        recursive: false,
    };
    let mut effects = Vec::new();
    match job {
        UnitJob::Enable => {
            for link in unit_file::links(name, &seen.settings) {
                if let Fate::Is(None) = view.path(&link)?
                    && let Err(decision) = make_link(link, &seen.file, &mut effects, view)?
                {
                    return Ok(Err(decision));
                }
            }
        }
        UnitJob::Disable => {
            for link in unit_file::links(name, &seen.settings) {
                if let Fate::Is(Some(entry)) = view.path(&link)?
                    && matches!(entry.kind, EntryKind::Symlink(_))
                {
                    effects.push(remove(link));
                }
            }
        }
        UnitJob::Mask => {
            let null = AbsPath::parse("/dev/null").expect("a plain path");
            if let Err(decision) = make_link(own, &null, &mut effects, view)? {
                return Ok(Err(decision));
            }
        }
        UnitJob::Unmask => effects.push(remove(own)),
        UnitJob::Start | UnitJob::Stop | UnitJob::Restart | UnitJob::Reload | UnitJob::Watch(_) => {
        }
    }
    Ok(Ok(effects))
}

/// Adds a link, after the directories that it needs and no effect makes yet.
fn make_link(
    link: AbsPath,
    to: &AbsPath,
    effects: &mut Vec<Effect>,
    view: &View<'_>,
) -> Result<Result<(), Decision>, HostError> {
    let dirs = match missing_dirs(&link, view)? {
        Ok(dirs) => dirs,
        Err(decision) => return Ok(Err(decision)),
    };
    for path in dirs {
        if !effects.iter().any(|effect| effect.path() == Some(&path)) {
            let access = Access::default();
            effects.push(Effect::MakeDir { path, access });
        }
    }
    let to = to.to_string();
    effects.push(Effect::Link { path: link, to });
    Ok(Ok(()))
}

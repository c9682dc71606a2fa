//! Whether a unit of ours runs, now and after a boot: jobs for systemd, or links where none runs.

use super::place;
use crate::block::Decision;
use crate::effect::{Effect, UnitJob};
use crate::host::overlay::Fate;
use crate::host::{EntryKind, HostError, Unit};
use crate::name::UnitName;
use crate::unit_file::{self, Setting};
use crate::view::View;

/// What should become of a unit.
pub(in crate::block) struct Wanted {
    /// Whether it starts at boot.
    pub(in crate::block) enabled: Option<bool>,
    /// Whether it runs.
    pub(in crate::block) active: Option<bool>,
    /// Its file is written first: it exists by then.
    pub(in crate::block) written: bool,
    /// Its `[Install]` says something else than before.
    pub(in crate::block) moves: bool,
    /// It is restarted if it runs.
    pub(in crate::block) restart: bool,
}

/// Effects, and a plan's words for them.
#[derive(Default)]
pub(in crate::block) struct Steps {
    pub(in crate::block) effects: Vec<Effect>,
    pub(in crate::block) words: Vec<&'static str>,
}

impl Steps {
    fn job(&mut self, name: &UnitName, job: UnitJob, word: &'static str) {
        let name = name.clone();
        self.effects.push(Effect::Unit { name, job });
        self.words.push(word);
    }
}

/// What is left to do for the unit `name`, whose file says `settings`.
pub(in crate::block) fn judge(
    name: &UnitName,
    settings: &[Setting],
    wanted: &Wanted,
    view: &View<'_>,
) -> Result<Result<Steps, Decision>, HostError> {
    if wanted.enabled.is_none() && wanted.active.is_none() {
        return Ok(Ok(Steps::default()));
    }
    if !view.powers().services {
        return offline(name, settings, wanted, view);
    }
    let unit = match view.unit(name)? {
        Fate::Is(Some(unit)) => unit,
        Fate::Unknown(cause) if !wanted.written => return Ok(Err(Decision::Maybe(cause))),
        // Its file makes it.
        Fate::Is(None) | Fate::Unknown(_) => Unit::fresh(),
    };
    let mut steps = Steps::default();
    match wanted.enabled {
        Some(_) if unit.is_masked() => {
            return Ok(Err(Decision::Blocked(format!(
                "{name} is masked; a [[service]] block with `masked = false` before this one unmasks it"
            ))));
        }
        Some(true) if unit.is_enabled() && wanted.moves => {
            steps.job(name, UnitJob::Disable, "enable anew");
            let name = name.clone();
            let job = UnitJob::Enable;
            steps.effects.push(Effect::Unit { name, job });
        }
        Some(true) if !unit.is_enabled() => steps.job(name, UnitJob::Enable, "enable"),
        Some(false) if unit.is_enabled() => steps.job(name, UnitJob::Disable, "disable"),
        _ => {}
    }
    match wanted.active {
        Some(true) if !unit.is_running() => steps.job(name, UnitJob::Start, "start"),
        Some(true) if wanted.restart => steps.job(name, UnitJob::Restart, "restart"),
        Some(false) if !unit.is_stopped() => steps.job(name, UnitJob::Stop, "stop"),
        _ => {}
    }
    Ok(Ok(steps))
}

/// What ends a unit before its file goes.
pub(in crate::block) fn end(
    name: &UnitName,
    settings: &[Setting],
    view: &View<'_>,
) -> Result<Result<Steps, Decision>, HostError> {
    let wanted = Wanted {
        enabled: Some(false),
        active: Some(false),
        written: false,
        moves: false,
        restart: false,
    };
    let steps = judge(name, settings, &wanted, view)?;
    Ok(steps.map(|mut steps| {
        steps.effects.reverse(); // stopped first
        steps.words.reverse();
        steps
    }))
}

/// Where no systemd runs, a unit is enabled by the links that systemctl would make, and not started.
fn offline(
    name: &UnitName,
    settings: &[Setting],
    wanted: &Wanted,
    view: &View<'_>,
) -> Result<Result<Steps, Decision>, HostError> {
    let powers = view.powers();
    if powers.exec && !powers.chown {
        let why = "units are made by root; run hpt as root";
        return Ok(Err(Decision::Blocked(why.to_owned())));
    }
    let mut steps = Steps::default();
    for link in unit_file::links(name, settings) {
        let there = match view.path(&link)? {
            Fate::Unknown(cause) => return Ok(Err(Decision::Maybe(cause))),
            Fate::Is(entry) => entry.map(|entry| entry.kind),
        };
        match (wanted.enabled, there) {
            (Some(true), None) => {
                let dirs = match place::missing_dirs(&link, view)? {
                    Ok(dirs) => dirs,
                    Err(decision) => return Ok(Err(decision)),
                };
                for dir in dirs {
                    if !steps
                        .effects
                        .iter()
                        .any(|effect| effect.path() == dir.path())
                    {
                        steps.effects.push(dir);
                    }
                }
                let to = unit_file::path_of(name).to_string();
                steps.effects.push(Effect::Link { path: link, to });
                steps.words = vec!["enable"];
            }
            (Some(false), Some(EntryKind::Symlink(_))) => {
                let recursive = false;
                steps.effects.push(Effect::Remove {
                    path: link,
                    recursive,
                });
                steps.words = vec!["disable"];
            }
            _ => {}
        }
    }
    if wanted.active == Some(true) && (wanted.written || !steps.effects.is_empty()) {
        steps.words.push("not started, as no systemd runs here");
    }
    Ok(Ok(steps))
}

//! Whether a unit of ours runs, now and after a boot: jobs for systemd, or links where none runs.

use super::offline;
use crate::block::Decision;
use crate::effect::{Effect, UnitJob};
use crate::host::overlay::Fate;
use crate::host::{HostError, Unit};
use crate::name::UnitName;
use crate::view::View;

/// What should become of a unit.
#[derive(Default)]
pub(in crate::block) struct Wanted<'a> {
    /// Whether it starts at boot.
    pub(in crate::block) enabled: Option<bool>,
    /// Whether it runs.
    pub(in crate::block) active: Option<bool>,
    /// What its file is about to say: then it is there.
    pub(in crate::block) written: Option<&'a str>,
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

/// What is left to do for the unit `name`.
pub(in crate::block) fn judge(
    name: &UnitName,
    wanted: &Wanted<'_>,
    view: &View<'_>,
) -> Result<Result<Steps, Decision>, HostError> {
    let powers = view.powers();
    if wanted.enabled.is_none() && wanted.active.is_none() {
        return Ok(Ok(Steps::default()));
    }
    if offline::is_so(powers) {
        return judge_offline(name, wanted, view);
    }
    if !powers.services {
        let why = "units are enabled and started by root, and by a running systemd; hpt is not root, or none runs here";
        return Ok(Err(Decision::Blocked(why.to_owned())));
    }
    let unit = match view.unit(&name.clone().into())? {
        Fate::Is(Some(unit)) => unit,
        Fate::Unknown(cause) if wanted.written.is_none() => {
            return Ok(Err(Decision::Maybe(cause)));
        }
        // Its file makes it.
        Fate::Is(None) | Fate::Unknown(_) => Unit::fresh(),
    };
    if unit.is_masked() && wanted.enabled.is_some() {
        return Ok(Err(Decision::Blocked(format!(
            "{name} is masked; a [[service]] block with `masked = false` before this one unmasks it"
        ))));
    }
    let (jobs, words) = jobs(&unit, wanted);
    let effects = jobs.into_iter().map(|job| Effect::Unit {
        unit: name.clone().into(),
        job,
    });
    Ok(Ok(Steps {
        effects: effects.collect(),
        words,
    }))
}

fn jobs(unit: &Unit, wanted: &Wanted<'_>) -> (Vec<UnitJob>, Vec<&'static str>) {
    let (mut jobs, mut words) = (Vec::new(), Vec::new());
    let mut job = |jobs_: &[UnitJob], word| {
        jobs.extend(jobs_);
        words.push(word);
    };
    match wanted.enabled {
        Some(true) if unit.is_enabled() && wanted.moves => {
            job(&[UnitJob::Disable, UnitJob::Enable], "enable anew");
        }
        Some(true) if !unit.is_enabled() => job(&[UnitJob::Enable], "enable"),
        Some(false) if unit.is_enabled() => job(&[UnitJob::Disable], "disable"),
        _ => {}
    }
    match wanted.active {
        Some(true) if !unit.is_running() => job(&[UnitJob::Start], "start"),
        Some(true) if wanted.restart => job(&[UnitJob::Restart], "restart"),
        Some(false) if !unit.is_stopped() => job(&[UnitJob::Stop], "stop"),
        _ => {}
    }
    (jobs, words)
}

/// What ends a unit before its file goes.
pub(in crate::block) fn end(
    name: &UnitName,
    view: &View<'_>,
) -> Result<Result<Steps, Decision>, HostError> {
    let wanted = Wanted {
        enabled: Some(false),
        active: Some(false),
        ..Wanted::default()
    };
    let steps = judge(name, &wanted, view)?;
    Ok(steps.map(|mut steps| {
        steps.effects.reverse(); // stopped first
        steps.words.reverse();
        steps
    }))
}

fn judge_offline(
    name: &UnitName,
    wanted: &Wanted<'_>,
    view: &View<'_>,
) -> Result<Result<Steps, Decision>, HostError> {
    let seen = match offline::look(name, wanted.written, view)? {
        Fate::Unknown(cause) => return Ok(Err(Decision::Maybe(cause))),
        Fate::Is(None) => return Ok(Ok(Steps::default())),
        Fate::Is(Some(seen)) => seen,
    };
    // Nothing runs, and nothing starts.
    let enabled = Wanted {
        active: None,
        ..*wanted
    };
    let (jobs, words) = jobs(&seen.unit, &enabled);
    let mut steps = Steps {
        effects: Vec::new(),
        words,
    };
    for job in jobs {
        match offline::effects(name, &seen, job, view)? {
            Ok(effects) => steps.effects.extend(effects),
            Err(decision) => return Ok(Err(decision)),
        }
    }
    if wanted.active == Some(true) && (wanted.written.is_some() || !steps.effects.is_empty()) {
        steps.words.push(offline::NOT_STARTED);
    }
    Ok(Ok(steps))
}

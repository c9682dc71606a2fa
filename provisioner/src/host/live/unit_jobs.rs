//! What systemd is asked to do with units, and whether it really did.

use std::thread;
use std::time::{Duration, Instant};

use super::command::Spawn;
use super::deadline;
use super::systemd::{State, Systemd};
use crate::effect::UnitJob;
use crate::host::{Done, HostError};
use crate::name::UnitName;

/// A unit says itself how long its start may take; beyond this nobody waits.
const LONGEST: Duration = Duration::from_hours(1);

/// Between two looks, growing to the second.
const PAUSES: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(250));

/// A service that dies at once has done so within this time after its start.
const SETTLE: Duration = Duration::from_millis(100);

/// Asks for a job, waits until it is over, and looks at what came of it.
pub(super) fn perform(systemd: &Systemd, name: &UnitName, job: UnitJob) -> Result<Done, HostError> {
    if let Some(note) = on_disk(systemd, name, job)? {
        // Only links have changed: systemd reads them before its next job, or when the run ends.
        systemd.outdate();
        return Ok(Done::noting(note));
    }
    let before = match systemd.state(name)? {
        // What runs is stopped as it was started.
        Some(state) if job == UnitJob::Stop => state,
        state => read_anew(systemd, name, state)?,
    };
    systemd.hold(name)?;
    let done = perform_held(systemd, name, job, &before);
    // Also when it failed; the hold would end with the connection anyway.
    let _ = systemd.release(name);
    done
}

/// What concerns the files of units alone; what was done.
fn on_disk(
    systemd: &Systemd,
    name: &UnitName,
    job: UnitJob,
) -> Result<Option<&'static str>, HostError> {
    Ok(match job {
        UnitJob::Enable if !systemd.enable(name)? => {
            let why = format!("{name} cannot be enabled: its unit file has no [Install] section");
            return Err(HostError::Refused(why));
        }
        UnitJob::Enable => Some("enabled"),
        UnitJob::Disable => systemd.disable(name).map(|()| Some("disabled"))?,
        UnitJob::Mask => systemd.mask(name).map(|()| Some("masked"))?,
        UnitJob::Unmask => systemd.unmask(name).map(|()| Some("unmasked"))?,
        _ => None,
    })
}

/// A unit as its files have it now. systemd reads them all anew, once, if any has changed.
fn read_anew(
    systemd: &Systemd,
    name: &UnitName,
    mut state: Option<State>,
) -> Result<State, HostError> {
    if systemd.is_outdated() || state.as_ref().is_none_or(State::needs_reload) {
        systemd.reload()?;
        state = systemd.state(name)?;
    }
    state.ok_or_else(|| HostError::Refused(format!("there is no unit {name} on this host")))
}

fn perform_held(
    systemd: &Systemd,
    name: &UnitName,
    job: UnitJob,
    before: &State,
) -> Result<Done, HostError> {
    let note = match job {
        UnitJob::Stop => {
            let after = wait(systemd, name, "StopUnit")?;
            if !matches!(after.text("ActiveState").as_str(), "inactive" | "failed") {
                return Err(unwell(systemd, name, "did not stop", &after));
            }
            "stopped"
        }
        UnitJob::Start => {
            start(systemd, name, "StartUnit", before)?;
            "started"
        }
        UnitJob::Restart => {
            start(systemd, name, "RestartUnit", before)?;
            "restarted"
        }
        UnitJob::Reload => {
            start(systemd, name, "ReloadUnit", before)?;
            "reloaded"
        }
        UnitJob::Watch(time) => {
            watch(systemd, name, time)?;
            "stayed active"
        }
        UnitJob::Enable | UnitJob::Disable | UnitJob::Mask | UnitJob::Unmask => {
            unreachable!("what concerns files alone is done before")
        }
    };
    Ok(Done::noting(note))
}

/// Looks at a unit again and again, for so long: it must be active, and the same run of it.
fn watch(systemd: &Systemd, name: &UnitName, time: Duration) -> Result<(), HostError> {
    let restarts = |unit| systemd.service(unit).map(|s| s.map_or(0, |s| s.restarts()));
    let (begun, first) = (Instant::now(), restarts(name)?);
    loop {
        let state = current(systemd, name)?;
        let seconds = time.as_secs();
        // Between its end and its next start it is neither, for as long as RestartSec says.
        if state.text("SubState").starts_with("auto-restart") || restarts(name)? != first {
            let what = format!("ended and was started anew by systemd within {seconds} s");
            return Err(unwell(systemd, name, &what, &state));
        }
        if !matches!(
            state.text("ActiveState").as_str(),
            "active" | "reloading" | "refreshing"
        ) {
            let what = format!("did not stay active for {seconds} s");
            return Err(unwell(systemd, name, &what, &state));
        }
        let left = time.saturating_sub(begun.elapsed());
        if left.is_zero() {
            return Ok(());
        }
        thread::sleep(left.min(PAUSES.1));
    }
}

/// A job after which the unit must be active, or have run to its end with success.
fn start(
    systemd: &Systemd,
    name: &UnitName,
    method: &str,
    before: &State,
) -> Result<(), HostError> {
    if before.text("ActiveState") == "failed" {
        // It may have been started too often already.
        systemd.reset_failed(name)?;
    }
    let mut after = wait(systemd, name, method)?;
    let service = systemd.service(name)?;
    let kind = service
        .as_ref()
        .map(|service| service.text("Type"))
        .unwrap_or_default();
    if after.text("ActiveState") == "active" && matches!(kind.as_str(), "simple" | "exec" | "idle")
    {
        // Their job is over when they were started; a look a moment later tells more.
        thread::sleep(SETTLE);
        after = current(systemd, name)?;
    }
    if after.condition_failed() {
        let condition = after
            .failed_condition()
            .unwrap_or_else(|| "a condition".into());
        return Err(HostError::Refused(format!(
            "{name} was skipped by systemd: {condition} is not met"
        )));
    }
    match (
        after.text("ActiveState").as_str(),
        after.text("SubState").as_str(),
    ) {
        ("active" | "reloading" | "refreshing", _) => Ok(()),
        // What runs once and ends is not active afterwards.
        ("inactive", "dead") if service.is_none_or(|s| s.text("Result") == "success") => Ok(()),
        _ => Err(unwell(systemd, name, "did not come up", &after)),
    }
}

/// Queues a job and waits until the unit no longer has it.
///
/// The unit is looked at instead of waiting for a signal that its job was removed: a signal can be
/// missed when the bus restarts, a look cannot, and what the unit is afterwards is asked anyway.
fn wait(systemd: &Systemd, name: &UnitName, method: &str) -> Result<State, HostError> {
    let job = systemd.queue(method, name)?;
    let longest = deadline::left(LONGEST);
    let begun = Instant::now();
    let mut pause = PAUSES.0;
    loop {
        let state = current(systemd, name)?;
        if state.job() != job {
            return Ok(state);
        }
        if begun.elapsed() > longest {
            let what = format!("is still not there after {} s", longest.as_secs());
            return Err(unwell(systemd, name, &what, &state));
        }
        thread::sleep(pause);
        pause = (pause * 2).min(PAUSES.1);
    }
}

fn current(systemd: &Systemd, name: &UnitName) -> Result<State, HostError> {
    let gone = || HostError::Refused(format!("{name} is gone"));
    systemd.state(name)?.ok_or_else(gone)
}

/// What is wrong with a unit, with the last it wrote to the journal.
fn unwell(systemd: &Systemd, name: &UnitName, what: &str, state: &State) -> HostError {
    let (active, sub) = (state.text("ActiveState"), state.text("SubState"));
    let run = state.invocation();
    let mut args: Vec<String> = ["--no-pager", "--quiet", "--output=cat", "--lines=8"]
        .map(String::from)
        .into();
    // What a user's systemd says of a run is taken for that user's alone.
    let whose = systemd.uid().map(|uid| format!("_UID={uid}"));
    match &whose {
        None if run.is_empty() => args.extend(["--boot".into(), format!("--unit={name}")]),
        None => args.extend([
            format!("_SYSTEMD_INVOCATION_ID={run}"),
            "+".into(),
            format!("INVOCATION_ID={run}"),
        ]),
        Some(uid) if run.is_empty() => {
            let unit = format!("_SYSTEMD_USER_UNIT={name}");
            args.extend(["--boot".into(), uid.clone(), unit]);
        }
        Some(uid) => args.extend([
            uid.clone(),
            format!("_SYSTEMD_INVOCATION_ID={run}"),
            "+".into(),
            uid.clone(),
            format!("USER_INVOCATION_ID={run}"),
        ]),
    }
    let mut journal = Spawn::tool("journalctl", args);
    journal.timeout = Duration::from_secs(10);
    let last = journal
        .listen(&mut |_, _| {})
        .map(|(_, tail)| tail.last_lines())
        .unwrap_or_default();
    let journal = if last.is_empty() {
        String::new()
    } else {
        format!("; its last lines: {last}")
    };
    HostError::Program {
        program: name.to_string(),
        why: format!("{what}: it is {active} ({sub}){journal}"),
    }
}

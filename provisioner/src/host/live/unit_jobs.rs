//! What systemd is asked to do with units, and whether it really did.

use std::thread;
use std::time::{Duration, Instant};

use super::command::Spawn;
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
    let absent = || HostError::Refused(format!("there is no unit {name} on this host"));
    let before = systemd.state(name)?;
    // Unit files that were written since are not known yet, new ones included.
    let before = if before.as_ref().is_none_or(State::needs_reload) {
        systemd.reload(name)?;
        systemd.state(name)?.ok_or_else(absent)?
    } else {
        before.ok_or_else(absent)?
    };
    systemd.hold(name)?;
    let done = perform_held(systemd, name, job, &before);
    // Also when it failed; the hold would end with the connection anyway.
    let _ = systemd.release(name);
    done
}

fn perform_held(
    systemd: &Systemd,
    name: &UnitName,
    job: UnitJob,
    before: &State,
) -> Result<Done, HostError> {
    let note = match job {
        UnitJob::Enable => return enable(systemd, name),
        UnitJob::Disable => {
            systemd.disable(name)?;
            systemd.reload(name)?;
            return Ok(Done {
                note: "disabled".into(),
                exit: None,
            });
        }
        UnitJob::Stop => {
            let after = wait(systemd, name, "StopUnit")?;
            if !matches!(after.text("ActiveState").as_str(), "inactive" | "failed") {
                return Err(unwell(name, "did not stop", &after));
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
    };
    Ok(Done {
        note: note.into(),
        exit: None,
    })
}

fn enable(systemd: &Systemd, name: &UnitName) -> Result<Done, HostError> {
    if !systemd.enable(name)? {
        let why = format!("{name} cannot be enabled: its unit file has no [Install] section");
        return Err(HostError::Refused(why));
    }
    systemd.reload(name)?;
    Ok(Done {
        note: "enabled".into(),
        exit: None,
    })
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
        _ => Err(unwell(name, "did not come up", &after)),
    }
}

/// Queues a job and waits until the unit no longer has it.
///
/// The unit is looked at instead of waiting for a signal that its job was removed: a signal can be
/// missed when the bus restarts, a look cannot, and what the unit is afterwards is asked anyway.
fn wait(systemd: &Systemd, name: &UnitName, method: &str) -> Result<State, HostError> {
    let job = systemd.queue(method, name)?;
    let begun = Instant::now();
    let mut pause = PAUSES.0;
    loop {
        let state = current(systemd, name)?;
        if state.job() != job {
            return Ok(state);
        }
        if begun.elapsed() > LONGEST {
            return Err(unwell(name, "is still not there after an hour", &state));
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
fn unwell(name: &UnitName, what: &str, state: &State) -> HostError {
    let (active, sub) = (state.text("ActiveState"), state.text("SubState"));
    let run = state.invocation();
    let mut args: Vec<String> = ["--no-pager", "--quiet", "--output=cat", "--lines=8"]
        .map(String::from)
        .into();
    if run.is_empty() {
        args.extend(["--boot".into(), format!("--unit={name}")]);
    } else {
        args.extend([
            format!("_SYSTEMD_INVOCATION_ID={run}"),
            "+".into(),
            format!("INVOCATION_ID={run}"),
        ]);
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

//! systemd's manager over D-Bus: the few calls that hpt makes, and a unit's properties.

use std::collections::HashMap;
use std::fmt::Display;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use zbus::connection::Builder;
use zbus::{Connection, ObjectPath, OwnedObjectPath, OwnedVariant};

use super::user_bus;
use crate::host::{HostError, Unit};
use crate::name::{UnitName, UserName};

const SYSTEMD: &str = "org.freedesktop.systemd1";
const ROOT: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const UNIT: &str = "org.freedesktop.systemd1.Unit";
const SERVICE: &str = "org.freedesktop.systemd1.Service";

/// systemd answers at once, unless it is reloading.
pub(super) const ANSWER: Duration = Duration::from_mins(1);

/// A systemd, and the connection to its bus: made when the first unit is asked for, and then kept.
#[derive(Default)]
pub(super) struct Systemd {
    whose: Whose,
    bus: Mutex<Option<Connection>>,
    /// Whether unit files or their links were changed since systemd was told to read them.
    outdated: AtomicBool,
}

/// Whose units it runs.
#[derive(Default)]
enum Whose {
    #[default]
    Host,
    User {
        name: UserName,
        uid: u32,
        /// What starts the way to it.
        host: Arc<Systemd>,
    },
}

/// What systemd says of a unit at one moment.
pub(super) struct State(HashMap<String, OwnedVariant>);

impl Systemd {
    /// A user's systemd, to which `host` leads.
    pub(super) fn of_user(host: Arc<Self>, name: UserName, uid: u32) -> Self {
        Self {
            whose: Whose::User { name, uid, host },
            ..Self::default()
        }
    }

    /// The number of the user whose it is; `None` for the host's own.
    pub(super) fn uid(&self) -> Option<u32> {
        match self.whose {
            Whose::Host => None,
            Whose::User { uid, .. } => Some(uid),
        }
    }

    /// A unit as a plan sees it; `None` if systemd knows none of that name.
    pub(super) fn unit(&self, name: &UnitName) -> Result<Option<Unit>, HostError> {
        if name.as_str().contains("@.") {
            // A template is never loaded; it has a file or is not there.
            let enabled = self.call(name, "GetUnitFileState", &(name.as_str(),)).ok();
            let unit = |enabled| Unit {
                enabled,
                ..Unit::fresh()
            };
            return Ok(enabled.map(unit));
        }
        let Some(state) = self.state(name)? else {
            return Ok(None);
        };
        Ok(Some(Unit {
            active: state.active(),
            enabled: self.enablement(name, &state),
            condition_failed: state.condition_failed(),
        }))
    }

    /// `UnitFileState`, which systemd keeps until it reads its files anew; asked of the files
    /// themselves if they were changed meanwhile.
    fn enablement(&self, name: &UnitName, state: &State) -> String {
        let asked = self
            .is_outdated()
            .then(|| self.call(name, "GetUnitFileState", &(name.as_str(),)));
        // A unit without a file has no such state.
        asked
            .and_then(Result::ok)
            .unwrap_or_else(|| state.text("UnitFileState"))
    }

    /// Unit files or their links have changed.
    pub(super) fn outdate(&self) {
        self.outdated.store(true, Ordering::Relaxed);
    }

    /// Whether systemd has not read what was changed.
    pub(super) fn is_outdated(&self) -> bool {
        self.outdated.load(Ordering::Relaxed)
    }

    /// Whether it was asked something, and can be still.
    pub(super) fn is_connected(&self) -> bool {
        let kept = self.bus.lock().unwrap_or_else(PoisonError::into_inner);
        kept.as_ref().is_some_and(|bus| !bus.is_closed())
    }

    /// All that systemd says of a unit; it is loaded first if it was not.
    pub(super) fn state(&self, name: &UnitName) -> Result<Option<State>, HostError> {
        let path = self.load(name)?;
        let state = self.properties(name, &path, UNIT)?;
        Ok((state.text("LoadState") != "not-found").then_some(state))
    }

    /// What systemd says of a service beyond what every unit has; `None` for other units.
    pub(super) fn service(&self, name: &UnitName) -> Result<Option<State>, HostError> {
        if !name.as_str().ends_with(".service") {
            return Ok(None);
        }
        let path = self.load(name)?;
        self.properties(name, &path, SERVICE).map(Some)
    }

    /// Keeps systemd from forgetting a unit that is neither active nor failed, and with it why its
    /// start was skipped; until [`Systemd::release`], or the end of the connection.
    pub(super) fn hold(&self, name: &UnitName) -> Result<(), HostError> {
        self.call(name, "RefUnit", &(name.as_str(),))
    }

    /// Ends a [`Systemd::hold`].
    pub(super) fn release(&self, name: &UnitName) -> Result<(), HostError> {
        self.call(name, "UnrefUnit", &(name.as_str(),))
    }

    /// Queues a job, such as `StartUnit`; its path.
    pub(super) fn queue(&self, method: &str, name: &UnitName) -> Result<String, HostError> {
        let job: OwnedObjectPath = self.call(name, method, &(name.as_str(), "replace"))?;
        Ok(job.to_string())
    }

    /// Reads all unit files anew, as `systemctl daemon-reload` does.
    pub(super) fn reload(&self) -> Result<(), HostError> {
        let root = ObjectPath::try_from(ROOT).expect("a literal path is one");
        let () = self.ask(&"all units", &root, MANAGER, "Reload", &())?;
        self.outdated.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Forgets that a unit failed, and how often it was started.
    pub(super) fn reset_failed(&self, name: &UnitName) -> Result<(), HostError> {
        self.call(name, "ResetFailedUnit", &(name.as_str(),))
    }

    /// Lets nothing start a unit, by a link in its place.
    pub(super) fn mask(&self, name: &UnitName) -> Result<(), HostError> {
        let names = [name.as_str()];
        let body = (names.as_slice(), false, true);
        let _changes: Vec<(String, String, String)> = self.call(name, "MaskUnitFiles", &body)?;
        Ok(())
    }

    /// Ends a [`Systemd::mask`], also one that lasts until the next boot.
    pub(super) fn unmask(&self, name: &UnitName) -> Result<(), HostError> {
        for until_boot in [false, true] {
            let names = [name.as_str()];
            let body = (names.as_slice(), until_boot);
            let _changes: Vec<(String, String, String)> =
                self.call(name, "UnmaskUnitFiles", &body)?;
        }
        Ok(())
    }

    /// Makes a unit start at boot; whether its file says how (`[Install]`).
    pub(super) fn enable(&self, name: &UnitName) -> Result<bool, HostError> {
        let (installs, _): (bool, Vec<(String, String, String)>) = self.call(
            name,
            "EnableUnitFiles",
            &([name.as_str()].as_slice(), false, true),
        )?;
        Ok(installs)
    }

    /// Makes a unit not start at boot.
    pub(super) fn disable(&self, name: &UnitName) -> Result<(), HostError> {
        let _changes: Vec<(String, String, String)> = self.call(
            name,
            "DisableUnitFiles",
            &([name.as_str()].as_slice(), false),
        )?;
        Ok(())
    }

    /// What several calls answer, each in its turn; they are all under way at once.
    pub(super) fn ask_all<'p, R>(
        &self,
        paths: impl Iterator<Item = ObjectPath<'p>>,
        property: &str,
    ) -> Result<Vec<R>, HostError>
    where
        R: TryFrom<OwnedVariant>,
    {
        let failed = |error: zbus::Error| self.refusal(&"several units", "Get", &error);
        let mut kept = self.bus.lock().unwrap_or_else(PoisonError::into_inner);
        zbus::block_on(async {
            let bus = kept
                .take()
                .ok_or_else(|| failed(zbus::Error::InvalidReply))?;
            let calls = paths.map(|path| {
                let bus = bus.clone();
                Box::pin(async move {
                    let interface = Some("org.freedesktop.DBus.Properties");
                    let body = (UNIT, property);
                    let answer = bus
                        .call_method(Some(SYSTEMD), path, interface, "Get", &body)
                        .await?;
                    let value: OwnedVariant = answer.body().deserialize()?;
                    R::try_from(value).map_err(|_| zbus::Error::InvalidReply)
                })
            });
            let answers = together(calls.collect()).await;
            *kept = Some(bus);
            answers
                .into_iter()
                .map(|answer| answer.map_err(failed))
                .collect()
        })
    }

    fn load(&self, name: &UnitName) -> Result<OwnedObjectPath, HostError> {
        self.call(name, "LoadUnit", &(name.as_str(),))
    }

    fn properties(
        &self,
        name: &UnitName,
        path: &ObjectPath<'_>,
        of: &str,
    ) -> Result<State, HostError> {
        let interface = "org.freedesktop.DBus.Properties";
        self.ask(name, path, interface, "GetAll", &(of,)).map(State)
    }

    /// A call of the manager itself, about the unit `name`.
    pub(super) fn call<B, R>(
        &self,
        name: &dyn Display,
        method: &str,
        body: &B,
    ) -> Result<R, HostError>
    where
        B: serde::Serialize + zbus::DynamicType,
        R: for<'d> zbus::wire::DynamicDeserialize<'d>,
    {
        let root = ObjectPath::try_from(ROOT).expect("a literal path is one");
        self.ask(name, &root, MANAGER, method, body)
    }

    /// One call and its answer, over a new connection if there is none or the old one broke.
    fn ask<B, R>(
        &self,
        name: &dyn Display,
        path: &ObjectPath<'_>,
        interface: &str,
        method: &str,
        body: &B,
    ) -> Result<R, HostError>
    where
        B: serde::Serialize + zbus::DynamicType,
        R: for<'d> zbus::wire::DynamicDeserialize<'d>,
    {
        let failed = |error: zbus::Error| self.refusal(name, method, &error);
        let mut kept = self.bus.lock().unwrap_or_else(PoisonError::into_inner);
        let bus = match (kept.take().filter(|bus| !bus.is_closed()), &self.whose) {
            (Some(bus), _) => bus,
            (None, Whose::Host) => {
                zbus::block_on(Builder::system().method_timeout(ANSWER).build()).map_err(failed)?
            }
            (None, Whose::User { name, uid, host }) => user_bus::connect(host, name, *uid)?,
        };
        let call = bus.call_method(Some(SYSTEMD), path, Some(interface), method, body);
        let answer = zbus::block_on(call);
        *kept = Some(bus);
        answer.map_err(failed)?.body().deserialize().map_err(failed)
    }

    /// D-Bus's error in words: what was asked, of whom, of which unit, and why not.
    fn refusal(&self, name: &dyn Display, method: &str, error: &zbus::Error) -> HostError {
        let why = match error {
            zbus::Error::MethodError(kind, text, _) => {
                text.clone().unwrap_or_else(|| kind.to_string())
            }
            other => other.to_string(),
        };
        let whose = match &self.whose {
            Whose::Host => "systemd".to_owned(),
            Whose::User { name, .. } => format!("the systemd of {name}"),
        };
        HostError::Refused(format!("{whose} refused {method} for {name}: {why}"))
    }
}

impl State {
    /// A property that is text; empty if it is not there.
    pub(super) fn text(&self, name: &str) -> String {
        let value = self
            .0
            .get(name)
            .and_then(|value| String::try_from(value.clone()).ok());
        value.unwrap_or_default()
    }

    /// `ActiveState`; what waits for its turn to start is on its way.
    pub(super) fn active(&self) -> String {
        let state = self.text("ActiveState");
        if state == "inactive" && self.job() != "/" {
            return "activating".to_owned();
        }
        state
    }

    /// How often systemd has started a service by itself.
    pub(super) fn restarts(&self) -> u32 {
        let count = self
            .0
            .get("NRestarts")
            .and_then(|v| u32::try_from(v.clone()).ok());
        count.unwrap_or_default()
    }

    fn flag(&self, name: &str) -> bool {
        self.0
            .get(name)
            .and_then(|value| bool::try_from(value.clone()).ok())
            .unwrap_or_default()
    }

    /// Whether the unit's files have changed since systemd read them.
    pub(super) fn needs_reload(&self) -> bool {
        self.flag("NeedDaemonReload")
    }

    /// Whether the last start was skipped. Before the first one, "false" says nothing.
    pub(super) fn condition_failed(&self) -> bool {
        let tried = self
            .0
            .get("ConditionTimestamp")
            .and_then(|v| u64::try_from(v.clone()).ok());
        tried.is_some_and(|at| at > 0) && !self.flag("ConditionResult")
    }

    /// The condition that was not met, in the words of the unit's file.
    pub(super) fn failed_condition(&self) -> Option<String> {
        type Condition = (String, bool, bool, String, i32);
        let all = Vec::<Condition>::try_from(self.0.get("Conditions")?.clone()).ok()?;
        let (kind, _, negated, parameter, _) = all.into_iter().find(|c| c.4 < 0)?;
        Some(format!(
            "{kind}={}{parameter}",
            if negated { "!" } else { "" }
        ))
    }

    /// The id of the unit's last run, as the journal has it; empty if it never ran.
    pub(super) fn invocation(&self) -> String {
        let id = self
            .0
            .get("InvocationID")
            .and_then(|v| Vec::<u8>::try_from(v.clone()).ok());
        let digits = |byte: u8| {
            [byte >> 4, byte & 15].map(|d| char::from_digit(d.into(), 16).unwrap_or('0'))
        };
        id.unwrap_or_default()
            .into_iter()
            .flat_map(digits)
            .collect()
    }

    /// The path of the job that the unit waits for; `/` if none.
    pub(super) fn job(&self) -> String {
        let job = self
            .0
            .get("Job")
            .and_then(|v| <(u32, OwnedObjectPath)>::try_from(v.clone()).ok());
        job.map_or_else(|| "/".into(), |(_, path)| path.to_string())
    }
}

/// Waits for all of these at once.
async fn together<F: Future + Unpin>(mut futures: Vec<F>) -> Vec<F::Output> {
    let mut answers: Vec<Option<F::Output>> = futures.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (future, answer) in futures.iter_mut().zip(&mut answers) {
            if answer.is_none()
                && let Poll::Ready(value) = Pin::new(future).poll(context)
            {
                *answer = Some(value);
            }
        }
        let all = answers.iter().all(Option::is_some);
        if all { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    answers.into_iter().flatten().collect()
}

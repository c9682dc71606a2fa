//! What a run is about to do, in words that can be kept and read again after a crash.

use std::time::Duration;

use crate::effect::{Effect, GroupEdit, UnitJob, UserEdit};
use crate::undo::Before;

/// One change that is about to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// The index of the block that it belongs to.
    pub block: usize,
    /// What it is, without any content: "write /etc/motd", "start nginx.service".
    pub what: String,
    /// Whether it is a command without a guard: nobody can see on the host whether it has run.
    pub is_unguarded: bool,
    /// Whether it adds a part of a thing of which nothing was there: a line of a file.
    pub adds: bool,
    /// What it replaces.
    pub before: Vec<Before>,
    /// How long the host may be away, if this reboots it.
    pub reboots: Option<Duration>,
}

impl Intent {
    pub(crate) fn of(block: usize, effect: &Effect, before: Vec<Before>) -> Self {
        Self {
            block,
            what: words(effect),
            is_unguarded: false,
            adds: false,
            before,
            reboots: None,
        }
    }

    pub(crate) fn reboot(block: usize, within: Duration) -> Self {
        Self {
            block,
            what: "reboot the host".to_owned(),
            is_unguarded: false,
            adds: false,
            before: Vec::new(),
            reboots: Some(within),
        }
    }
}

/// An effect in words, without any content.
pub(crate) fn words(effect: &Effect) -> String {
    match effect {
        Effect::WriteFile(file) => format!("write {}", file.path),
        Effect::MakeDir { path, .. } => format!("make the directory {path}"),
        Effect::Link { path, .. } => format!("link {path}"),
        Effect::SetAccess { path, .. } => format!("set owner and mode of {path}"),
        Effect::Remove { path, .. } => format!("remove {path}"),
        Effect::Packages(transaction) => {
            let installs = transaction
                .install
                .iter()
                .map(|want| ("install", &want.name));
            let rest = [
                ("upgrade", &transaction.upgrade),
                ("remove", &transaction.remove),
                ("hold", &transaction.hold),
                ("release", &transaction.unhold),
            ];
            let rest = rest
                .iter()
                .flat_map(|(verb, names)| names.iter().map(|name| (*verb, name)));
            let all: Vec<_> = installs
                .chain(rest)
                .map(|(verb, name)| format!("{verb} {name}"))
                .collect();
            all.join(", ")
        }
        Effect::Group(edit) => match edit {
            GroupEdit::Add { name, .. } => format!("make the group {name}"),
            GroupEdit::Remove { name } => format!("remove the group {name}"),
            GroupEdit::SetGid { name, .. } | GroupEdit::AddMembers { name, .. } => {
                format!("change the group {name}")
            }
        },
        Effect::User(edit) => match edit {
            UserEdit::Add { name, .. } => format!("make the user {name}"),
            UserEdit::Modify { name, .. } => format!("change the user {name}"),
            UserEdit::Remove { name, .. } => format!("remove the user {name}"),
        },
        Effect::Unit { unit, job } => format!("{} {unit}", verb(*job)),
        Effect::Set { setting, .. } => format!("set {setting}"),
        Effect::Unpack(job) => format!("unpack {} below {}", job.source, job.dest),
        Effect::Clone(job) => format!("clone into {}", job.dest),
        Effect::Run(_) => "run its command".to_owned(),
        Effect::Remember { .. } => "remember what was done".to_owned(),
    }
}

fn verb(job: UnitJob) -> &'static str {
    match job {
        UnitJob::Start => "start",
        UnitJob::Stop => "stop",
        UnitJob::Restart => "restart",
        UnitJob::Reload => "reload",
        UnitJob::Enable => "enable",
        UnitJob::Disable => "disable",
        UnitJob::Mask => "mask",
        UnitJob::Unmask => "unmask",
        UnitJob::Watch(_) => "watch",
    }
}

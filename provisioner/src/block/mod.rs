//! What a block is: its fields, and one pure decision. A kind is one file here and one line in its list, `kinds!`.

pub mod archive;
pub mod assert;
pub mod at;
pub mod authorized_key;
pub mod check;
pub mod clone;
mod conf;
pub mod cron;
pub mod dropin;
pub mod edit;
pub mod exec;
pub mod file;
pub mod firewall;
pub mod flush;
mod fstab;
pub mod group;
pub mod handler;
mod holding;
pub mod hostname;
pub mod hosts;
pub mod kmod;
mod lifeline;
pub mod limits;
pub mod line;
pub mod locale;
pub mod mount;
mod one_line;
mod orphan;
mod own_file;
pub mod owned_tree;
pub mod package;
pub mod package_repo;
pub mod packages;
mod placed;
mod program;
pub mod reboot;
pub mod service;
mod sudo;
mod sudoer;
pub mod sudoers;
pub mod swap;
pub mod sync;
pub mod sysctl;
mod text_file;
pub mod timer;
pub mod timezone;
pub mod unit;
pub mod user;
pub mod wait;

use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::effect::{Command, Effect};
use crate::host::overlay::{Cause, Fate};
use crate::host::probe::Probe;
use crate::host::{HostError, Key};
use crate::name::{AbsPath, GroupName, UserName};
use crate::secret::Secret;
use crate::source::{Need, Source};
use crate::view::View;

pub use self::holding::{Holding, Remnant};
pub(crate) use self::lifeline::is as is_lifeline;
pub use self::orphan::Orphan;
pub(crate) use self::orphan::OrphanFate;
pub use self::placed::{Block, Failure, Late, OnError, Part, UNTAGGED};

/// A kind of block. `decide` is pure and never acts: it is asked when planning, just before acting,
/// and after, when it must say [`Decision::InPlace`].
pub trait Kind: DeserializeOwned {
    /// The word in `[[word]]`.
    const NAME: &'static str;
    /// Fields that the language has and this version has not got yet.
    const LATER: &'static [&'static str] = &[];

    /// What the block is about, for its id `kind:primary`: a path, a name.
    fn primary(&self) -> String;

    /// What is wrong with the fields beyond their types, each with the key it concerns.
    fn check(&self, complain: &mut dyn FnMut(&'static str, String)) {
        let _ = complain;
    }

    /// What it will look at, so that a host can read it in bulk; first what it is about.
    fn reads(&self) -> Vec<Key> {
        Vec::new()
    }

    /// The sources that must be fetched for it.
    fn needs(&self) -> Vec<Need> {
        Vec::new()
    }

    /// The same sources, to be told from which directory a relative path starts.
    fn sources(&mut self) -> Vec<&mut Source> {
        Vec::new()
    }

    /// What of its fields nobody may see, also when a config has it in so many words.
    fn secrets(&self) -> Vec<&Secret> {
        Vec::new()
    }

    /// The things that it brings onto a host, for the ledger; none for what acts, or takes away.
    fn holdings(&self) -> Vec<Holding> {
        Vec::new()
    }

    /// What has to be done on a host that looks so.
    ///
    /// # Errors
    /// If the host cannot be read.
    fn decide(&self, view: &View<'_>) -> Result<Decision, HostError>;
}

/// What a block would do on a host.
#[derive(Clone)]
pub enum Decision {
    /// Nothing is to be done.
    InPlace,
    /// These effects bring it about.
    Act(Action),
    /// A guard decides when the block runs: the action is taken if its exit is 0 as `wants` says.
    Ask {
        /// The guard.
        guard: Box<Command>,
        /// Act when the guard succeeds (`only_if`) or when it fails (`unless`).
        wants: bool,
        /// Whether the guard changes nothing, so that a plan may run it.
        pure: bool,
        /// What is done then.
        action: Action,
    },
    /// Nothing is to be done but to wait until it is in place.
    Await {
        /// How long at most.
        within: Duration,
        /// What for, in a few words: "port 80".
        what: String,
    },
    /// Nothing is to be done but to see whether the host does what it is there for.
    Check {
        /// What is looked at, again and again.
        probe: Box<Probe>,
        /// How long at most.
        within: Duration,
        /// Whether the run is reverted if it never is as expected.
        reverts: bool,
    },
    /// The host is rebooted, and the run goes on when it is back.
    Reboot {
        /// A few words for a plan's line.
        why: String,
        /// How long it may be away.
        within: Duration,
    },
    /// Known only when an earlier block has run.
    Maybe(Cause),
    /// It cannot work on this host as things are; a whole sentence.
    Blocked(String),
    /// It does not apply to this host; a whole sentence.
    Skip(String),
    /// It left the config, and is not removed; what becomes of it, in a few words.
    Orphan(String),
}

impl Decision {
    /// An action, noted as one that adds its part of a thing; anything else as it is.
    pub(crate) fn adding(mut self, adds: bool) -> Self {
        if let Self::Act(action) = &mut self {
            action.adds = adds;
        }
        self
    }

    /// It needs a group that is not there.
    pub(crate) fn without_group(group: &GroupName) -> Self {
        Self::Blocked(format!(
            "the group {group} does not exist; make it with a [[group]] block before this one"
        ))
    }

    /// It needs a user who is not there.
    pub(crate) fn without_user(user: &UserName) -> Self {
        Self::Blocked(format!(
            "the user {user} does not exist; make it with a [[user]] block before this one"
        ))
    }

    /// What becomes of a block without the accounts that it relies on; `None` if they are there.
    pub(crate) fn without_accounts(
        user: Option<&UserName>,
        group: Option<&GroupName>,
        view: &View<'_>,
    ) -> Result<Option<Self>, HostError> {
        if let Some(user) = user {
            match view.has_user(user)? {
                Fate::Is(true) => {}
                Fate::Is(false) => return Ok(Some(Self::without_user(user))),
                Fate::Unknown(cause) => return Ok(Some(Self::Maybe(cause))),
            }
        }
        if let Some(group) = group {
            match view.has_group(group)? {
                Fate::Is(true) => {}
                Fate::Is(false) => return Ok(Some(Self::without_group(group))),
                Fate::Unknown(cause) => return Ok(Some(Self::Maybe(cause))),
            }
        }
        Ok(None)
    }

    /// It lies in a directory that is not there.
    pub(crate) fn without_parent(path: &AbsPath) -> Self {
        let parent = path.parent().map_or_else(String::new, |p| p.to_string());
        Self::Blocked(format!(
            "the directory {parent} does not exist; make it with a [[file]] block with `dir = true` before this one"
        ))
    }
}

/// What is to be done, in effects and in words.
#[derive(Clone)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a trait of few kinds, and said by its name"
)]
pub struct Action {
    /// Create, update, delete or run.
    pub verb: Verb,
    /// A few words for a plan's line: "0644 root:root", "/home/ana, groups sudo, 1 key".
    pub summary: String,
    /// What is done, in order.
    pub effects: Vec<Effect>,
    /// What a command says it makes or changes; nothing else becomes unknown.
    pub touches: Vec<AbsPath>,
    /// Whether what is done may turn out to change nothing.
    pub perhaps: bool,
    /// Whether it adds the part of a thing that the block is about, of which nothing was there: a line.
    pub adds: bool,
    /// Whether the block acts each time, so that it is never "in place" afterwards.
    pub repeats: bool,
    /// Whether the block is about all that a directory holds, so that it must be judged again before
    /// another block can put something there.
    pub alone: bool,
}

impl Action {
    /// An action of plain effects.
    pub fn new(verb: Verb, summary: impl Into<String>, effects: Vec<Effect>) -> Self {
        Self {
            verb,
            summary: summary.into(),
            effects,
            touches: Vec::new(),
            perhaps: false,
            adds: false,
            repeats: false,
            alone: false,
        }
    }
}

/// The mark of a plan's line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// `+`: it is not there yet.
    Create,
    /// `~`: it is there and differs.
    Update,
    /// `-`: it is there and must go.
    Delete,
    /// `!`: a command runs or a service is restarted.
    Run,
}

/// Declares the closed list of kinds: [`Body`] and how it passes each question on.
macro_rules! kinds {
    ($($variant:ident($module:ident::$type:ident)),* $(,)?) => {
        /// The fields of a block, by kind.
        pub enum Body {
            $(#[doc = concat!("A `", stringify!($module), "` block.")] $variant($module::$type)),*
        }

        /// The words that may stand in `[[...]]`.
        pub const KINDS: &[&str] = &[$(<$module::$type as Kind>::NAME),*];

        impl Body {
            /// Whether `field` of the kind `name` comes with a later version.
            pub(crate) fn comes_later(name: &str, field: &str) -> bool {
                match name {
                    $(<$module::$type as Kind>::NAME => {
                        <$module::$type as Kind>::LATER.contains(&field)
                    })*
                    _ => false,
                }
            }

            /// Reads the fields of a block of the kind `name`, which is one of [`KINDS`].
            pub(crate) fn deserialize(
                name: &str,
                fields: toml::de::Deserializer<'_>,
            ) -> Result<Self, toml::de::Error> {
                use serde::Deserialize as _;
                match name {
                    $(<$module::$type as Kind>::NAME => {
                        $module::$type::deserialize(fields).map(Self::$variant)
                    })*
                    _ => unreachable!("config::document passes on kinds of the list only"),
                }
            }

            /// See [`Kind::NAME`].
            pub fn kind(&self) -> &'static str {
                match self { $(Self::$variant(_) => <$module::$type as Kind>::NAME),* }
            }

            /// See [`Kind::primary`].
            pub fn primary(&self) -> String {
                match self { $(Self::$variant(block) => block.primary()),* }
            }

            /// See [`Kind::check`].
            pub fn check(&self, complain: &mut dyn FnMut(&'static str, String)) {
                match self { $(Self::$variant(block) => block.check(complain)),* }
            }

            /// See [`Kind::reads`].
            pub fn reads(&self) -> Vec<Key> {
                match self { $(Self::$variant(block) => block.reads()),* }
            }

            /// See [`Kind::needs`].
            pub fn needs(&self) -> Vec<Need> {
                let mut needs = match self { $(Self::$variant(block) => block.needs()),* };
                for need in &mut needs {
                    let own = need.source.sha256().map(ToOwned::to_owned);
                    need.sha256 = need.sha256.take().or(own);
                }
                needs
            }

            /// See [`Kind::sources`].
            pub(crate) fn sources(&mut self) -> Vec<&mut Source> {
                match self { $(Self::$variant(block) => block.sources()),* }
            }

            /// See [`Kind::secrets`].
            pub fn secrets(&self) -> Vec<&Secret> {
                match self { $(Self::$variant(block) => block.secrets()),* }
            }

            /// See [`Kind::holdings`].
            pub fn holdings(&self) -> Vec<Holding> {
                match self { $(Self::$variant(block) => block.holdings()),* }
            }

            /// See [`Kind::decide`].
            ///
            /// # Errors
            /// If the host cannot be read.
            pub fn decide(&self, view: &View<'_>) -> Result<Decision, HostError> {
                match self { $(Self::$variant(block) => block.decide(view)),* }
            }
        }
    };
}

kinds! {
    Packages(packages::Packages),
    Package(package::Package),
    Group(group::Group),
    User(user::User),
    File(file::File),
    Clone(clone::Clone),
    Exec(exec::Exec),
    Service(service::Service),
    Flush(flush::Flush),
    Handler(handler::Handler),
    Line(line::Line),
    Edit(edit::Edit),
    Sudoers(sudoers::Sudoers),
    AuthorizedKey(authorized_key::AuthorizedKey),
    Hosts(hosts::Hosts),
    Limits(limits::Limits),
    Cron(cron::Cron),
    Assert(assert::Assert),
    Unit(unit::Unit),
    Dropin(dropin::Dropin),
    Timer(timer::Timer),
    Sysctl(sysctl::Sysctl),
    Timezone(timezone::Timezone),
    Hostname(hostname::Hostname),
    Locale(locale::Locale),
    Kmod(kmod::Kmod),
    Mount(mount::Mount),
    Swap(swap::Swap),
    PackageRepo(package_repo::PackageRepo),
    Firewall(firewall::Firewall),
    Wait(wait::Wait),
    Check(check::Check),
    Reboot(reboot::Reboot),
    Archive(archive::Archive),
    Sync(sync::Sync),
    At(at::At),
}

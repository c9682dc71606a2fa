//! `[[package]]`: a package of the host's own package manager.

use serde::Deserialize;

use crate::block::{Action, Decision, Holding, Kind, Verb};
use crate::effect::{Effect, Transaction, Want};
use crate::host::overlay::{Cause, Fate};
use crate::host::{HostError, Key, Newer};
use crate::name::{PackageName, PackageVersion};
use crate::view::View;

/// One package, or several that are wanted alike.
///
/// ```toml
/// [[package]]
/// name = "postgresql-15"
/// version = "15.8-0+deb12u1"
/// hold = true
/// ```
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// Its name, as the package manager has it, with an optional `:arch`: "nginx", "libc6:i386".
    name: Option<PackageName>,
    /// Several names instead of one: `["git", "curl"]`.
    #[serde(default)]
    names: Vec<PackageName>,
    /// "installed" (the default) in any version, "absent", or "latest". Latest is in place when the
    /// package lists of the host know no newer version; they are as old as their last refresh.
    #[serde(default)]
    state: State,
    /// Exactly this version, in full as the package manager writes it: "1:2.39.5-0+deb12u2" for apt,
    /// "1:1.20.1-14.el9" for dnf. An older one is installed over a newer one, unless another installed
    /// package does not bear it: with apt a plan says so, with the others the apply fails.
    version: Option<PackageVersion>,
    /// Whether upgrades of the host leave it at the version that it has. Without this field a hold
    /// is neither set nor taken away. dnf needs its `versionlock` plugin for it; pacman has no
    /// command for it.
    hold: Option<bool>,
    /// Which package manager: "auto" (the default) is the host's own; "apt", "dnf", "yum", "zypper",
    /// "apk" and "pacman" say that it must be this one.
    #[serde(default)]
    manager: Manager,
    /// Refresh the package lists before anything is installed; false. They are refreshed by themselves
    /// when they are missing, older than what they are made from, or do not know a package. With
    /// `state = "latest"` they are refreshed in every run, so that the block is never "in place".
    #[serde(default)]
    update_cache: bool,
    /// The same as `state = "absent"`; false. What another installed package needs is not removed, and
    /// a plan says so: name both, or remove the other one in a block before this one. What nothing
    /// needs any more stays, but for apk, which takes it along.
    #[serde(default)]
    absent: bool,
}

#[derive(Deserialize, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum State {
    #[default]
    Installed,
    Absent,
    Latest,
}

#[derive(Deserialize, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Manager {
    #[default]
    Auto,
    Apt,
    Dnf,
    Yum,
    Zypper,
    Apk,
    Pacman,
    /// Comes with a later version.
    Brew,
}

impl Manager {
    /// The word of the host's manager; `None` for whichever that is.
    fn word(self) -> Option<&'static str> {
        match self {
            Self::Auto => None,
            Self::Apt => Some("apt"),
            Self::Dnf => Some("dnf"),
            Self::Yum => Some("yum"),
            Self::Zypper => Some("zypper"),
            Self::Apk => Some("apk"),
            Self::Pacman => Some("pacman"),
            Self::Brew => Some("brew"),
        }
    }
}

/// What a block holds that has a package installed.
pub(super) fn held(name: &PackageName, manager: Option<&str>) -> Holding {
    let holding = Holding::of([Key::Package(name.clone())]);
    let name = ("name", name.to_string().into());
    match manager {
        None => holding.absent_by("package", [name]),
        Some(word) => holding.absent_by("package", [name, ("manager", word.into())]),
    }
}

impl Kind for Package {
    const NAME: &'static str = "package";

    fn primary(&self) -> String {
        self.all()
            .map(PackageName::as_str)
            .collect::<Vec<_>>()
            .join(",")
    }

    fn check(&self, complain: &mut dyn FnMut(&'static str, String)) {
        match (&self.name, self.names.as_slice()) {
            (Some(_), [_, ..]) => {
                complain("names", "`name` and `names` are the same field".to_owned());
            }
            (None, []) => complain("", "[[package]] needs `name` or `names`".to_owned()),
            _ => {}
        }
        if self.version.is_some()
            && (self.names.len() > 1 || self.state != State::Installed || self.absent)
        {
            let what = "`version` goes with one package that is installed";
            complain("version", what.to_owned());
        }
        if self.manager == Manager::Brew {
            complain(
                "manager",
                "`brew` comes with a later version of hpt: it installs for one user, and not as root"
                    .to_owned(),
            );
        }
        if self.hold.is_some() && self.is_absent() {
            complain("hold", "an absent package is not held".to_owned());
        }
        if self.hold == Some(true) && self.state == State::Latest {
            complain("hold", "a package is either held or latest".to_owned());
        }
        if self.absent && self.state == State::Latest {
            complain("absent", "a package is either absent or latest".to_owned());
        }
    }

    fn reads(&self) -> Vec<Key> {
        let installed = self.all().cloned().map(Key::Package);
        let latest = self.all().filter(|_| self.state == State::Latest);
        installed.chain(latest.cloned().map(Key::Newer)).collect()
    }

    fn holdings(&self) -> Vec<Holding> {
        let names = self.all().filter(|_| !self.is_absent());
        names.map(|name| held(name, self.manager.word())).collect()
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, HostError> {
        if let Some(other) = self.other_manager(view) {
            return Ok(other);
        }
        if self.is_absent() {
            return self.removal(view);
        }
        let mut wanted = Wanted {
            version: self.version.as_ref(),
            hold: self.hold,
            refresh: self.update_cache,
            ..Wanted::default()
        };
        for name in self.all() {
            let known = match self.state {
                State::Latest => wanted.latest(name, view)?,
                _ => wanted.installed(name, view)?,
            };
            if let Err(cause) = known {
                return Ok(Decision::Maybe(cause));
            }
        }
        wanted.decide(view)
    }
}

impl Package {
    fn all(&self) -> impl Iterator<Item = &PackageName> {
        self.name.iter().chain(&self.names)
    }

    fn is_absent(&self) -> bool {
        self.absent || self.state == State::Absent
    }

    /// What becomes of the block on a host with another package manager. yum is dnf by now.
    fn other_manager(&self, view: &View<'_>) -> Option<Decision> {
        let wanted = self.manager.word()?;
        let now = view.facts().package_manager.as_str();
        let same = now.is_empty() || now == wanted || [now, wanted].iter().all(|w| RPM.contains(w));
        let why = || format!("packages of this host are managed by {now}, and not by {wanted}");
        (!same).then(|| Decision::Blocked(why()))
    }

    fn removal(&self, view: &View<'_>) -> Result<Decision, HostError> {
        let mut remove = Vec::new();
        for name in self.all() {
            if let Fate::Is(Some(now)) = view.package(name)? {
                // The others remove what is held.
                if now.held && view.facts().package_manager == "apt" {
                    return Ok(Decision::Blocked(format!(
                        "{name} is held, and apt removes nothing that is; let it go with `hold = false` in a [[package]] block before this one"
                    )));
                }
                remove.push(name.clone());
            }
        }
        if remove.is_empty() {
            return Ok(Decision::InPlace);
        }
        if let Some(blocked) = powerless(view) {
            return Ok(blocked);
        }
        let transaction = Transaction {
            remove,
            ..Transaction::default()
        };
        if let Some(why) = view.objection(&transaction)? {
            return Ok(Decision::Blocked(why));
        }
        let effects = vec![Effect::Packages(transaction)];
        Ok(Decision::Act(Action::new(
            Verb::Delete,
            "configuration files stay",
            effects,
        )))
    }
}

/// One manager under two names.
const RPM: [&str; 2] = ["dnf", "yum"];

/// What is to be done so that packages are there as they should be.
#[derive(Default)]
pub(super) struct Wanted<'a> {
    version: Option<&'a PackageVersion>,
    hold: Option<bool>,
    refresh: bool,
    transaction: Transaction,
    words: Vec<String>,
    updates: bool,
    /// Whether what is done cannot show afterwards that it needs no doing again.
    repeats: bool,
}

impl Wanted<'_> {
    /// A package must be there; `Err` if that cannot be judged yet.
    pub(super) fn installed(
        &mut self,
        name: &PackageName,
        view: &View<'_>,
    ) -> Result<Result<(), Cause>, HostError> {
        let now = match view.package(name)? {
            Fate::Is(now) => now,
            Fate::Unknown(cause) => return Ok(Err(cause)),
        };
        let wanted = self.version;
        let right = now.as_ref().is_some_and(|p| {
            p.configured && wanted.is_none_or(|wanted| p.version.as_ref() == Some(wanted))
        });
        if !right {
            self.updates |= now.is_some();
            let was = now.as_ref().and_then(|p| p.version.as_ref());
            self.words.push(match (was, wanted) {
                (Some(was), Some(wanted)) => format!("{name} {was} -> {wanted}"),
                (Some(_), None) => format!("{name}, which is not configured"),
                (None, Some(wanted)) => format!("{name} {wanted}"),
                (None, None) => name.to_string(),
            });
            self.transaction.install.push(Want {
                name: name.clone(),
                version: wanted.cloned(),
            });
        }
        self.held(name, now.as_ref());
        Ok(Ok(()))
    }

    /// A package must be there in the newest version that the lists know.
    fn latest(
        &mut self,
        name: &PackageName,
        view: &View<'_>,
    ) -> Result<Result<(), Cause>, HostError> {
        let now = match view.package(name)? {
            Fate::Is(Some(now)) if now.configured => now,
            _ => return self.installed(name, view),
        };
        let newer = match view.newer(name)? {
            Fate::Unknown(cause) => return Ok(Err(cause)),
            Fate::Is(_) if self.refresh => Newer::Unknown,
            Fate::Is(newer) => newer,
        };
        let words = match newer {
            Newer::None => None,
            Newer::Is(version) => Some(match &now.version {
                Some(was) => format!("{name} {was} -> {version}"),
                None => format!("{name} -> {version}"),
            }),
            Newer::Unknown => {
                self.repeats = true;
                Some(format!(
                    "{name} to the newest version in the refreshed package lists"
                ))
            }
        };
        if let Some(words) = words {
            self.words.push(words);
            self.transaction.upgrade.push(name.clone());
            self.updates = true;
        }
        self.held(name, Some(&now));
        Ok(Ok(()))
    }

    fn held(&mut self, name: &PackageName, now: Option<&crate::host::Package>) {
        let is_held = now.is_some_and(|package| package.held);
        let moves = self
            .transaction
            .install
            .iter()
            .any(|want| want.name == *name);
        match self.hold {
            Some(true) if !is_held => {
                self.updates |= now.is_some();
                self.words.push(format!("hold {name}"));
                self.transaction.hold.push(name.clone());
            }
            // It is let go for its change, and then held again.
            Some(true) if moves => self.transaction.hold.push(name.clone()),
            Some(false) if is_held => {
                self.updates = true;
                self.words.push(format!("no hold on {name}"));
                self.transaction.unhold.push(name.clone());
            }
            _ => {}
        }
    }

    pub(super) fn decide(self, view: &View<'_>) -> Result<Decision, HostError> {
        if self.words.is_empty() {
            return Ok(Decision::InPlace);
        }
        if let Some(blocked) = powerless(view) {
            return Ok(blocked);
        }
        // Another version is what others may not bear.
        if self.version.is_some()
            && self.updates
            && let Some(why) = view.objection(&self.transaction)?
        {
            return Ok(Decision::Blocked(why));
        }
        let verb = match (self.repeats, self.updates) {
            (true, _) => Verb::Run,
            (false, true) => Verb::Update,
            (false, false) => Verb::Create,
        };
        let transaction = Transaction {
            refresh: self.refresh,
            ..self.transaction
        };
        let action = Action::new(
            verb,
            self.words.join(", "),
            vec![Effect::Packages(transaction)],
        );
        Ok(Decision::Act(Action {
            repeats: self.repeats,
            ..action
        }))
    }
}

fn powerless(view: &View<'_>) -> Option<Decision> {
    let why = "packages are installed by root on a running host with a package manager; this is a directory, or hpt is not root";
    (!view.powers().packages).then(|| Decision::Blocked(why.to_owned()))
}

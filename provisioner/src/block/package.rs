//! `[[package]]`: a package of the host's own package manager.

use serde::Deserialize;

use crate::block::{Action, Decision, Kind, Verb};
use crate::effect::{Effect, Transaction, Want};
use crate::host::overlay::{Cause, Fate};
use crate::host::{HostError, Key};
use crate::name::{PackageName, PackageVersion};
use crate::view::View;

/// One package, or several that are wanted alike.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// Its name, as the package manager has it, with an optional `:arch`.
    name: Option<PackageName>,
    /// Several names instead of one.
    #[serde(default)]
    names: Vec<PackageName>,
    /// "installed", "absent" or "latest".
    #[serde(default)]
    state: State,
    /// Exactly this version.
    version: Option<PackageVersion>,
    /// Which package manager: "auto", the host's own, or "apt"; others come later.
    #[serde(default)]
    manager: Manager,
    /// Refresh the package lists before anything is installed. They are refreshed by themselves
    /// when they are missing or do not know a package.
    #[serde(default)]
    update_cache: bool,
    /// The same as `state = "absent"`.
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
    Brew,
}

impl Kind for Package {
    const NAME: &'static str = "package";
    const LATER: &'static [&'static str] = &["hold"];

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
        if !matches!(self.manager, Manager::Auto | Manager::Apt) {
            let what = "this version drives apt alone; other managers come with a later one";
            complain("manager", what.to_owned());
        }
        if self.absent && self.state == State::Latest {
            complain("absent", "a package is either absent or latest".to_owned());
        }
    }

    fn reads(&self) -> Vec<Key> {
        self.all().cloned().map(Key::Package).collect()
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, HostError> {
        match self.state {
            State::Absent => self.removal(view),
            _ if self.absent => self.removal(view),
            State::Installed => missing(self.all(), self.version.as_ref(), self.update_cache, view),
            State::Latest => Ok(self.latest(view)),
        }
    }
}

impl Package {
    fn all(&self) -> impl Iterator<Item = &PackageName> {
        self.name.iter().chain(&self.names)
    }

    fn removal(&self, view: &View<'_>) -> Result<Decision, HostError> {
        let mut remove = Vec::new();
        for name in self.all() {
            if let Fate::Is(Some(_)) = view.package(name)? {
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
        let effects = vec![Effect::Packages(transaction)];
        Ok(Decision::Act(Action::new(
            Verb::Delete,
            "configuration files stay",
            effects,
        )))
    }

    /// What the newest version is, only the package lists tell, and they are as old as their last
    /// refresh: it is asked for when applied.
    fn latest(&self, view: &View<'_>) -> Decision {
        if let Some(blocked) = powerless(view) {
            return blocked;
        }
        let install = self
            .all()
            .map(|name| Want {
                name: name.clone(),
                version: None,
            })
            .collect();
        let transaction = Transaction {
            install,
            refresh: true,
            ..Transaction::default()
        };
        let effects = vec![Effect::Packages(transaction)];
        let words = "to the newest version in the refreshed package lists";
        let action = Action::new(Verb::Run, words, effects);
        Decision::Act(Action {
            repeats: true,
            ..action
        })
    }
}

/// The installation of those packages that are not there as they should be.
pub(super) fn missing<'a>(
    names: impl Iterator<Item = &'a PackageName>,
    version: Option<&PackageVersion>,
    refresh: bool,
    view: &View<'_>,
) -> Result<Decision, HostError> {
    let mut install = Vec::new();
    let mut words = Vec::new();
    let mut updates = false;
    for name in names {
        let now = match view.package(name)? {
            Fate::Is(now) => now,
            Fate::Unknown(Cause(why)) => return Ok(Decision::Maybe(Cause(why))),
        };
        let right = now
            .as_ref()
            .is_some_and(|p| p.configured && version.is_none_or(|v| p.version.as_ref() == Some(v)));
        if right {
            continue;
        }
        let was = now.as_ref().and_then(|p| p.version.as_ref());
        words.push(match (was, version) {
            (Some(was), Some(wanted)) => format!("{name} {was} -> {wanted}"),
            (Some(_), None) => format!("{name}, which is not configured"),
            (None, Some(wanted)) => format!("{name} {wanted}"),
            (None, None) => name.to_string(),
        });
        updates |= now.is_some();
        install.push(Want {
            name: name.clone(),
            version: version.cloned(),
        });
    }
    if install.is_empty() {
        return Ok(Decision::InPlace);
    }
    if let Some(blocked) = powerless(view) {
        return Ok(blocked);
    }
    let verb = if updates { Verb::Update } else { Verb::Create };
    let transaction = Transaction {
        install,
        refresh,
        ..Transaction::default()
    };
    let effects = vec![Effect::Packages(transaction)];
    Ok(Decision::Act(Action::new(verb, words.join(", "), effects)))
}

fn powerless(view: &View<'_>) -> Option<Decision> {
    let why = "packages are installed by root on a running Debian host; this is a directory, or hpt is not root";
    (!view.powers().packages).then(|| Decision::Blocked(why.to_owned()))
}

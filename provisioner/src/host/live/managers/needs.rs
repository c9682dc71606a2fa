//! What dpkg's installed packages need of each other: whether a change of some may break others.

use std::collections::{HashMap, HashSet};

use super::{dpkg, wanted};
use crate::effect::Transaction;
use crate::name::PackageName;

/// The dependencies among what is installed, without their versions.
#[derive(Debug, Default)]
pub(in super::super) struct Needs {
    installed: Vec<Installed>,
    /// Who is called so or provides it, by their place in `installed`.
    providers: HashMap<String, Vec<usize>>,
}

#[derive(Debug)]
struct Installed {
    /// Without its architecture: what of another one goes or stays is apt's to say.
    name: String,
    version: String,
    /// apt lets it go only if it is told so.
    essential: bool,
    provides: Vec<String>,
    /// Of each group, one is needed.
    groups: Vec<Vec<Alternative>>,
}

#[derive(Debug)]
struct Alternative {
    name: String,
    versioned: bool,
}

impl Needs {
    /// Parses the status file; what has left nothing but its configuration needs nothing.
    pub(in super::super) fn parse(status: &str) -> Self {
        let mut needs = Self::default();
        for stanza in status.split("\n\n") {
            let Some(package) = parse_stanza(stanza) else {
                continue;
            };
            let at = needs.installed.len();
            for name in package.provides.iter().chain([&package.name]) {
                needs.providers.entry(name.clone()).or_default().push(at);
            }
            needs.installed.push(package);
        }
        needs
    }

    /// Whether a transaction may take from a package what it needs. `false` is sure; where it is
    /// `true` only apt knows: versions are not compared, and what is yet to come may need anything.
    pub(super) fn may_break(&self, transaction: &Transaction) -> bool {
        let gone: HashSet<&str> = transaction.remove.iter().map(bare).collect();
        let wants: Vec<_> = wanted(transaction).collect();
        let moved: HashSet<&str> = wants
            .iter()
            .filter_map(|want| Some((bare(&want.name), want.version.as_ref()?.as_str())))
            .filter(|(name, version)| self.has_another(name, version))
            .map(|(name, _)| name)
            .collect();
        let brings = wants.iter().any(|want| !self.has(bare(&want.name)));
        if brings && !(gone.is_empty() && moved.is_empty()) {
            return true;
        }
        let leaving = || self.installed.iter().filter(|p| gone.contains(&*p.name));
        let lost: HashSet<&str> = leaving()
            .flat_map(|p| p.provides.iter().chain([&p.name]))
            .map(String::as_str)
            .collect();
        let stays = |name: &str| {
            let providers = self.providers.get(name).into_iter().flatten();
            providers
                .map(|at| &self.installed[*at])
                .any(|p| !gone.contains(&*p.name))
        };
        let shaken = |group: &Vec<Alternative>| {
            group.iter().any(|one| {
                lost.contains(&*one.name) || (one.versioned && moved.contains(&*one.name))
            }) && !group.iter().any(|one| !one.versioned && stays(&one.name))
        };
        let mut staying = self.installed.iter();
        leaving().any(|p| p.essential)
            || staying.any(|p| !gone.contains(&*p.name) && p.groups.iter().any(shaken))
    }

    /// Whether a package is there.
    fn has(&self, name: &str) -> bool {
        self.installed.iter().any(|p| p.name == name)
    }

    /// Whether a package is there, and in another version.
    fn has_another(&self, name: &str, version: &str) -> bool {
        let mut of_that_name = self.installed.iter().filter(|p| p.name == name);
        of_that_name.any(|p| p.version != version)
    }
}

fn bare(name: &PackageName) -> &str {
    without_arch(name.as_str())
}

fn without_arch(name: &str) -> &str {
    name.split(':').next().unwrap_or_default()
}

fn parse_stanza(stanza: &str) -> Option<Installed> {
    let field = |title: &str| stanza.lines().find_map(|line| line.strip_prefix(title));
    if !dpkg::is_there(field("Status: ")?) {
        return None;
    }
    let mut groups = Vec::new();
    for needs in [field("Depends: "), field("Pre-Depends: ")] {
        let needs = needs.into_iter().flat_map(|needs| needs.split(','));
        groups.extend(needs.map(|group| group.split('|').map(alternative).collect()));
    }
    let provides = field("Provides: ").unwrap_or_default().split(',');
    let is = |title| field(title) == Some("yes");
    Some(Installed {
        name: field("Package: ")?.to_owned(),
        version: field("Version: ").unwrap_or_default().to_owned(),
        essential: is("Essential: ") || is("Protected: "),
        provides: provides.map(|one| alternative(one).name).collect(),
        groups,
    })
}

/// Reads `name`, `name:any`, `name (>= 1.0)`.
fn alternative(text: &str) -> Alternative {
    let name = text.split_whitespace().next().unwrap_or_default();
    Alternative {
        name: without_arch(name.split('(').next().unwrap_or_default()).to_owned(),
        versioned: text.contains('('),
    }
}

#[cfg(test)]
mod tests {
    use super::super::apt::tests::transaction;
    use super::*;

    const STATUS: &str = "\
Package: app\nStatus: install ok installed\nVersion: 1.1\nArchitecture: all\n\n\
Package: dep\nStatus: install ok installed\nVersion: 1\nDepends: app (>= 1.1), libc6:any\n\n\
Package: libc6\nStatus: install ok installed\nVersion: 2\nArchitecture: amd64\n\n\
Package: postfix\nStatus: install ok installed\nVersion: 3\nProvides: mta (= 1), mail-agent\nPre-Depends: libc6\n\n\
Package: exim4\nStatus: install ok installed\nVersion: 4\nProvides: mail-agent\n\n\
Package: mailx\nStatus: install ok installed\nVersion: 5\nDepends: exim4 | mail-agent\n\n\
Package: cron\nStatus: install ok installed\nVersion: 5\nDepends: mta (>= 1) | dma\n\n\
Package: gone\nStatus: deinstall ok config-files\nVersion: 1\nDepends: mailx, exim4\n\n\
Package: base\nStatus: install ok installed\nVersion: 1\nEssential: yes\n";

    #[test]
    fn what_others_need_is_found() {
        let needs = Needs::parse(STATUS);
        let table: [(&[&str], bool); 10] = [
            (&["app"], true),
            (&["app:all"], true),
            (&["dep"], false),
            (&["app", "dep"], false),
            // An alternative is left, or another who provides it; then none.
            (&["exim4"], false),
            (&["postfix", "exim4"], true),
            (&["postfix", "exim4", "mailx", "cron"], false),
            // Whether another version will do is not compared.
            (&["postfix"], true),
            // What is left of `gone` needs nothing.
            (&["mailx"], false),
            (&["base"], true),
        ];
        for (remove, expected) in table {
            let broken = needs.may_break(&transaction(&[], remove));
            assert_eq!(broken, expected, "{remove:?}");
        }
    }

    #[test]
    fn another_version_may_not_do() {
        let needs = Needs::parse(STATUS);
        let table = [
            (("app", Some("1.0")), true),
            (("app", Some("1.1")), false),
            (("app", None), false),
            // Nobody asks for a version of it, or nobody has it.
            (("libc6", Some("1")), false),
            (("new", Some("1")), false),
        ];
        for (want, expected) in table {
            let broken = needs.may_break(&transaction(&[want], &[]));
            assert_eq!(broken, expected, "{want:?}");
        }
        assert!(!needs.may_break(&transaction(&[("app", Some("1.0"))], &["dep"])));
        // What comes may need what goes.
        assert!(needs.may_break(&transaction(&[("new", None)], &["dep"])));
        assert!(!needs.may_break(&transaction(&[("new", None), ("base", None)], &[])));
    }
}

//! `[[package_repo]]`: where packages come from, and whose signature they bear.

mod openpgp;

use std::collections::HashSet;

use serde::Deserialize;

use self::openpgp::{Fingerprint, Inline, PublicKeys};
use crate::block::own_file::{self, OwnFile, Placed};
use crate::block::{Action, Decision, Holding, Kind, Verb};
use crate::effect::Effect;
use crate::host::{HostError, Key};
use crate::name::{AbsPath, Component, RepoName, RepoUri, Suite};
use crate::source::{Need, Source};
use crate::view::View;

/// A package repository of apt or dnf. It is never trusted without its key. When it has changed, the
/// package lists are refreshed before a later block installs anything.
///
/// ```toml
/// [[package_repo]]
/// name = "docker"
/// uris = ["https://download.docker.com/linux/debian"]
/// suites = ["bookworm"]
/// components = ["stable"]
/// source = "keys/docker.asc"
/// fingerprint = "9DC8 5822 9FC7 DD38 854A E2D8 8D81 803C 0EBF CD88"
/// ```
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageRepo {
    /// Its name, and that of its files, such as "docker":
    /// `/etc/apt/sources.list.d/docker.sources`, `/etc/yum.repos.d/docker.repo`.
    name: RepoName,
    /// Its addresses, https, http or file: `["https://download.docker.com/linux/debian"]`. apt knows
    /// `$(ARCH)` in them, dnf `$releasever` and `$basearch`.
    #[serde(default)]
    uris: Vec<RepoUri>,
    /// apt: its suites, such as `["bookworm"]`; or exact paths that end in `/`, without components.
    #[serde(default)]
    suites: Vec<Suite>,
    /// apt: the components of each suite, such as `["main", "contrib"]`.
    #[serde(default)]
    components: Vec<Component>,
    /// The public key that signs it, as armoured text: "-----BEGIN PGP PUBLIC KEY BLOCK-----" and so on.
    key: Option<Inline>,
    /// Where the public key comes from instead: a path beside the config, an https URL or
    /// `BUCKET://path`. It goes with `fingerprint`.
    source: Option<Source>,
    /// SHA-256 of the source, 64 hexadecimal digits. An https source needs it.
    sha256: Option<String>,
    /// The fingerprint of the key, 40 or 64 hexadecimal digits, with or without spaces. No other
    /// primary key may be in it.
    fingerprint: Option<Fingerprint>,
    /// Which repository wins. apt: 1 to 1001, 500 unless said, and more wins; it is a pin on the hosts
    /// of `uris`. dnf: 1 to 99, 99 unless said, and less wins.
    priority: Option<u16>,
    /// It must not be there, nor its key; false.
    #[serde(default)]
    absent: bool,
}

/// A file that the repository consists of; `None` for one that must not be there.
type Wanted = (AbsPath, Option<Vec<u8>>);

impl Kind for PackageRepo {
    const NAME: &'static str = "package_repo";

    fn primary(&self) -> String {
        self.name.to_string()
    }

    fn check(&self, complain: &mut dyn FnMut(&'static str, String)) {
        if let Some(hash) = &self.sha256
            && (hash.len() != 64 || !hash.bytes().all(|c| c.is_ascii_hexdigit()))
        {
            complain("sha256", "a SHA-256 is 64 hexadecimal digits".to_owned());
        }
        if self.sha256.is_some() && self.source.is_none() {
            complain("sha256", "`sha256` goes with `source`".to_owned());
        }
        if self.priority.is_some_and(|n| !(1..=1001).contains(&n)) {
            complain("priority", "a priority is 1 to 1001".to_owned());
        }
        if self.absent {
            return;
        }
        if self.uris.is_empty() {
            complain("uris", "[[package_repo]] needs `uris`".to_owned());
        }
        let exact = |suite: &&Suite| suite.as_str().ends_with('/');
        if self.suites.iter().any(|suite| exact(&suite)) && !self.components.is_empty() {
            complain(
                "components",
                "a suite that ends in `/` has no components".to_owned(),
            );
        }
        if self.suites.iter().any(|suite| !exact(&suite)) && self.components.is_empty() {
            complain(
                "suites",
                "suites need `components`, such as [\"main\"]".to_owned(),
            );
        }
        if self.suites.is_empty() && !self.components.is_empty() {
            complain("components", "`components` goes with `suites`".to_owned());
        }
        match (&self.key, &self.source) {
            (Some(_), Some(_)) => {
                complain(
                    "source",
                    "a key is given by `key` or by `source`, not both".to_owned(),
                );
            }
            (None, None) => complain(
                "",
                "a repository needs `key`, which its packages are signed with, or `source` with `fingerprint`"
                    .to_owned(),
            ),
            (None, Some(_)) if self.fingerprint.is_none() => complain(
                "source",
                "a key from elsewhere needs its `fingerprint`: it says whose it is".to_owned(),
            ),
            (Some(Inline(Err(bad))), None) => complain("key", bad.to_string()),
            (Some(Inline(Ok(keys))), None) => {
                if let Err(why) = self.vouched(keys) {
                    complain("fingerprint", why);
                }
            }
            _ => {}
        }
    }

    fn reads(&self) -> Vec<Key> {
        self.lists().iter().flat_map(own_file::reads).collect()
    }

    fn needs(&self) -> Vec<Need> {
        let need = |source: &Source| Need {
            source: source.clone(),
            sha256: self.sha256.clone(),
            secret: false,
            read: true,
            tree: false,
        };
        self.source
            .iter()
            .filter(|_| !self.absent)
            .map(need)
            .collect()
    }

    fn sources(&mut self) -> Vec<&mut Source> {
        self.source.iter_mut().collect()
    }

    fn holdings(&self) -> Vec<Holding> {
        if self.absent {
            return Vec::new();
        }
        let name = ("name", self.name.to_string().into());
        vec![Holding::of(self.lists().map(Key::Path)).absent_by("package_repo", [name])]
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, HostError> {
        let files = match view.facts().package_manager.as_str() {
            "apt" => self.for_apt(view)?,
            "dnf" | "yum" => self.for_dnf(view)?,
            "" => Err(
                "package repositories are set up for apt and dnf; this host has neither".to_owned(),
            ),
            other => Err(format!(
                "package repositories are set up for apt and dnf; this host has {other}"
            )),
        };
        match files {
            Ok(files) => self.judge(&files, view),
            Err(why) => Ok(Decision::Blocked(why)),
        }
    }
}

impl PackageRepo {
    /// Where apt and dnf look for it.
    fn lists(&self) -> [AbsPath; 2] {
        let name = &self.name;
        [
            path(&format!("/etc/apt/sources.list.d/{name}.sources")),
            path(&format!("/etc/yum.repos.d/{name}.repo")),
        ]
    }

    /// Brings each file about, in order.
    fn judge(&self, files: &[Wanted], view: &View<'_>) -> Result<Decision, HostError> {
        let mut effects: Vec<Effect> = Vec::new();
        let mut made = HashSet::new();
        let mut verb = Verb::Create;
        for (path, bytes) in files {
            let file = OwnFile {
                bytes: bytes.clone(),
                ..OwnFile::public(path, Vec::new())
            };
            let judged = match file.place(view)? {
                Placed::InPlace => Vec::new(),
                Placed::Act(_, effects) => effects,
                Placed::Stop(decision) => return Ok(decision),
            };
            if view.path(path)? != crate::host::overlay::Fate::Is(None) {
                verb = Verb::Update;
            }
            // Two files may lie in one directory that is missing.
            effects.extend(judged.into_iter().filter(|effect| match effect {
                Effect::MakeDir { path, .. } => made.insert(path.clone()),
                _ => true,
            }));
        }
        if effects.is_empty() {
            return Ok(Decision::InPlace);
        }
        let summary = if self.absent {
            verb = Verb::Delete;
            "with its key".to_owned()
        } else {
            let uris: Vec<&str> = self.uris.iter().map(RepoUri::as_str).collect();
            uris.join(" ")
        };
        Ok(Decision::Act(Action::new(verb, summary, effects)))
    }

    /// The key, from wherever it is; `Err` in a whole sentence if it is not the one that was meant.
    fn keys(&self, view: &View<'_>) -> Result<Result<PublicKeys, String>, HostError> {
        let Some(source) = &self.source else {
            let inline = self.key.as_ref().and_then(|key| key.0.as_ref().ok());
            return Ok(inline.cloned().ok_or_else(|| "it has no key".to_owned()));
        };
        let missing = || HostError::MissingBlob(source.to_string());
        let blob = view.source(source).ok_or_else(missing)?;
        let bytes = view.blob(&blob.hash)?.ok_or_else(missing)?;
        let keys = PublicKeys::parse(&bytes).map_err(|bad| format!("the key {source}: {bad}"));
        Ok(keys.and_then(|keys| self.vouched(&keys).map(|()| keys)))
    }

    /// Whether each key is the one whose fingerprint was given.
    fn vouched(&self, keys: &PublicKeys) -> Result<(), String> {
        let Some(wanted) = &self.fingerprint else {
            return Ok(());
        };
        match keys.fingerprints.iter().find(|print| *print != wanted) {
            Some(other) => Err(format!(
                "the key's fingerprint is {other}, and not {wanted}"
            )),
            None => Ok(()),
        }
    }

    fn for_apt(&self, view: &View<'_>) -> Result<Result<Vec<Wanted>, String>, HostError> {
        let name = &self.name;
        let list = path(&format!("/etc/apt/sources.list.d/{name}.sources"));
        let pin = path(&format!("/etc/apt/preferences.d/hpt-{name}.pref"));
        let [armoured, binary] =
            ["asc", "gpg"].map(|end| path(&format!("/etc/apt/keyrings/{name}.{end}")));
        if self.absent {
            return Ok(Ok(vec![
                (list, None),
                (pin, None),
                (armoured, None),
                (binary, None),
            ]));
        }
        if self.suites.is_empty() {
            return Ok(Err("apt needs the `suites` of a repository".to_owned()));
        }
        let keys = match self.keys(view)? {
            Ok(keys) => keys,
            Err(why) => return Ok(Err(why)),
        };
        let (key, other) = if keys.armoured {
            (armoured, binary)
        } else {
            (binary, armoured)
        };
        let mut text = format!(
            "{NOTE}Types: deb\nURIs: {}\n",
            words(&self.uris, RepoUri::as_str)
        );
        text += &format!("Suites: {}\n", words(&self.suites, Suite::as_str));
        if !self.components.is_empty() {
            text += &format!(
                "Components: {}\n",
                words(&self.components, Component::as_str)
            );
        }
        text += &format!("Signed-By: {key}\n");
        let pins = self
            .priority
            .map(|priority| self.pins(priority).into_bytes());
        // The key comes first: there is no moment in which apt could not check the rest.
        Ok(Ok(vec![
            (key, Some(keys.bytes)),
            (pin, pins),
            (list, Some(text.into_bytes())),
            (other, None),
        ]))
    }

    /// apt's preferences for all that comes from the hosts of this repository.
    fn pins(&self, priority: u16) -> String {
        let mut hosts: Vec<&str> = self.uris.iter().map(host).collect();
        hosts.sort_unstable();
        hosts.dedup();
        let pin =
            |host: &&str| format!("Package: *\nPin: origin \"{host}\"\nPin-Priority: {priority}\n");
        let pins: Vec<String> = hosts.iter().map(pin).collect();
        format!("{NOTE}{}", pins.join("\n"))
    }

    fn for_dnf(&self, view: &View<'_>) -> Result<Result<Vec<Wanted>, String>, HostError> {
        let name = &self.name;
        let list = path(&format!("/etc/yum.repos.d/{name}.repo"));
        let key = path(&format!("/etc/pki/rpm-gpg/RPM-GPG-KEY-hpt-{name}"));
        if self.absent {
            return Ok(Ok(vec![(list, None), (key, None)]));
        }
        if !self.suites.is_empty() {
            return Ok(Err(
                "`suites` and `components` are apt's; this host has dnf".to_owned(),
            ));
        }
        if self.priority.is_some_and(|priority| priority > 99) {
            return Ok(Err("a priority of dnf is 1 to 99".to_owned()));
        }
        let keys = match self.keys(view)? {
            Ok(keys) if keys.armoured => keys,
            Ok(_) => return Ok(Err("dnf needs the key as armoured text".to_owned())),
            Err(why) => return Ok(Err(why)),
        };
        let uris = words(&self.uris, RepoUri::as_str);
        let mut text = format!(
            "{NOTE}[{name}]\nname={name}\nbaseurl={uris}\nenabled=1\ngpgcheck=1\ngpgkey=file://{key}\n"
        );
        if let Some(priority) = self.priority {
            text += &format!("priority={priority}\n");
        }
        Ok(Ok(vec![
            (key, Some(keys.bytes)),
            (list, Some(text.into_bytes())),
        ]))
    }
}

/// The first line of each file.
const NOTE: &str = "# Written by hpt; what is changed here is changed back.\n";

fn words<T>(all: &[T], text: fn(&T) -> &str) -> String {
    all.iter().map(text).collect::<Vec<_>>().join(" ")
}

/// The host in an address, as apt's pins have it: without a port, and empty for a file.
fn host(uri: &RepoUri) -> &str {
    let rest = uri.as_str().split_once("://").map_or("", |(_, rest)| rest);
    let host = rest.split('/').next().unwrap_or_default();
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|c| c.is_ascii_digit()) => name,
        _ => host,
    }
}

/// A path made of literals and a repository's name.
fn path(text: &str) -> AbsPath {
    AbsPath::parse(text).expect("a repository's name is plain")
}

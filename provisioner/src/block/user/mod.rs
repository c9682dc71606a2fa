//! `[[user]]`: a user of the host, with home, keys and sudo.

mod account;
mod home;
mod primary_group;
pub(super) mod ssh_keys;

use serde::Deserialize;

use self::primary_group::PrimaryGroup;
use self::ssh_keys::PublicKey;
use crate::block::sudo::{self, Sudo};
use crate::block::sudoers::parse_rule;
use crate::block::{Action, Decision, Holding, Kind, Verb};
use crate::effect::{Effect, Expiry, UserEdit};
use crate::host::overlay::Fate;
use crate::host::{HostError, Key, User as Seen};
use crate::name::{AbsPath, Day, GroupName, UserName};
use crate::secret::Secret;
use crate::source::{Need, Source};
use crate::view::View;

/// A user of the host: the account, its groups and home directory, its SSH keys, its right to sudo.
///
/// ```toml
/// [[user]]
/// name = "ana"
/// home = "/home/ana"
/// shell = "/bin/bash"
/// groups = ["sudo"]
/// authorized_keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGpv9vQkL0Vw0ZLw1bXk4iTfP3J6sPpR3t8mSxYyYyYy ana"]
/// ```
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "fields of the language, each said or not"
)]
pub struct User {
    /// The login name: 1 to 32 of a-z, 0-9, `_` and `-`, such as `"ana"`.
    name: UserName,
    /// Its number, such as 1099; the system picks one.
    uid: Option<u32>,
    /// The primary group, by name or number, such as `"web"`; a group of the user's own name.
    group: Option<PrimaryGroup>,
    /// The home directory, such as `"/home/ana"`. Without it the system's default is noted, and none is
    /// made.
    home: Option<AbsPath>,
    /// Whether the home directory is made; yes if `home` is given.
    create_home: Option<bool>,
    /// The login shell, such as `"/bin/bash"`; `/bin/sh` for a new user.
    shell: Option<AbsPath>,
    /// Supplementary groups, such as `["sudo"]`; none. The user is added to them and stays in others.
    #[serde(default)]
    groups: Vec<GroupName>,
    /// The user is in no other supplementary group than `groups`; false. The last who can become root by
    /// sudo stays so, unless `[settings]` says `allow_no_sudoer = true`.
    #[serde(default)]
    groups_exclusive: bool,
    /// Whether the number is taken from the range of system users; false. A user who is there keeps it.
    #[serde(default)]
    system: bool,
    /// The full name, as `getent passwd` shows it, such as `"Ana Lima"`.
    comment: Option<String>,
    /// The hash of the password, as `mkpasswd` prints it, such as `"{{ secret.ana }}"`; it is never
    /// shown.
    password_hash: Option<Secret>,
    /// Whether the password is locked; left alone if it is not said. Only an account with a password
    /// can be unlocked.
    locked: Option<bool>,
    /// The user's public key, as text or as a source: written to `~/.ssh/id_rsa.pub`, and added to
    /// `~/.ssh/authorized_keys` once.
    ssh_public_key: Option<PublicKey>,
    /// A source of the user's private key, such as `"keys/ana"`: written to `~/.ssh/id_rsa` with mode
    /// 0600, shown nowhere.
    ssh_private_key: Option<Source>,
    /// Public keys, as text, that may log in as this user, such as `["ssh-ed25519 AAAAC3Nza... ana"]`;
    /// none.
    #[serde(default)]
    authorized_keys: Vec<String>,
    /// No other keys than those of this block may log in; false.
    #[serde(default)]
    authorized_exclusive: bool,
    /// The day from which on nobody can log in as this user, such as "2026-12-31"; "never" for no such
    /// day. Without it what is there is left alone.
    #[serde(default, deserialize_with = "expiry")]
    expires: Option<Expiry>,
    /// "nopasswd" for sudo without a password, or a rule such as "ALL=(root) /usr/bin/apt". It lies
    /// in `/etc/sudoers.d/hpt-user-NAME`, which is removed when the user has no `sudo`.
    sudo: Option<String>,
    /// It must not be there; false.
    #[serde(default)]
    absent: bool,
    /// With `absent`, the home directory goes too; false.
    #[serde(default)]
    remove_home: bool,
}

fn expiry<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Option<Expiry>, D::Error> {
    crate::name::deserialize(d, |text| match text {
        "never" => Ok(Some(Expiry::Never)),
        text => Day::parse(text).map(Expiry::On).map(Some),
    })
}

impl Kind for User {
    const NAME: &'static str = "user";

    fn primary(&self) -> String {
        self.name.to_string()
    }

    fn check(&self, complain: &mut dyn FnMut(&'static str, String)) {
        if self
            .authorized_keys
            .iter()
            .any(|key| !ssh_keys::is_key(key))
        {
            let what = "a public key is one line such as \"ssh-ed25519 AAAA... ana\"";
            complain("authorized_keys", what.to_owned());
        }
        if let Some(rule) = &self.sudo
            && let Err(why) = parse_rule(rule)
        {
            complain("sudo", why.to_string());
        }
        if let Some(comment) = &self.comment
            && (comment.contains(':') || comment.chars().any(char::is_control))
        {
            complain(
                "comment",
                "a comment holds no `:` and no line breaks".to_owned(),
            );
        }
        if let Some(hash) = &self.password_hash {
            let good = |c: u8| c.is_ascii_graphic() && c != b':';
            if !hash.expose().bytes().all(good) || !hash.expose().starts_with('$') {
                complain(
                    "password_hash",
                    "this is no hash of a password; `mkpasswd` makes one".to_owned(),
                );
            }
        }
        if self.remove_home && !self.absent {
            complain(
                "remove_home",
                "`remove_home` goes with `absent = true`".to_owned(),
            );
        }
        if self.absent && self.name.as_str() == "root" {
            complain("absent", "root is never removed".to_owned());
        }
    }

    fn reads(&self) -> Vec<Key> {
        let mut keys = vec![Key::User(self.name.clone()), Key::Group(self.own_group())];
        keys.extend(self.group.iter().map(PrimaryGroup::key));
        keys.extend(self.groups.iter().cloned().map(Key::Group));
        keys.extend(sudo::reads(&self.sudoers()));
        keys
    }

    fn needs(&self) -> Vec<Need> {
        ssh_keys::needs(self.ssh_public_key.as_ref(), self.ssh_private_key.as_ref())
    }

    fn sources(&mut self) -> Vec<&mut Source> {
        let public = self.ssh_public_key.iter_mut().filter_map(PublicKey::source);
        public.chain(&mut self.ssh_private_key).collect()
    }

    fn secrets(&self) -> Vec<&Secret> {
        self.password_hash.iter().collect()
    }

    fn holdings(&self) -> Vec<Holding> {
        if self.absent {
            return Vec::new();
        }
        let name = ("name", self.name.to_string().into());
        // A group of its name goes with a user.
        let group = Key::Group(self.own_group());
        let holding = Holding::of([Key::User(self.name.clone()), group]);
        vec![holding.absent_by("user", [name])]
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, HostError> {
        let user = match view.user(&self.name)? {
            Fate::Is(user) => user,
            Fate::Unknown(cause) => return Ok(Decision::Maybe(cause)),
        };
        if self.absent {
            return self.removal(user.as_ref(), view);
        }
        let primary = match self
            .group
            .as_ref()
            .map(|group| group.find(view))
            .transpose()?
        {
            None => None,
            Some(Ok(group)) => Some(group),
            Some(Err(decision)) => return Ok(decision),
        };
        if self.is_without_password(user.as_ref()) {
            return Ok(Decision::Blocked(format!(
                "{} has no password that could be unlocked; give it a `password_hash`, or leave `locked` out",
                self.name
            )));
        }
        let primary = primary.as_ref();
        for group in &self.groups {
            if let Some(other) = Decision::without_accounts(None, Some(group), view)? {
                return Ok(other);
            }
        }
        let (verb, mut effects, mut words) = match &user {
            None => (
                Verb::Create,
                vec![Effect::User(self.creation(primary, view)?)],
                self.creation_words(),
            ),
            Some(user) => {
                let (shape, words) = self.difference(user, primary, view)?;
                let edit = UserEdit::Modify {
                    name: self.name.clone(),
                    to: shape,
                };
                let effects = if words.is_empty() {
                    Vec::new()
                } else {
                    vec![Effect::User(edit)]
                };
                (Verb::Update, effects, words)
            }
        };
        if let Some(other) =
            self.home_and_keys(user.as_ref(), primary, view, &mut effects, &mut words)?
        {
            return Ok(other);
        }
        match sudo::decide(&self.sudoers(), &self.rules(), view)? {
            Sudo::InPlace => {}
            Sudo::Stop(decision) => return Ok(decision),
            Sudo::Act(effect) => {
                let gone = matches!(effect, Effect::Remove { .. });
                words.push(if gone { "no sudo" } else { "sudo" }.to_owned());
                effects.push(effect);
            }
        }
        if effects.is_empty() {
            return Ok(Decision::InPlace);
        }
        if !view.powers().accounts {
            return Ok(powerless());
        }
        let has = user.as_ref().and_then(|user| user.uid);
        if let Some(uid) = self.uid.filter(|uid| has != Some(*uid))
            && let Some(other) = view.user_numbered(uid)?
        {
            return Ok(Decision::Blocked(format!(
                "the uid {uid} is that of the user {other}; choose another, or remove that user before this block"
            )));
        }
        Ok(Decision::Act(Action::new(verb, words.join(", "), effects)))
    }
}

impl User {
    fn sudoers(&self) -> AbsPath {
        sudo::path("user", self.name.as_str())
    }

    fn own_group(&self) -> GroupName {
        GroupName::parse(self.name.as_str()).expect("user and group names have one rule")
    }

    fn rules(&self) -> Vec<String> {
        let rule = match self.sudo.as_deref() {
            None => return Vec::new(),
            Some("nopasswd") => "ALL=(ALL:ALL) NOPASSWD: ALL",
            Some(rule) => rule,
        };
        vec![format!("{} {rule}", self.name)]
    }

    fn removal(&self, user: Option<&Seen>, view: &View<'_>) -> Result<Decision, HostError> {
        let mut effects = Vec::new();
        match sudo::decide(&self.sudoers(), &[], view)? {
            Sudo::InPlace => {}
            Sudo::Stop(decision) => return Ok(decision),
            Sudo::Act(effect) => effects.push(effect),
        }
        if user.is_some() {
            let (name, remove_home) = (self.name.clone(), self.remove_home);
            effects.push(Effect::User(UserEdit::Remove { name, remove_home }));
        }
        if effects.is_empty() {
            return Ok(Decision::InPlace);
        }
        if !view.powers().accounts {
            return Ok(powerless());
        }
        let words = if self.remove_home {
            "with its home"
        } else {
            "its home stays"
        };
        Ok(Decision::Act(Action::new(Verb::Delete, words, effects)))
    }

    /// Whether a password is to be unlocked that is not there: the tools refuse, or let anybody in.
    fn is_without_password(&self, user: Option<&Seen>) -> bool {
        self.locked == Some(false)
            && self.password_hash.is_none()
            && user.is_none_or(|user| user.locked && user.password.is_none())
    }

    fn creates_home(&self) -> bool {
        self.create_home.unwrap_or(self.home.is_some())
    }
}

fn powerless() -> Decision {
    let why = "users are made and changed by root with useradd; hpt is not root, the tool is not there, or this root has no /etc/passwd";
    Decision::Blocked(why.to_owned())
}

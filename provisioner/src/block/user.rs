//! `[[user]]`: a user of the host, with home, keys and sudo.

use serde::Deserialize;

use crate::block::ssh_keys::{self, Judged, PublicKey, SshFiles};
use crate::block::sudo::{self, Sudo};
use crate::block::{Action, Decision, Kind, Verb};
use crate::effect::{Access, Effect, UserEdit, UserShape};
use crate::host::overlay::Fate;
use crate::host::{Entry, EntryKind, HostError, Key, User as Seen};
use crate::name::{AbsPath, GroupName, Mode, UserName};
use crate::secret::Secret;
use crate::source::{Need, Source};
use crate::view::View;

/// A user of the host.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "fields of the language, each said or not"
)]
pub struct User {
    /// The login name.
    name: UserName,
    /// Its number; the system picks one if it is not given.
    uid: Option<u32>,
    /// The primary group; a group of the user's own name if it is not given.
    group: Option<GroupName>,
    /// The home directory. Without it the system's default is noted, and none is made.
    home: Option<AbsPath>,
    /// Whether the home directory is made; yes if `home` is given.
    create_home: Option<bool>,
    /// The login shell; /bin/sh for a new user.
    shell: Option<AbsPath>,
    /// Supplementary groups; the user is added to them and stays in others.
    #[serde(default)]
    groups: Vec<GroupName>,
    /// The user is in no other supplementary group than `groups`.
    #[serde(default)]
    groups_exclusive: bool,
    /// Take the number from the range of system users.
    #[serde(default)]
    system: bool,
    /// The full name, as `getent passwd` shows it.
    comment: Option<String>,
    /// The hash of the password, as `mkpasswd` prints it.
    password_hash: Option<Secret>,
    /// Whether the password is locked.
    locked: Option<bool>,
    /// The user's public key, as text or as a source: written to `~/.ssh/id_rsa.pub`, and added to
    /// `~/.ssh/authorized_keys` once.
    ssh_public_key: Option<PublicKey>,
    /// A source of the user's private key: written to `~/.ssh/id_rsa` with mode 0600, shown nowhere.
    ssh_private_key: Option<Source>,
    /// Public keys, as text, that may log in as this user.
    #[serde(default)]
    authorized_keys: Vec<String>,
    /// No other keys than those of this block may log in.
    #[serde(default)]
    authorized_exclusive: bool,
    /// "nopasswd" for sudo without a password, or a rule such as "ALL=(root) /usr/bin/apt". It lies
    /// in `/etc/sudoers.d/hpt-user-NAME`, which is removed when the user has no `sudo`.
    sudo: Option<String>,
    /// It must not be there.
    #[serde(default)]
    absent: bool,
    /// With `absent`, the home directory goes too.
    #[serde(default)]
    remove_home: bool,
}

impl Kind for User {
    const NAME: &'static str = "user";
    const LATER: &'static [&'static str] = &["expires"];

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
            && (rule.is_empty() || rule.chars().any(char::is_control))
        {
            complain("sudo", "a sudo rule is one line".to_owned());
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
        keys.extend(
            self.groups
                .iter()
                .chain(&self.group)
                .cloned()
                .map(Key::Group),
        );
        keys.extend(sudo::reads(&self.sudoers()));
        keys
    }

    fn needs(&self) -> Vec<Need> {
        ssh_keys::needs(self.ssh_public_key.as_ref(), self.ssh_private_key.as_ref())
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, HostError> {
        let user = match view.user(&self.name)? {
            Fate::Is(user) => user,
            Fate::Unknown(cause) => return Ok(Decision::Maybe(cause)),
        };
        if self.absent {
            return self.removal(user.as_ref(), view);
        }
        for group in self.group.iter().chain(&self.groups) {
            match view.has_group(group)? {
                Fate::Is(true) => {}
                Fate::Unknown(cause) => return Ok(Decision::Maybe(cause)),
                Fate::Is(false) => {
                    let why = format!(
                        "the group {group} does not exist; make it with a [[group]] block before this one"
                    );
                    return Ok(Decision::Blocked(why));
                }
            }
        }
        let (verb, mut effects, mut words) = match &user {
            None => (
                Verb::Create,
                vec![Effect::User(self.creation(view)?)],
                self.creation_words(),
            ),
            Some(user) => {
                let (shape, words) = self.difference(user, view)?;
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
        if let Some(other) = self.home_and_keys(user.as_ref(), view, &mut effects, &mut words)? {
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

    fn creates_home(&self) -> bool {
        self.create_home.unwrap_or(self.home.is_some())
    }

    fn creation(&self, view: &View<'_>) -> Result<UserEdit, HostError> {
        // A group of the user's own name may be there already; useradd would refuse to make it.
        let own = self.own_group();
        let there = matches!(view.group(&own)?, Fate::Is(Some(_)));
        let group = self.group.clone().or(there.then_some(own));
        Ok(UserEdit::Add {
            name: self.name.clone(),
            system: self.system,
            create_home: self.creates_home(),
            as_: UserShape {
                uid: self.uid,
                group,
                comment: self.comment.clone(),
                home: self.home.clone(),
                shell: self.shell.clone(),
                join: self.groups.clone(),
                leave: Vec::new(),
                password_hash: self.password_hash.clone(),
                locked: self.locked,
            },
        })
    }

    fn creation_words(&self) -> Vec<String> {
        let groups: Vec<_> = self.groups.iter().map(GroupName::as_str).collect();
        let words = [
            self.uid.map(|uid| format!("uid {uid}")),
            self.home.as_ref().map(ToString::to_string),
            self.shell.as_ref().map(ToString::to_string),
            (!groups.is_empty()).then(|| format!("groups {}", groups.join(" "))),
        ];
        words.into_iter().flatten().collect()
    }

    /// What of the account is not as asked for, and in words.
    fn difference(
        &self,
        user: &Seen,
        view: &View<'_>,
    ) -> Result<(UserShape, Vec<String>), HostError> {
        let mut shape = UserShape::default();
        let mut words = Vec::new();
        if let Some(uid) = self.uid
            && user.uid != Some(uid)
        {
            let was = user.uid.map_or_else(|| "?".to_owned(), |u| u.to_string());
            words.push(format!("uid {was} -> {uid}"));
            shape.uid = Some(uid);
        }
        if let Some(group) = &self.group {
            let gid = match view.group(group)? {
                Fate::Is(Some(group)) => group.gid,
                _ => None,
            };
            let same = user.group.as_ref() == Some(group) || (gid.is_some() && gid == user.gid);
            if !same {
                words.push(format!("group {group}"));
                shape.group = Some(group.clone());
            }
        }
        if let Some(comment) = self.comment.as_ref().filter(|c| **c != user.comment) {
            words.push("comment".to_owned());
            shape.comment = Some(comment.clone());
        }
        if let Some(home) = self.home.as_ref().filter(|h| h.to_string() != user.home) {
            words.push(format!("home {} -> {home}", user.home));
            shape.home = Some(home.clone());
        }
        if let Some(shell) = self.shell.as_ref().filter(|s| s.to_string() != user.shell) {
            words.push(format!("shell {} -> {shell}", user.shell));
            shape.shell = Some(shell.clone());
        }
        shape.join = self
            .groups
            .iter()
            .filter(|g| !user.groups.contains(g))
            .cloned()
            .collect();
        if !shape.join.is_empty() {
            let names: Vec<_> = shape.join.iter().map(GroupName::as_str).collect();
            words.push(format!("joins {}", names.join(" ")));
        }
        if self.groups_exclusive {
            shape.leave = user
                .groups
                .iter()
                .filter(|g| !self.groups.contains(g))
                .cloned()
                .collect();
            if !shape.leave.is_empty() {
                let names: Vec<_> = shape.leave.iter().map(GroupName::as_str).collect();
                words.push(format!("leaves {}", names.join(" ")));
            }
        }
        if let Some(hash) = &self.password_hash
            && user.password.as_ref() != Some(&view.fingerprint(hash.expose().as_bytes()))
        {
            words.push("password".to_owned());
            shape.password_hash = Some(hash.clone());
        }
        if let Some(locked) = self.locked.filter(|locked| *locked != user.locked) {
            words.push(if locked { "locked" } else { "unlocked" }.to_owned());
            shape.locked = Some(locked);
        }
        Ok((shape, words))
    }

    /// The home directory of an account that has none, and the files in `~/.ssh`.
    fn home_and_keys(
        &self,
        user: Option<&Seen>,
        view: &View<'_>,
        effects: &mut Vec<Effect>,
        words: &mut Vec<String>,
    ) -> Result<Option<Decision>, HostError> {
        let home = match (&self.home, user) {
            (Some(home), _) => home.clone(),
            (None, Some(user)) => match AbsPath::parse(&user.home) {
                Ok(home) => home,
                Err(_) => return Ok(None),
            },
            (None, None) => AbsPath::parse(&format!("/home/{}", self.name)).expect("a plain name"),
        };
        let own = self.own_group();
        let group = self
            .group
            .clone()
            .or_else(|| user?.group.clone())
            .unwrap_or(own);
        let made = user.is_none() && self.creates_home();
        let there: Option<Entry> = match view.path(&home)? {
            Fate::Is(entry) => entry,
            Fate::Unknown(cause) => return Ok(Some(Decision::Maybe(cause))),
        };
        let is_dir = there.as_ref().is_some_and(|e| e.kind == EntryKind::Dir);
        if !is_dir && !made && self.creates_home() {
            let access = Access {
                owner: Some(self.name.clone()),
                group: Some(group.clone()),
                mode: Some(Mode::new(0o755)),
            };
            effects.push(Effect::MakeDir {
                path: home.clone(),
                access,
            });
            words.push(format!("makes {home}"));
        }
        let files = SshFiles {
            owner: &self.name,
            group: &group,
            home: &home,
            public: self.ssh_public_key.as_ref(),
            private: self.ssh_private_key.as_ref(),
            authorized: &self.authorized_keys,
            exclusive: self.authorized_exclusive,
        };
        match files.decide(view)? {
            Judged::Maybe(cause) => Ok(Some(Decision::Maybe(cause))),
            Judged::Act(keys) if keys.is_empty() => Ok(None),
            Judged::Act(_) if !is_dir && !self.creates_home() => {
                Ok(Some(Decision::Blocked(format!(
                    "{}'s home {home} does not exist, and its keys lie there; give the block a `home`",
                    self.name
                ))))
            }
            Judged::Act(keys) => {
                effects.extend(keys);
                words.push("ssh keys".to_owned());
                Ok(None)
            }
        }
    }
}

fn powerless() -> Decision {
    let why = "users are made and changed by root with useradd; hpt is not root, or the tool is not there";
    Decision::Blocked(why.to_owned())
}

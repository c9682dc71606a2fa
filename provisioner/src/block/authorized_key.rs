//! `[[authorized_key]]`: a public key that may log in as a user.

use std::cell::Cell;

use serde::Deserialize;

use crate::block::one_line::OneLine;
use crate::block::user::ssh_keys::{self, Judged, SshFiles};
use crate::block::{Action, Decision, Holding, Kind, Verb};
use crate::host::overlay::Fate;
use crate::host::{EntryKind, HostError, Key, User as Seen};
use crate::name::{AbsPath, BadName, GroupName, UserName};
use crate::view::View;

/// A public key that may log in as a user, in `~/.ssh/authorized_keys`. The directory and the file
/// are made for the user if they are not there, with modes 0700 and 0600; other keys stay.
///
/// ```toml
/// [[authorized_key]]
/// user = "ana"
/// key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGpv9vQkL0Vw0ZLw1bXk4iTfP3J6sPpR3t8mSxYyYyYy ana"
/// options = ["no-pty"]
/// ```
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthorizedKey {
    /// Who it is to log in as. The account and its home directory must be there.
    user: UserName,
    /// The key, one line such as `"ssh-ed25519 AAAAC3Nza... ana"`, without options before it.
    key: PublicLine,
    /// What a login with this key may do, each as `man sshd` has it, such as
    /// `["no-pty", 'from="10.0.0.0/8"']`; none. A key that is there with other options gets these.
    #[serde(default)]
    options: Vec<KeyOption>,
    /// No other key may log in as this user: the file holds this one alone; false. Two such blocks
    /// for one user contradict each other; `authorized_keys` of [[user]] takes several.
    #[serde(default)]
    exclusive: bool,
    /// The key may not log in; false.
    #[serde(default)]
    absent: bool,
}

/// A key's line without options.
struct PublicLine(OneLine);

impl PublicLine {
    fn blob(&self) -> &str {
        let parts = ssh_keys::parts(self.0.as_str());
        parts.expect("parsed as a key").1
    }
}

impl<'de> Deserialize<'de> for PublicLine {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        crate::name::deserialize(d, |text| {
            let line = OneLine::parse(text.trim())?;
            let base64 = |c: u8| c.is_ascii_alphanumeric() || b"+/=".contains(&c);
            match ssh_keys::parts(line.as_str()) {
                Some(("", blob)) if blob.bytes().all(base64) => Ok(Self(line)),
                Some((_, blob)) if blob.bytes().all(base64) => Err(BadName(
                    "a key begins with its sort; what stands before it goes to `options`",
                )),
                _ => Err(BadName(
                    "a public key is one line such as \"ssh-ed25519 AAAA... ana\"",
                )),
            }
        })
    }
}

/// `no-pty`, `from="10.*"`: a word, and perhaps a value in quotes.
struct KeyOption(String);

impl<'de> Deserialize<'de> for KeyOption {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        const RULE: BadName = BadName(
            "an option is a word such as \"no-pty\", or a word and a value in quotes such as 'from=\"10.*\"'",
        );
        crate::name::deserialize(d, |text| {
            let (word, value) = match text.split_once('=') {
                None => (text, None),
                Some((word, value)) => (word, Some(value)),
            };
            let is_word = |c: u8| c.is_ascii_alphanumeric() || c == b'-';
            let good_word = (1..=64).contains(&word.len())
                && word.bytes().all(is_word)
                && !word.starts_with('-');
            let good_value = value.is_none_or(|value| {
                let inner = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
                // A quote inside would end the value, whatever stands before it.
                inner.is_some_and(|v| !v.contains(['"', '\\']) && v.len() <= 4096)
            });
            if good_word && good_value && !text.chars().any(char::is_control) {
                Ok(Self(text.to_owned()))
            } else {
                Err(RULE)
            }
        })
    }
}

impl Kind for AuthorizedKey {
    const NAME: &'static str = "authorized_key";

    fn primary(&self) -> String {
        let blob = self.key.blob();
        let comment = self.key.0.as_str().split_whitespace().nth(2);
        let what = comment.unwrap_or(&blob[blob.len().saturating_sub(8)..]);
        format!("{} {what}", self.user)
    }

    fn check(&self, complain: &mut dyn FnMut(&'static str, String)) {
        for (key, given) in [
            ("options", !self.options.is_empty()),
            ("exclusive", self.exclusive),
        ] {
            if self.absent && given {
                complain("absent", format!("an absent key has no `{key}`"));
            }
        }
    }

    fn reads(&self) -> Vec<Key> {
        // The file is in the user's primary group, which most often is of the user's own name.
        vec![Key::User(self.user.clone()), Key::Group(self.own_group())]
    }

    fn holdings(&self) -> Vec<Holding> {
        if self.absent {
            return Vec::new();
        }
        let holding = Holding::of([Key::User(self.user.clone())]);
        let user = ("user", self.user.to_string().into());
        let key = ("key", self.key.0.as_str().into());
        let holding = holding.part(format!("key {}", self.key.blob()));
        vec![holding.absent_by("authorized_key", [user, key])]
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, HostError> {
        let user = match view.user(&self.user)? {
            Fate::Is(user) => user,
            Fate::Unknown(cause) => return Ok(Decision::Maybe(cause)),
        };
        let Some(user) = user else {
            return Ok(match view.pending_install() {
                Some(cause) => Decision::Maybe(cause),
                None if self.absent => Decision::InPlace,
                None => Decision::without_user(&self.user),
            });
        };
        let Ok(home) = AbsPath::parse(&user.home) else {
            return Ok(Decision::Blocked(format!(
                "the user {} has no home directory, and keys lie there",
                self.user
            )));
        };
        match view.path(&home)? {
            Fate::Unknown(cause) => return Ok(Decision::Maybe(cause)),
            Fate::Is(Some(entry)) if entry.kind == EntryKind::Dir => {}
            Fate::Is(_) if self.absent => return Ok(Decision::InPlace),
            Fate::Is(_) => {
                return Ok(Decision::Blocked(format!(
                    "{}'s home {home} does not exist, and its keys lie there; give its [[user]] block a `home`",
                    self.user
                )));
            }
        }
        if self.absent && view.path(&keys_of(&home))? == Fate::Is(None) {
            return Ok(Decision::InPlace);
        }
        self.judge(&user, &home, view)
    }
}

fn keys_of(home: &AbsPath) -> AbsPath {
    let dir = home.join(".ssh").expect("a plain part");
    dir.join("authorized_keys").expect("a plain part")
}

impl AuthorizedKey {
    fn own_group(&self) -> GroupName {
        GroupName::parse(self.user.as_str()).expect("one rule for both names")
    }

    fn judge(&self, user: &Seen, home: &AbsPath, view: &View<'_>) -> Result<Decision, HostError> {
        let group = user.group.clone().unwrap_or_else(|| self.own_group());
        let files = SshFiles {
            owner: &self.user,
            group: &group,
            home,
            public: None,
            private: None,
            authorized: &[],
            exclusive: false,
        };
        let adds = Cell::new(false);
        let rewritten = |now: &str| {
            let mut keys = now.lines().filter_map(ssh_keys::parts);
            adds.set(!keys.any(|(_, other)| other == self.key.blob()));
            self.rewritten(now)
        };
        let effects = match files.rewrite(!self.absent, view, rewritten)? {
            Judged::Maybe(cause) => return Ok(Decision::Maybe(cause)),
            Judged::Act(effects) => effects,
        };
        if effects.is_empty() {
            return Ok(Decision::InPlace);
        }
        let words = match (self.absent, self.exclusive) {
            (true, _) => "may log in no more",
            (_, true) => "may log in, and no other key",
            _ => "may log in",
        };
        let action = Action::new(Verb::Update, words, effects);
        Ok(Decision::Act(action).adding(adds.get()))
    }

    /// The lines of the file with this key once, or without it.
    fn rewritten(&self, now: &str) -> String {
        let options: Vec<&str> = self.options.iter().map(|o| o.0.as_str()).collect();
        let (options, key) = (options.join(","), self.key.0.as_str());
        let wanted = if options.is_empty() {
            key.to_owned()
        } else {
            format!("{options} {key}")
        };
        let blob = self.key.blob();
        let mut text = String::new();
        let mut there = self.absent;
        for line in now.lines() {
            let line = match ssh_keys::parts(line) {
                Some((_, other)) if other == blob && there => continue,
                Some((mine, other)) if other == blob => {
                    there = true;
                    if mine == options { line } else { &wanted }
                }
                _ if self.exclusive => continue,
                _ => line,
            };
            text += line;
            text += "\n";
        }
        if !there {
            text += &wanted;
            text += "\n";
        }
        // What only lacks its last line feed is not changed for that.
        if text.trim_end_matches('\n') == now.trim_end_matches('\n') {
            return now.to_owned();
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(more: &str) -> AuthorizedKey {
        let text = format!("user = \"ana\"\nkey = \"ssh-ed25519 AAAAmine ana@home\"\n{more}");
        toml::from_str(&text).unwrap()
    }

    fn rewritten(more: &str, now: &str) -> String {
        let block = block(more);
        let new = block.rewritten(now);
        assert_eq!(block.rewritten(&new), new);
        new
    }

    #[test]
    fn a_key_is_there_once_with_its_options() {
        let plain = "ssh-ed25519 AAAAmine ana@home\n";
        assert_eq!(rewritten("", ""), plain);
        assert_eq!(rewritten("", "# x\n"), format!("# x\n{plain}"));
        assert_eq!(
            rewritten("", "ssh-ed25519 AAAAmine other"),
            "ssh-ed25519 AAAAmine other"
        );
        let twice = "no-pty ssh-ed25519 AAAAmine\nssh-rsa AAAAbo\nssh-ed25519 AAAAmine\n";
        assert_eq!(rewritten("", twice), format!("{plain}ssh-rsa AAAAbo\n"));
        let options = "options = ['command=\"a b\"', 'no-pty']\n";
        let bound = format!("command=\"a b\",no-pty {plain}");
        assert_eq!(rewritten(options, plain), bound);
        assert_eq!(rewritten("", &bound), plain);
    }

    #[test]
    fn a_key_goes_or_stays_alone() {
        let now = "# x\nssh-rsa AAAAbo\nfrom=\"a b\" ssh-ed25519 AAAAmine\n";
        assert_eq!(rewritten("absent = true\n", now), "# x\nssh-rsa AAAAbo\n");
        let alone = "ssh-ed25519 AAAAmine ana@home\n";
        assert_eq!(rewritten("exclusive = true\n", now), alone);
    }
}

//! A user's home directory, and the keys that lie in it.

use crate::block::Decision;
use crate::block::user::User;
use crate::block::user::ssh_keys::{Judged, SshFiles};
use crate::effect::{Access, Effect};
use crate::host::overlay::Fate;
use crate::host::{Entry, EntryKind, HostError, User as Seen};
use crate::name::{AbsPath, GroupName, Mode};
use crate::view::View;

impl User {
    /// The home directory of an account that has none, and the files in `~/.ssh`.
    pub(super) fn home_and_keys(
        &self,
        user: Option<&Seen>,
        primary: Option<&GroupName>,
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
        let group = primary
            .cloned()
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

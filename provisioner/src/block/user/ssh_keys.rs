//! The files in a user's `~/.ssh`: a key pair of the user's own, and whose keys may log in.

use serde::Deserialize;

use crate::effect::{Access, Content, Effect, WriteFile};
use crate::host::overlay::{Cause, Fate};
use crate::host::{EntryKind, HostError};
use crate::name::{AbsPath, GroupName, Mode, UserName};
use crate::source::{Need, Source};
use crate::view::View;

/// A public key: its text, or a source that holds it.
#[derive(Clone)]
pub(in crate::block) enum PublicKey {
    Text(String),
    Source(Source),
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        crate::name::deserialize(d, |text| {
            if is_key(text) {
                return Ok(Self::Text(text.trim().to_owned()));
            }
            Source::parse(text).map(Self::Source)
        })
    }
}

/// Whether a text is one line of a public key, such as `ssh-ed25519 AAAA... ana`, with options
/// before it or not.
pub(in crate::block) fn is_key(text: &str) -> bool {
    !text.trim().chars().any(char::is_control) && blob(text).is_some()
}

/// The part of a key's line that is the key itself: what stands behind the name of its sort.
fn blob(line: &str) -> Option<&str> {
    parts(line).map(|(_, blob)| blob)
}

/// The options of a key's line, which may be empty, and the key itself. Options end at the first
/// space outside quotes.
pub(in crate::block) fn parts(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    if let Some(blob) = bare_blob(line) {
        return Some(("", blob));
    }
    let (mut quoted, mut escaped) = (false, false);
    let end = line.find(|c: char| {
        quoted ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        c.is_whitespace() && !quoted
    })?;
    let (options, key) = line.split_at(end);
    bare_blob(key).map(|blob| (options, blob))
}

/// The key itself in a line that begins with the name of its sort.
fn bare_blob(line: &str) -> Option<&str> {
    const SORTS: [&str; 4] = ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"];
    let mut words = line.split_whitespace();
    let sort = words.next()?;
    let known = SORTS.iter().any(|begin| sort.starts_with(begin));
    words
        .next()
        .filter(|blob| known && blob.starts_with("AAAA"))
}

/// What a user's `~/.ssh` should hold.
pub(in crate::block) struct SshFiles<'a> {
    pub(in crate::block) owner: &'a UserName,
    pub(in crate::block) group: &'a GroupName,
    pub(in crate::block) home: &'a AbsPath,
    /// To `id_rsa.pub`, and among those who may log in.
    pub(in crate::block) public: Option<&'a PublicKey>,
    /// To `id_rsa`.
    pub(in crate::block) private: Option<&'a Source>,
    /// More keys that may log in.
    pub(in crate::block) authorized: &'a [String],
    /// No other key may.
    pub(in crate::block) exclusive: bool,
}

/// What is to be done about them.
pub(in crate::block) enum Judged {
    /// These effects; none if all is in place.
    Act(Vec<Effect>),
    /// Known when applied.
    Maybe(Cause),
}

/// The sources that must be fetched.
pub(super) fn needs(public: Option<&PublicKey>, private: Option<&Source>) -> Vec<Need> {
    let need = |source: &Source, secret| Need {
        source: source.clone(),
        sha256: None,
        secret,
        read: true,
        tree: false,
    };
    let public = match public {
        Some(PublicKey::Source(source)) => Some(need(source, false)),
        _ => None,
    };
    public
        .into_iter()
        .chain(private.map(|source| need(source, true)))
        .collect()
}

impl SshFiles<'_> {
    pub(super) fn decide(&self, view: &View<'_>) -> Result<Judged, HostError> {
        let mut effects = Vec::new();
        if self.public.is_none()
            && self.private.is_none()
            && self.authorized.is_empty()
            && !self.exclusive
        {
            return Ok(Judged::Act(effects));
        }
        let dir = self.home.join(".ssh").expect("a plain part");
        if let Some(cause) = self.directory(&dir, view, &mut effects)? {
            return Ok(Judged::Maybe(cause));
        }
        let public = match self.public {
            None => None,
            Some(PublicKey::Text(text)) => Some(format!("{text}\n")),
            Some(PublicKey::Source(source)) => Some(text_of(source, view)?),
        };
        let mut files = Vec::new();
        if let Some(text) = &public {
            files.push(("id_rsa.pub", text.clone(), 0o644, false));
        }
        if let Some(source) = self.private {
            files.push(("id_rsa", text_of(source, view)?, 0o600, true));
        }
        let path = dir.join("authorized_keys").expect("a plain part");
        let now = match view.read(&path)? {
            Fate::Is(now) => now,
            Fate::Unknown(cause) => return Ok(Judged::Maybe(cause)),
        };
        let now = now
            .as_deref()
            .map(String::from_utf8_lossy)
            .unwrap_or_default();
        let wanted: Vec<&str> = public
            .iter()
            .flat_map(|text| text.lines())
            .chain(self.authorized.iter().map(|line| line.trim()))
            .filter(|line| is_key(line))
            .collect();
        if !wanted.is_empty() || self.exclusive {
            files.push((
                "authorized_keys",
                merged(&now, &wanted, self.exclusive),
                0o600,
                false,
            ));
        }
        for (name, text, mode, secret) in files {
            let path = dir.join(name).expect("a plain part");
            if let Some(cause) = self.file(path, text, mode, secret, view, &mut effects)? {
                return Ok(Judged::Maybe(cause));
            }
        }
        Ok(Judged::Act(effects))
    }

    /// Whose keys may log in, as `change` makes it of what is there. Where that leaves all as it is,
    /// `must_be` says whether owner and mode are set right all the same.
    pub(in crate::block) fn rewrite(
        &self,
        must_be: bool,
        view: &View<'_>,
        change: impl FnOnce(&str) -> String,
    ) -> Result<Judged, HostError> {
        let dir = self.home.join(".ssh").expect("a plain part");
        let path = dir.join("authorized_keys").expect("a plain part");
        let mut effects = Vec::new();
        if let Some(cause) = self.directory(&dir, view, &mut effects)? {
            return Ok(Judged::Maybe(cause));
        }
        let now = match view.read(&path)? {
            Fate::Is(now) => now.unwrap_or_default(),
            Fate::Unknown(cause) => return Ok(Judged::Maybe(cause)),
        };
        let now = String::from_utf8_lossy(&now);
        let new = change(&now);
        if !must_be && new == now {
            return Ok(Judged::Act(Vec::new()));
        }
        Ok(
            match self.file(path, new, 0o600, false, view, &mut effects)? {
                Some(cause) => Judged::Maybe(cause),
                None => Judged::Act(effects),
            },
        )
    }

    fn access(&self, mode: u32) -> Access {
        Access {
            owner: Some(self.owner.clone()),
            group: Some(self.group.clone()),
            mode: Some(Mode::new(mode)),
        }
    }

    fn directory(
        &self,
        dir: &AbsPath,
        view: &View<'_>,
        effects: &mut Vec<Effect>,
    ) -> Result<Option<Cause>, HostError> {
        let access = self.access(0o700);
        match view.path(dir)? {
            Fate::Unknown(cause) => return Ok(Some(cause)),
            Fate::Is(None) => effects.push(Effect::MakeDir {
                path: dir.clone(),
                access,
            }),
            Fate::Is(Some(entry)) if entry.kind != EntryKind::Dir => {
                // The user may have put a link there to have another place written to.
                return Err(HostError::Unsafe {
                    path: dir.to_string(),
                    why: "it is not a directory".to_owned(),
                });
            }
            Fate::Is(Some(entry)) => {
                let right = entry.mode == Mode::new(0o700)
                    && view.owned_by(&entry, self.owner)?
                    && view.grouped_by(&entry, self.group)?;
                if !right {
                    effects.push(Effect::SetAccess {
                        path: dir.clone(),
                        access,
                    });
                }
            }
        }
        Ok(None)
    }

    fn file(
        &self,
        path: AbsPath,
        text: String,
        mode: u32,
        secret: bool,
        view: &View<'_>,
        effects: &mut Vec<Effect>,
    ) -> Result<Option<Cause>, HostError> {
        let content = Content::Inline(text.into_bytes().into());
        let access = self.access(mode);
        let entry = match view.path(&path)? {
            Fate::Unknown(cause) => return Ok(Some(cause)),
            Fate::Is(entry) => entry,
        };
        if let Some(entry) = entry
            && matches!(entry.kind, EntryKind::File { size } if size == content.size())
            && view.hash(&path)? == Fate::Is(Some(content.hash()))
        {
            let right = entry.mode == Mode::new(mode)
                && view.owned_by(&entry, self.owner)?
                && view.grouped_by(&entry, self.group)?;
            if !right {
                effects.push(Effect::SetAccess { path, access });
            }
            return Ok(None);
        }
        effects.push(Effect::WriteFile(WriteFile {
            path,
            content,
            access,
            verify: None,
            secret,
        }));
        Ok(None)
    }
}

/// The lines that are there with those that are wanted, each key once. With `exclusive` only the
/// wanted ones.
fn merged(now: &str, wanted: &[&str], exclusive: bool) -> String {
    let mut lines: Vec<&str> = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    let kept = now.lines().filter(|_| !exclusive);
    for line in kept.chain(wanted.iter().copied()) {
        match blob(line) {
            Some(blob) if !seen.insert(blob) => {}
            Some(_) => lines.push(line),
            None if !exclusive => lines.push(line), // a comment, or what we do not understand
            None => {}
        }
    }
    lines.iter().flat_map(|line| [line, "\n"]).collect()
}

fn text_of(source: &Source, view: &View<'_>) -> Result<String, HostError> {
    let missing = || HostError::MissingBlob(source.to_string());
    let blob = view.source(source).ok_or_else(missing)?;
    let bytes = view.blob(&blob.hash)?.ok_or_else(missing)?;
    let text = String::from_utf8(bytes.to_vec())
        .map_err(|_| HostError::Refused(format!("the key {source} is not text")))?;
    Ok(if text.ends_with('\n') {
        text
    } else {
        text + "\n"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_from_sources() {
        for key in [
            "ssh-ed25519 AAAAC3Nza ana",
            "from=\"10.*\" ecdsa-sha2-nistp256 AAAAE2 x",
            "sk-ssh-ed25519@openssh.com AAAA",
        ] {
            assert!(is_key(key), "{key}");
        }
        for not in [
            "bkt://key.pub",
            "files/ana.pub",
            "ssh-ed25519",
            "ssh-ed25519 x y",
            "ssh-ed25519 AAAA\nssh-rsa AAAA",
        ] {
            assert!(!is_key(not), "{not}");
        }
    }

    #[test]
    fn a_key_is_there_once_and_others_stay() {
        let now = "# mine\nssh-ed25519 AAAAold bo@home\nssh-ed25519 AAAAold again\n";
        let both = merged(
            now,
            &[
                "ssh-ed25519 AAAAnew ana",
                "ssh-ed25519 AAAAold other-comment",
            ],
            false,
        );
        assert_eq!(
            both,
            "# mine\nssh-ed25519 AAAAold bo@home\nssh-ed25519 AAAAnew ana\n"
        );
        assert_eq!(merged(&both, &["ssh-ed25519 AAAAnew ana"], false), both);
        assert_eq!(
            merged(now, &["ssh-ed25519 AAAAnew ana"], true),
            "ssh-ed25519 AAAAnew ana\n"
        );
    }
}

//! `[[archive]]`: an archive, unpacked below a directory.

use serde::Deserialize;

use crate::block::own_file::missing_dirs;
use crate::block::{Action, Decision, Holding, Kind, Verb};
use crate::effect::{Access, Effect, UnpackJob};
use crate::host::overlay::Fate;
use crate::host::{EntryKind, Hash, HostError, Key, Memo};
use crate::name::{AbsPath, GroupName, UserName};
use crate::source::{Need, Source};
use crate::view::View;

/// An archive, unpacked below a directory: tar, plain or packed by gzip, xz, zstd or bzip2, or zip. For
/// xz, zstd and bzip2 the host must have that program. Entries that would leave the directory are
/// refused, and so are devices; the archive's modes are taken without write rights of others.
///
/// It is in place once the very same archive was unpacked there by hpt, however its files have
/// changed since.
///
/// ```toml
/// [[archive]]
/// source = "files/app-1.2.tar.gz"
/// dest = "/opt/app"
/// strip = 1
/// creates = "/opt/app/bin/serve"
/// ```
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Archive {
    /// The archive, from a path beside the config, an https URL or `NAME://path` of a bucket or repo,
    /// such as `"files/app-1.2.tar.gz"`.
    source: Source,
    /// SHA-256 of the archive, 64 hexadecimal digits. An https source needs it.
    sha256: Option<String>,
    /// The directory that it is unpacked below, absolute, such as `"/opt/app"`. It is made, with its parents, if it is not
    /// there; what is in it already and not in the archive stays.
    dest: AbsPath,
    /// So many leading parts of each path in the archive are dropped, 0 to 32; 0. With 1,
    /// `app-1.2/bin/app` becomes `bin/app`.
    #[serde(default)]
    strip: u8,
    /// A path that the archive brings, absolute: where it is missing, the archive is unpacked again.
    /// Two archives for one `dest` need one each.
    creates: Option<AbsPath>,
    /// The user who owns all that is unpacked; root.
    owner: Option<UserName>,
    /// The group of all that is unpacked; root.
    group: Option<GroupName>,
    /// Keeps set-uid and set-gid bits of the archive; false.
    #[serde(default)]
    allow_setuid: bool,
}

/// The most parts that can be stripped.
const MOST_PARTS: u8 = 32;

impl Kind for Archive {
    const NAME: &'static str = "archive";

    fn primary(&self) -> String {
        self.creates.as_ref().unwrap_or(&self.dest).to_string()
    }

    fn check(&self, complain: &mut dyn FnMut(&'static str, String)) {
        if let Some(hash) = &self.sha256
            && (hash.len() != 64 || !hash.bytes().all(|c| c.is_ascii_hexdigit()))
        {
            complain("sha256", "a SHA-256 is 64 hexadecimal digits".to_owned());
        }
        if self.strip > MOST_PARTS {
            complain("strip", format!("`strip` is at most {MOST_PARTS}"));
        }
        if let Some(creates) = &self.creates
            && (*creates == self.dest || !creates.as_path().starts_with(self.dest.as_path()))
        {
            let what = format!("`creates` lies below `dest`, {}", self.dest);
            complain("creates", what);
        }
    }

    fn reads(&self) -> Vec<Key> {
        let paths = std::iter::once(&self.dest).chain(&self.creates);
        let mut keys: Vec<Key> = paths.cloned().map(Key::Path).collect();
        keys.extend(self.owner.clone().map(Key::User));
        keys.extend(self.group.clone().map(Key::Group));
        keys
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need {
            source: self.source.clone(),
            sha256: self.sha256.clone(),
            secret: false,
            read: false,
            tree: false,
        }]
    }

    fn sources(&mut self) -> Vec<&mut Source> {
        vec![&mut self.source]
    }

    fn holdings(&self) -> Vec<Holding> {
        vec![Holding::of([Key::Path(
            self.creates.as_ref().unwrap_or(&self.dest).clone(),
        )])]
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, HostError> {
        let (owner, group) = (self.owner.as_ref(), self.group.as_ref());
        if let Some(other) = Decision::without_accounts(owner, group, view)? {
            return Ok(other);
        }
        if !view.powers().chown && (owner.is_some() || group.is_some()) {
            let why = "only root can give files to another owner or group; run hpt as root";
            return Ok(Decision::Blocked(why.to_owned()));
        }
        let is_there = match view.path(&self.dest)? {
            Fate::Unknown(cause) => return Ok(Decision::Maybe(cause)),
            Fate::Is(None) => false,
            Fate::Is(Some(entry)) if entry.kind == EntryKind::Dir => true,
            Fate::Is(Some(_)) => {
                let why = format!(
                    "{} is there and is no directory; remove it first",
                    self.dest
                );
                return Ok(Decision::Blocked(why));
            }
        };
        let blob = view
            .source(&self.source)
            .ok_or_else(|| HostError::MissingBlob(self.source.to_string()))?;
        let memo = self.memo(&blob.hash);
        let whole = match self
            .creates
            .as_ref()
            .map(|path| view.path(path))
            .transpose()?
        {
            Some(Fate::Unknown(cause)) => return Ok(Decision::Maybe(cause)),
            Some(Fate::Is(entry)) => entry.is_some(),
            None => true,
        };
        if is_there && whole && view.remembers(&memo)? {
            return Ok(Decision::InPlace);
        }
        let mut effects = Vec::new();
        if !is_there {
            let parents = match missing_dirs(&self.dest, view)? {
                Ok(parents) => parents,
                Err(decision) => return Ok(decision),
            };
            effects.extend(parents.into_iter().map(|path| Effect::MakeDir {
                path,
                access: Access::default(),
            }));
            effects.push(Effect::MakeDir {
                path: self.dest.clone(),
                access: self.access(),
            });
        }
        effects.push(Effect::Unpack(Box::new(UnpackJob {
            source: self.source.to_string(),
            hash: blob.hash,
            dest: self.dest.clone(),
            strip: self.strip,
            access: self.access(),
            allow_setuid: self.allow_setuid,
        })));
        effects.push(Effect::Remember { memo, kept: true });
        let verb = if is_there { Verb::Update } else { Verb::Create };
        let summary = format!("unpack {}, {} bytes", self.source, blob.size);
        let mut action = Action::new(verb, summary, effects);
        action.touches.extend(self.creates.clone());
        Ok(Decision::Act(action))
    }
}

impl Archive {
    fn access(&self) -> Access {
        Access {
            owner: self.owner.clone(),
            group: self.group.clone(),
            mode: None,
        }
    }

    /// What is remembered once the archive has been unpacked.
    fn memo(&self, hash: &Hash) -> Memo {
        let name = |name: Option<&str>| name.unwrap_or_default().to_owned();
        let owner = name(self.owner.as_ref().map(UserName::as_str));
        let group = name(self.group.as_ref().map(GroupName::as_str));
        let how = format!("{} {owner}:{group} {}", self.strip, self.allow_setuid);
        Memo::Made {
            place: format!("archive {}", self.primary()),
            what: format!("{hash} {how}"),
        }
    }
}

//! `[[file]]`: a file, a directory or a symbolic link.

pub(super) mod access;
mod content;
mod directory;

use serde::Deserialize;

use self::content::Wanted;
use crate::block::{Action, Decision, Holding, Kind, Verb};
use crate::effect::{Access, Effect};
use crate::host::overlay::Fate;
use crate::host::{Entry, EntryKind, HostError, Key};
use crate::name::{AbsPath, GroupName, Mode, UserName};
use crate::source::{Need, Source};
use crate::view::View;

/// A file, a directory or a symbolic link: its content, owner and mode. Content goes in whole or not at
/// all.
///
/// ```toml
/// [[file]]
/// path = "/etc/motd"
/// content = "Welcome to {{ facts.hostname }}\n"
/// mode = "0644"
/// ```
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "fields of the language, each said or not"
)]
pub struct File {
    /// Where it is, absolute, such as `"/etc/motd"`.
    path: AbsPath,
    /// The file's content, from a path beside the config, an https URL or `NAME://path` of a bucket or
    /// repo, such as `"files/motd"`. At most one of `source`, `content`, `template`, `symlink_to` and
    /// `dir` is said.
    source: Option<Source>,
    /// The file's content itself, such as `"Welcome to {{ facts.hostname }}\n"`; `{{ }}` in it is
    /// rendered.
    content: Option<String>,
    /// A source whose text is rendered, such as `"templates/app.conf.j2"`.
    template: Option<Source>,
    /// Values for the template besides `vars` and `facts`, such as `{ port = 8080 }`; none. The template
    /// names them without a prefix.
    #[serde(default)]
    template_vars: toml::Table,
    /// Makes it a symbolic link that points there, such as `"/opt/app/current"`.
    symlink_to: Option<String>,
    /// Makes it a directory; false. Missing parents are made too, for root and with mode 0755.
    #[serde(default)]
    dir: bool,
    /// Permission bits such as "0644". A new file gets 0644, or 0600 if a secret is in it, and a new
    /// directory 0755; without this field what is there is left alone.
    mode: Option<Mode>,
    /// The owning user; root for what is new.
    owner: Option<UserName>,
    /// The owning group; root for what is new.
    group: Option<GroupName>,
    /// SHA-256 of the source, 64 hexadecimal digits. An https source needs it.
    sha256: Option<String>,
    /// A program that must accept the new content before it is put in place, such as
    /// "/usr/sbin/visudo -cf %s"; `%s` is the new file.
    verify: Option<String>,
    /// Whether a file that is there may be replaced; true.
    overwrite: Option<bool>,
    /// Allows set-uid and set-gid bits in `mode`, such as `"4755"`; false.
    #[serde(default)]
    allow_setuid: bool,
    /// It must not be there; false.
    #[serde(default)]
    absent: bool,
    /// With `absent`, a directory goes with all that it holds; false, and then only an empty one goes.
    /// With `dir`, `owner` and `group` are those of all that it holds too; links are left alone. A block
    /// that makes something there says the same `owner` and `group`, or is refused.
    #[serde(default)]
    recurse: bool,
    /// With `dir`, what lies in the directory and is none of this config's blocks' is removed, with all
    /// that it holds; false.
    #[serde(default)]
    purge: bool,
    /// What a new content replaces is kept beside it, as `PATH.hpt-backup`, which is root's and has the
    /// same mode; up to 1 MiB; false.
    #[serde(default)]
    backup: bool,
    /// Whether nothing of it may be shown: not a field, but what the config found out about it.
    #[serde(skip)]
    private: bool,
}

impl Kind for File {
    const NAME: &'static str = "file";
    const LATER: &'static [&'static str] = &["selinux"];

    fn primary(&self) -> String {
        self.path.to_string()
    }

    fn check(&self, complain: &mut dyn FnMut(&'static str, String)) {
        let forms = [
            ("source", self.source.is_some()),
            ("content", self.content.is_some()),
            ("template", self.template.is_some()),
            ("symlink_to", self.symlink_to.is_some()),
            ("dir", self.dir),
        ];
        let given: Vec<_> = forms
            .iter()
            .filter(|(_, given)| *given)
            .map(|(f, _)| *f)
            .collect();
        if let [first, second, ..] = given[..] {
            complain(
                second,
                format!("a file has either `{first}` or `{second}`, not both"),
            );
        }
        if self.absent && !given.is_empty() && !self.dir {
            complain("absent", format!("an absent file has no `{}`", given[0]));
        }
        if self.mode.is_some_and(Mode::sets_id) && !self.allow_setuid {
            let what =
                "this mode has a set-uid or set-gid bit; say `allow_setuid = true` if it is meant";
            complain("mode", what.to_owned());
        }
        if let Some(hash) = &self.sha256
            && (hash.len() != 64 || !hash.bytes().all(|c| c.is_ascii_hexdigit()))
        {
            complain("sha256", "a SHA-256 is 64 hexadecimal digits".to_owned());
        }
        if let Some(verify) = &self.verify
            && !verify.starts_with('/')
        {
            complain(
                "verify",
                "`verify` begins with a program's absolute path".to_owned(),
            );
        }
        if self
            .symlink_to
            .as_deref()
            .is_some_and(|to| to.is_empty() || to.contains('\0'))
        {
            complain("symlink_to", "a link points to a path".to_owned());
        }
        let made_by = |keys: &[&str]| given.iter().any(|form| keys.contains(form));
        let files = ["source", "content", "template"];
        for (key, said, goes_with) in [
            ("template_vars", !self.template_vars.is_empty(), &files[2..]),
            ("sha256", self.sha256.is_some(), &files[..1]),
            ("verify", self.verify.is_some(), &files[..]),
            ("overwrite", self.overwrite.is_some(), &files[..]),
            ("backup", self.backup, &files[..]),
            ("purge", self.purge && !self.absent, &["dir"]),
        ] {
            if said && !made_by(goes_with) {
                let others = goes_with.join("`, `");
                complain(key, format!("`{key}` goes with `{others}`"));
            }
        }
        if self.symlink_to.is_some() {
            for (key, said) in [
                ("mode", self.mode.is_some()),
                ("owner", self.owner.is_some()),
                ("group", self.group.is_some()),
            ] {
                if said {
                    let what = format!("a symbolic link has no `{key}`; what it points to has");
                    complain(key, what);
                }
            }
        }
        if self.purge && self.absent {
            complain("purge", "`purge` goes with `dir`".to_owned());
        }
        if self.recurse && !self.absent && !self.dir {
            let what = "`recurse` goes with `absent` or `dir`";
            complain("recurse", what.to_owned());
        }
        if self.recurse && self.dir && !self.absent && self.owner.is_none() && self.group.is_none()
        {
            let what = "`recurse` of a directory goes with `owner` or `group`";
            complain("recurse", what.to_owned());
        }
        if (self.purge || self.recurse) && !self.absent && self.path.parent().is_none() {
            complain("path", "`/` is never purged, nor given away".to_owned());
        }
        if self.path.as_path().parent().is_none() && self.absent {
            complain("path", "`/` is never removed".to_owned());
        }
    }

    fn reads(&self) -> Vec<Key> {
        let content = !(self.absent || self.dir || self.symlink_to.is_some());
        let mut keys = vec![Key::Path(self.path.clone())];
        keys.extend(content.then(|| Key::Content(self.path.clone())));
        keys.extend(self.owner.clone().map(Key::User));
        keys.extend(self.group.clone().map(Key::Group));
        keys
    }

    fn needs(&self) -> Vec<Need> {
        let need = |source: &Source, read| Need {
            source: source.clone(),
            sha256: self.sha256.clone(),
            secret: self.private,
            read,
            tree: false,
        };
        let source = self.source.iter().map(|s| need(s, false));
        source
            .chain(self.template.iter().map(|s| need(s, true)))
            .collect()
    }

    fn sources(&mut self) -> Vec<&mut Source> {
        self.source.iter_mut().chain(&mut self.template).collect()
    }

    fn holdings(&self) -> Vec<Holding> {
        if self.absent {
            return Vec::new();
        }
        let path = ("path", self.path.to_string().into());
        let holding = Holding::of([Key::Path(self.path.clone())]);
        vec![holding.absent_by("file", [path])]
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, HostError> {
        let entry = match view.path(&self.path)? {
            Fate::Is(entry) => entry,
            Fate::Unknown(cause) => return Ok(Decision::Maybe(cause)),
        };
        if self.absent {
            return self.removal(entry.as_ref(), view);
        }
        if let Some(other) = self.account_fault(entry.as_ref(), view)? {
            return Ok(other);
        }
        match entry {
            None => self.creation(view),
            Some(entry) => self.change(&entry, view),
        }
    }
}

impl File {
    /// Whether a command of the config judges its content.
    pub(crate) fn runs_commands(&self) -> bool {
        self.verify.is_some()
    }

    /// The directory that it gives to somebody with all that it holds, and to whom.
    pub(super) fn gives_all(&self) -> Option<(&AbsPath, Access)> {
        (self.dir && self.recurse && !self.absent).then(|| (&self.path, self.access()))
    }

    /// Nothing of it may be shown: who may read a new file must be said.
    pub(crate) fn keep_private(&mut self) {
        self.private = true;
    }

    fn removal(&self, entry: Option<&Entry>, view: &View<'_>) -> Result<Decision, HostError> {
        let what = match entry.map(|entry| &entry.kind) {
            None => return Ok(Decision::InPlace),
            Some(EntryKind::Dir) if self.recurse => "the directory and all that it holds",
            Some(EntryKind::Dir) => match view.holds(&self.path)? {
                Fate::Is(false) => "the directory, which is empty",
                Fate::Is(true) => {
                    return Ok(Decision::Blocked(format!(
                        "the directory {} is not empty; `recurse = true` removes all that it holds",
                        self.path
                    )));
                }
                Fate::Unknown(cause) => return Ok(Decision::Maybe(cause)),
            },
            Some(EntryKind::Symlink(_)) => "the link",
            Some(EntryKind::File { .. } | EntryKind::Special) => "",
        };
        let effect = Effect::Remove {
            path: self.path.clone(),
            recursive: self.recurse,
        };
        let action = Action::new(Verb::Delete, what, vec![effect]);
        Ok(Decision::Act(action))
    }

    fn creation(&self, view: &View<'_>) -> Result<Decision, HostError> {
        if self.dir {
            return self.new_directory(view);
        }
        match view.has_parent(&self.path)? {
            Fate::Is(true) => {}
            Fate::Unknown(cause) => return Ok(Decision::Maybe(cause)),
            Fate::Is(false) => return Ok(Decision::without_parent(&self.path)),
        }
        if let Some(to) = &self.symlink_to {
            let link = Effect::Link {
                path: self.path.clone(),
                to: to.clone(),
            };
            return Ok(Decision::Act(Action::new(
                Verb::Create,
                format!("-> {to}"),
                vec![link],
            )));
        }
        match self.wanted(view)? {
            Wanted::Content(content, secret) => {
                let file = self.write(content, secret);
                Ok(Decision::Act(Action::new(
                    Verb::Create,
                    self.born(if secret { 0o600 } else { 0o644 }),
                    vec![file],
                )))
            }
            Wanted::Anything => Ok(Decision::Blocked(format!(
                "{} does not exist, and this block gives it no content; add `content` or `source`",
                self.path
            ))),
        }
    }

    fn new_directory(&self, view: &View<'_>) -> Result<Decision, HostError> {
        let mut effects = vec![Effect::MakeDir {
            path: self.path.clone(),
            access: self.access(),
        }];
        for parent in std::iter::successors(self.path.parent(), AbsPath::parent) {
            match view.path(&parent)? {
                Fate::Is(Some(entry)) => match entry.kind {
                    EntryKind::Dir | EntryKind::Symlink(_) => break,
                    _ => return Ok(Decision::Blocked(format!("{parent} is not a directory"))),
                },
                Fate::Unknown(cause) => return Ok(Decision::Maybe(cause)),
                Fate::Is(None) => {
                    effects.insert(
                        0,
                        Effect::MakeDir {
                            path: parent,
                            access: Access::default(),
                        },
                    );
                }
            }
        }
        let words = format!("directory {}", self.born(0o755));
        let action = Action::new(Verb::Create, words, effects);
        let alone = self.purge || self.recurse;
        Ok(Decision::Act(Action { alone, ..action }))
    }

    fn change(&self, entry: &Entry, view: &View<'_>) -> Result<Decision, HostError> {
        let is = match &entry.kind {
            EntryKind::File { .. } => "a file",
            EntryKind::Dir => "a directory",
            EntryKind::Symlink(_) => "a symbolic link",
            EntryKind::Special => "a device, socket or FIFO",
        };
        let blocked = |wanted: &str| {
            Ok(Decision::Blocked(format!(
                "{} is {is} and not {wanted}; hpt replaces neither by the other: remove it first",
                self.path
            )))
        };
        match (&entry.kind, self.dir, &self.symlink_to) {
            (EntryKind::Dir, true, _) => self.change_directory(entry, view),
            (_, true, _) => blocked("a directory"),
            (EntryKind::Symlink(now), _, Some(to)) if now == to => Ok(Decision::InPlace),
            (EntryKind::Symlink(now), _, Some(to)) => {
                let link = Effect::Link {
                    path: self.path.clone(),
                    to: to.clone(),
                };
                let words = format!("{now} -> {to}");
                Ok(Decision::Act(Action::new(Verb::Update, words, vec![link])))
            }
            (_, _, Some(_)) => blocked("a symbolic link"),
            (EntryKind::File { size }, ..) => self.change_file(entry, *size, view),
            (EntryKind::Dir, ..) if matches!(self.wanted(view)?, Wanted::Anything) => {
                self.only_access(entry, view)
            }
            _ => blocked("a file"),
        }
    }
}

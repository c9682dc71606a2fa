//! What a file should hold, and whether it does.

use crate::block::file::File;
use crate::block::{Action, Decision, Verb};
use crate::config::scope::Rendered;
use crate::effect::{Access, Content, Effect, WriteFile};
use crate::host::overlay::Fate;
use crate::host::{Entry, EntryKind, HostError};
use crate::name::AbsPath;
use crate::view::View;

/// What the file should hold.
pub(super) enum Wanted {
    /// This, and whether a secret went into it.
    Content(Content, bool),
    /// Only owner, group and mode are asked for.
    Anything,
}

impl File {
    pub(super) fn change_file(
        &self,
        entry: &Entry,
        size: u64,
        view: &View<'_>,
    ) -> Result<Decision, HostError> {
        let (content, secret) = match self.wanted(view)? {
            Wanted::Content(content, secret) if self.overwrite != Some(false) => (content, secret),
            _ => return self.only_access(entry, view),
        };
        let same = size == content.size()
            && match view.hash(&self.path)? {
                Fate::Is(hash) => hash == Some(content.hash()),
                Fate::Unknown(cause) => return Ok(Decision::Maybe(cause)),
            };
        if same {
            return self.only_access(entry, view);
        }
        let mut effects = Vec::new();
        if self.backup {
            match self.keep_old(entry, size, view)? {
                Ok(effect) => effects.extend(effect),
                Err(decision) => return Ok(decision),
            }
        }
        effects.push(self.write(content, secret));
        Ok(Decision::Act(Action::new(Verb::Update, "content", effects)))
    }

    /// Writes what is there now beside it.
    fn keep_old(
        &self,
        entry: &Entry,
        size: u64,
        view: &View<'_>,
    ) -> Result<Result<Option<Effect>, Decision>, HostError> {
        let blocked = |why: String| Ok(Err(Decision::Blocked(why)));
        if size > 1 << 20 {
            return blocked(format!(
                "{} is longer than 1 MiB, of which hpt makes no backup",
                self.path
            ));
        }
        let Ok(path) = AbsPath::parse(&format!("{}.hpt-backup", self.path)) else {
            return blocked(format!("the name of a backup of {} is too long", self.path));
        };
        let old = match view.read(&self.path)? {
            Fate::Is(old) => old,
            Fate::Unknown(cause) => return Ok(Err(Decision::Maybe(cause))),
        };
        match view.path(&path)? {
            Fate::Unknown(cause) => return Ok(Err(Decision::Maybe(cause))),
            Fate::Is(Some(entry)) if !matches!(entry.kind, EntryKind::File { .. }) => {
                return blocked(format!("{path} is not a file; remove it first"));
            }
            Fate::Is(_) => {}
        }
        Ok(Ok(old.map(|bytes| {
            Effect::WriteFile(WriteFile {
                path,
                content: Content::Inline(bytes),
                access: Access {
                    mode: Some(entry.mode),
                    ..Access::default()
                },
                verify: None,
                secret: self.private || view.is_secret(&self.path),
            })
        })))
    }

    pub(super) fn write(&self, content: Content, secret: bool) -> Effect {
        let words = |v: &String| v.split_whitespace().map(ToOwned::to_owned).collect();
        Effect::WriteFile(WriteFile {
            path: self.path.clone(),
            content,
            access: self.access(),
            verify: self.verify.as_ref().map(words),
            secret,
        })
    }

    pub(super) fn wanted(&self, view: &View<'_>) -> Result<Wanted, HostError> {
        if let Some(text) = &self.content {
            return Ok(Wanted::Content(
                Content::Inline(text.as_bytes().into()),
                self.private,
            ));
        }
        if let Some(source) = &self.source {
            let blob = view
                .source(source)
                .ok_or_else(|| HostError::MissingBlob(source.to_string()))?;
            let content = Content::Blob {
                hash: blob.hash,
                size: blob.size,
                only: view.is_only_use(blob),
            };
            return Ok(Wanted::Content(content, self.private));
        }
        let Some(source) = &self.template else {
            return Ok(Wanted::Anything);
        };
        let missing = || HostError::MissingBlob(source.to_string());
        let blob = view.source(source).ok_or_else(missing)?;
        let bytes = view.blob(&blob.hash)?.ok_or_else(missing)?;
        let refuse = |why: String| HostError::Refused(format!("template {source}: {why}"));
        let text = std::str::from_utf8(&bytes).map_err(|_| refuse("it is not UTF-8".to_owned()))?;
        match view.render(text, &self.template_vars) {
            Ok(Rendered::Value { value, secret }) => {
                let text = match value {
                    toml::Value::String(text) => text,
                    other => other.to_string(), // a template that is one lone expression
                };
                Ok(Wanted::Content(
                    Content::Inline(text.into_bytes().into()),
                    secret || self.private,
                ))
            }
            Ok(Rendered::Late { .. }) => Err(refuse(
                "`result` goes into a template by `template_vars`".to_owned(),
            )),
            Ok(Rendered::Deferred { .. }) => {
                Err(refuse("its values are not known here".to_owned()))
            }
            Err(error) => Err(refuse(match error.line {
                Some(line) => format!("line {line}: {error}"),
                None => error.to_string(),
            })),
        }
    }
}

//! What a file should hold, and whether it does.

use crate::block::file::File;
use crate::block::{Action, Decision, Verb};
use crate::config::scope::Rendered;
use crate::effect::{Content, Effect, WriteFile};
use crate::host::overlay::Fate;
use crate::host::{Entry, HostError};
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
        let file = self.write(content, secret);
        Ok(Decision::Act(Action::new(
            Verb::Update,
            "content",
            vec![file],
        )))
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

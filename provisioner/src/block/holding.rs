//! What a block brings onto a host, and the block that would take it away again.

use crate::host::Key;

/// One thing that a block brings onto a host.
#[derive(Debug, Clone, PartialEq)]
pub struct Holding {
    /// What it is, first its own name; the others are part of it.
    pub claims: Vec<Key>,
    /// Which part of the first, where several blocks share that: a line of a file.
    pub part: Option<String>,
    /// What takes it away.
    pub remnant: Option<Remnant>,
}

/// A block that takes a thing away which another one made.
#[derive(Debug, Clone, PartialEq)]
pub struct Remnant {
    /// The word in its `[[...]]`.
    pub kind: &'static str,
    /// Its fields.
    pub fields: toml::Table,
}

impl Holding {
    /// A thing that nothing takes away.
    pub(super) fn of(claims: impl IntoIterator<Item = Key>) -> Self {
        Self {
            claims: claims.into_iter().collect(),
            part: None,
            remnant: None,
        }
    }

    /// Only this part of it.
    pub(super) fn part(self, part: impl Into<String>) -> Self {
        Self {
            part: Some(part.into()),
            ..self
        }
    }

    /// A block of this kind takes it away that has these fields.
    pub(super) fn gone_by<const N: usize>(
        self,
        kind: &'static str,
        fields: [(&str, toml::Value); N],
    ) -> Self {
        let named = fields.map(|(name, value)| (name.to_owned(), value));
        let fields = named.into_iter().collect();
        Self {
            remnant: Some(Remnant { kind, fields }),
            ..self
        }
    }

    /// A block of this kind takes it away that has these fields, and `absent = true`.
    pub(super) fn absent_by<const N: usize>(
        self,
        kind: &'static str,
        fields: [(&str, toml::Value); N],
    ) -> Self {
        let mut this = self.gone_by(kind, fields);
        if let Some(remnant) = &mut this.remnant {
            remnant.fields.insert("absent".to_owned(), true.into());
        }
        this
    }
}

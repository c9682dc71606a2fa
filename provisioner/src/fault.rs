//! What is wrong with a config: what, where, why, what next. The words are whole sentences; how
//! they are laid out around the source line is the terminal's business.

use std::ops::Range;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Nothing is contacted or changed.
    Error,
    /// The config works, but not for ever or not as its writer may think.
    Warning,
}

/// One thing wrong with a config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Error or warning.
    pub severity: Severity,
    /// What is wrong, in lower case and without a full stop: "there is no block named `grupp`".
    pub what: String,
    /// Where; `None` for a fault of the whole.
    pub place: Option<Place>,
    /// A few words beside the place: "did you mean `status`?".
    pub label: Option<String>,
    /// A second place that explains the first, with its own words.
    pub other: Option<(Place, String)>,
    /// What to do next.
    pub hint: Option<String>,
}

impl Fault {
    /// An error of the whole.
    pub fn anywhere(what: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            what: what.into(),
            place: None,
            label: None,
            other: None,
            hint: None,
        }
    }

    /// An error at a place.
    pub fn error(what: impl Into<String>, place: Place) -> Self {
        Self {
            place: Some(place),
            ..Self::anywhere(what)
        }
    }

    /// A warning at a place.
    pub fn warning(what: impl Into<String>, place: Place) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(what, place)
        }
    }

    /// With words beside the place.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// With what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With a second place.
    #[must_use]
    pub fn other(mut self, place: Place, label: impl Into<String>) -> Self {
        self.other = Some((place, label.into()));
        self
    }

    /// Whether it forbids going on.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// A stretch of one of a config's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Index into the list of files that were given.
    pub file: usize,
    /// Bytes of that file's text.
    pub span: Range<usize>,
}

impl Place {
    /// What places sort by: as they are read.
    pub fn order(&self) -> (usize, usize, usize) {
        (self.file, self.span.start, self.span.end)
    }

    /// The 1-based line and column at which it begins, given the file's text. A column counts
    /// characters, as editors do.
    pub fn line_column(&self, text: &str) -> (usize, usize) {
        let before = text.get(..self.span.start).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        (
            before.matches('\n').count() + 1,
            before[line_start..].chars().count() + 1,
        )
    }
}

/// Where the lines of a text begin, for those who ask about many places.
pub(crate) struct Lines(Vec<usize>);

impl Lines {
    /// Finds the lines of a text.
    pub(crate) fn new(text: &str) -> Self {
        let after = text
            .bytes()
            .enumerate()
            .filter(|(_, byte)| *byte == b'\n')
            .map(|(i, _)| i + 1);
        Self(std::iter::once(0).chain(after).collect())
    }

    /// The 1-based line in which a byte lies.
    pub(crate) fn of(&self, byte: usize) -> usize {
        self.0.partition_point(|start| *start <= byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_from_one() {
        let text = "a\nüb = 1\n";
        let at = |start| {
            Place {
                file: 0,
                span: start..start,
            }
            .line_column(text)
        };
        assert_eq!(at(0), (1, 1));
        assert_eq!(at(2), (2, 1));
        assert_eq!(at(4), (2, 2));
        assert_eq!(at(999), (3, 1));
        let lines = Lines::new(text);
        assert_eq!(
            [0, 1, 2, 7, 999].map(|byte| lines.of(byte)),
            [1, 1, 2, 2, 3]
        );
    }
}

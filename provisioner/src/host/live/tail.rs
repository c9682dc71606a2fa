//! The last of what a tool says: kept within bounds, for the words of an error.

use std::collections::VecDeque;

use super::command::{End, Spawn};
use crate::host::{HostError, Stream};

/// Bytes that are kept.
const MOST: usize = 256 << 10;

/// Lines that an error repeats.
const LINES: usize = 8;

/// The end of an output, both streams as they came.
#[derive(Default)]
pub(super) struct Tail(VecDeque<u8>);

impl Tail {
    /// Adds what came.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
        let over = self.0.len().saturating_sub(MOST);
        self.0.drain(..over);
    }

    /// All that is kept, as text.
    pub(super) fn text(&self) -> String {
        let (a, b) = self.0.as_slices();
        String::from_utf8_lossy(&[a, b].concat()).into_owned()
    }

    /// The last few lines that say something.
    pub(super) fn last_lines(&self) -> String {
        let text = self.text();
        let mut lines: Vec<&str> = text
            .lines()
            .rev()
            .map(str::trim_end)
            .filter(|l| !l.is_empty())
            .take(LINES)
            .collect();
        lines.reverse();
        lines.join("\n")
    }
}

impl Spawn {
    /// Runs a tool that must exit 0, and answers with what it said at the end.
    ///
    /// Any other end is an error that repeats its last lines.
    pub(super) fn succeed(&self, hear: &mut dyn FnMut(Stream, &[u8])) -> Result<Tail, HostError> {
        let (end, tail) = self.listen(hear)?;
        if end == End::Exit(0) {
            Ok(tail)
        } else {
            Err(self.failed(describe(end, &tail)))
        }
    }

    /// Runs a tool to its end, whichever, and keeps what it said at the end.
    pub(super) fn listen(
        &self,
        hear: &mut dyn FnMut(Stream, &[u8]),
    ) -> Result<(End, Tail), HostError> {
        let mut tail = Tail::default();
        let end = self.run(&mut |stream, bytes| {
            tail.push(bytes);
            hear(stream, bytes);
        })?;
        Ok((end, tail))
    }
}

/// How a tool ended, and its last words.
pub(super) fn describe(end: End, tail: &Tail) -> String {
    let last = tail.last_lines();
    if last.is_empty() {
        end.to_string()
    } else {
        format!("{end}: {last}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_repeats_the_last_lines() {
        let error =
            Spawn::tool("/bin/sh", ["-c", "seq 20; echo why >&2; exit 4"]).succeed(&mut |_, _| {});
        let words = error.err().unwrap().to_string();
        assert!(
            words.starts_with("/bin/sh exited with 4: ") && words.ends_with("why"),
            "{words}"
        );
        assert_eq!(words.lines().count(), LINES);
    }

    #[test]
    fn the_tail_is_bounded() {
        let mut tail = Tail::default();
        (0..100).for_each(|_| tail.push(&[b'x'; 10_000]));
        assert_eq!(tail.text().len(), MOST);
    }
}

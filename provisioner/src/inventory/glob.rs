//! Names with `*`, `?` and ranges such as `web-[01..20]` in them.

use std::fmt;
use std::ops::RangeInclusive;

/// The most names that one range stands for.
const MOST: u64 = 100_000;

/// A name, or many that look alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// This.
    Text(String),
    /// `?`
    One,
    /// `*`
    Many,
    /// `[1..20]`; with so many digits at least.
    Range(RangeInclusive<u64>, usize),
}

/// Why a text is no range of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadGlob {
    /// A bracket stands alone.
    #[error("a range is written as `[1..20]`")]
    Range,
    /// It goes down.
    #[error("a range goes from its smaller number to its greater one")]
    Down,
    /// It is too long.
    #[error("a range has 100,000 numbers at most")]
    Long,
}

impl Glob {
    /// Reads a name. What may stand in one is not judged here.
    ///
    /// # Errors
    /// [`BadGlob`], about a range in it.
    pub fn parse(text: &str) -> Result<Self, BadGlob> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let part = match c {
                '*' => Part::Many,
                '?' => Part::One,
                '[' => {
                    let (range, after) = rest[1..].split_once(']').ok_or(BadGlob::Range)?;
                    rest = after;
                    push(&mut parts, &mut plain, range_of(range)?);
                    continue;
                }
                ']' => return Err(BadGlob::Range),
                c => {
                    plain.push(c);
                    rest = &rest[c.len_utf8()..];
                    continue;
                }
            };
            rest = &rest[1..];
            push(&mut parts, &mut plain, part);
        }
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        let text = text.to_owned();
        Ok(Self { text, parts })
    }

    /// Whether it is one name, as it is written.
    pub fn is_plain(&self) -> bool {
        matches!(&self.parts[..], [Part::Text(_)] | [])
    }

    /// Whether a name looks like it.
    pub fn matches(&self, name: &str) -> bool {
        matches(&self.parts, name)
    }

    /// All names that it stands for, in the order of its numbers; `None` if nobody can tell, for it has a
    /// `*` or `?`.
    pub fn names(&self) -> Option<Vec<String>> {
        let mut names = vec![String::new()];
        for part in &self.parts {
            names = match part {
                Part::Text(text) => names.into_iter().map(|name| name + text).collect(),
                Part::Range(range, digits) => {
                    let each = |name: String| {
                        let digits = *digits;
                        range.clone().map(move |n| format!("{name}{n:0digits$}"))
                    };
                    names.into_iter().flat_map(each).take(bound()).collect()
                }
                Part::One | Part::Many => return None,
            };
        }
        Some(names)
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn bound() -> usize {
    usize::try_from(MOST).unwrap_or(usize::MAX)
}

fn push(parts: &mut Vec<Part>, plain: &mut String, part: Part) {
    if !plain.is_empty() {
        parts.push(Part::Text(std::mem::take(plain)));
    }
    // Two stars are one, and take no longer to match.
    if part != Part::Many || parts.last() != Some(&Part::Many) {
        parts.push(part);
    }
}

fn range_of(text: &str) -> Result<Part, BadGlob> {
    let (from, to) = text.split_once("..").ok_or(BadGlob::Range)?;
    let number = |text: &str| -> Result<u64, BadGlob> {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number
            .then(|| text.parse().ok())
            .flatten()
            .ok_or(BadGlob::Range)
    };
    let (first, last) = (number(from)?, number(to)?);
    if last < first {
        return Err(BadGlob::Down);
    }
    if last - first >= MOST {
        return Err(BadGlob::Long);
    }
    // `[01..20]` has two digits everywhere.
    let digits = if from.starts_with('0') { from.len() } else { 1 };
    Ok(Part::Range(first..=last, digits))
}

fn matches(parts: &[Part], name: &str) -> bool {
    let Some((part, rest)) = parts.split_first() else {
        return name.is_empty();
    };
    match part {
        Part::Text(text) => name
            .strip_prefix(text.as_str())
            .is_some_and(|name| matches(rest, name)),
        Part::One => {
            let mut chars = name.chars();
            chars.next().is_some() && matches(rest, chars.as_str())
        }
        Part::Many => {
            let mut from = name.char_indices().map(|(at, _)| at).chain([name.len()]);
            from.any(|at| matches(rest, &name[at..]))
        }
        Part::Range(range, digits) => {
            let numbers = name.bytes().take_while(u8::is_ascii_digit).count();
            // As the number was written, and not a part of a longer one that is meant otherwise.
            (1..=numbers).rev().any(|end| {
                let (number, after) = name.split_at(end);
                let is_in = number.parse().is_ok_and(|n: u64| {
                    range.contains(&n) && format!("{n:0digits$}", digits = *digits) == number
                });
                is_in && matches(rest, after)
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glob(text: &str) -> Glob {
        Glob::parse(text).unwrap_or_else(|why| panic!("{text}: {why}"))
    }

    #[test]
    fn names_match_as_they_are_written() {
        for (pattern, yes, no) in [
            ("web1", &["web1"][..], &["web11", "web", "aweb1", ""][..]),
            ("web-*", &["web-", "web-1", "web-a.b"], &["web", "db-1"]),
            ("*-db", &["a-db", "-db", "x-db-db"], &["a-dbx", "db"]),
            ("w?b", &["web", "wxb"], &["wb", "weeb"]),
            ("*", &["a", ""], &[]),
            ("a**b*c", &["abc", "axxbyyc"], &["ab", "acb"]),
            (
                "web-[1..20]",
                &["web-1", "web-20"],
                &["web-0", "web-21", "web-01", "web-x", "web-"],
            ),
            ("n[08..11]x", &["n08x", "n11x"], &["n8x", "n12x", "n008x"]),
            ("[1..2][0..9]", &["10", "29"], &["30", "1", "100"]),
        ] {
            let glob = glob(pattern);
            for name in yes {
                assert!(glob.matches(name), "{pattern} {name}");
            }
            for name in no {
                assert!(!glob.matches(name), "{pattern} {name}");
            }
        }
    }

    #[test]
    fn a_range_stands_for_its_names() {
        assert_eq!(
            glob("web-[8..11]").names().unwrap(),
            ["web-8", "web-9", "web-10", "web-11"]
        );
        assert_eq!(
            glob("a[01..02]-[1..2]").names().unwrap(),
            ["a01-1", "a01-2", "a02-1", "a02-2"]
        );
        assert_eq!(glob("web1").names().unwrap(), ["web1"]);
        assert_eq!(glob("web*").names(), None);
        let most = glob("[1..100000][1..100000]").names().unwrap();
        assert_eq!(most.len(), 100_000, "and no more, whatever is multiplied");
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for (text, why) in [
            ("web[", BadGlob::Range),
            ("web]", BadGlob::Range),
            ("web[1]", BadGlob::Range),
            ("web[a..b]", BadGlob::Range),
            ("web[1..]", BadGlob::Range),
            ("web[-1..2]", BadGlob::Range),
            ("web[2..1]", BadGlob::Down),
            ("web[0..100000]", BadGlob::Long),
            ("web[0..99999999999999999999999]", BadGlob::Range),
        ] {
            assert_eq!(Glob::parse(text), Err(why), "{text}");
        }
    }
}

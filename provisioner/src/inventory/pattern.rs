//! Which targets are meant: `web-*`, `tag:prod & !web-3`, `@file`.

use std::collections::BTreeSet;

use super::glob::{BadGlob, Glob};

/// How deep brackets go.
const DEEPEST: usize = 32;

/// A pattern of targets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    root: Node,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    /// One of these.
    Any(Vec<Node>),
    /// All of these.
    All(Vec<Node>),
    Not(Box<Node>),
    Name(Glob),
    Tag(Glob),
    Group(Glob),
    /// These names, of a file.
    Listed(BTreeSet<String>),
}

/// What a pattern is held against.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The target's name.
    pub name: &'a str,
    /// Its tags.
    pub tags: &'a BTreeSet<String>,
    /// Its groups.
    pub groups: &'a BTreeSet<String>,
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}, at character {at}")]
pub struct BadPattern {
    /// The reason.
    pub what: String,
    /// Where, from 1.
    pub at: usize,
}

/// Gives the names in the file that `@file` names, or says why not.
pub type ReadList<'a> = &'a mut dyn FnMut(&str) -> Result<BTreeSet<String>, String>;

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`BadPattern`].
    pub fn parse(text: &str, read: ReadList<'_>) -> Result<Self, BadPattern> {
        let mut parser = Parser {
            text,
            at: 0,
            depth: 0,
            read,
        };
        let root = parser.any()?;
        match parser.peek() {
            None => Ok(Self {
                text: text.to_owned(),
                root,
            }),
            Some(')') => Err(parser.bad("there is no `(` for this `)`")),
            Some(_) => Err(parser.bad("`&` or `|` is missing before this")),
        }
    }

    /// Whether a target is meant.
    pub fn matches(&self, known: Known<'_>) -> bool {
        self.root.matches(known)
    }

    /// The names that it has as they are, without `*`, each of which must be a target's.
    pub fn plain_names(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        self.root.plain_names(&mut names);
        names
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl Node {
    fn matches(&self, known: Known<'_>) -> bool {
        let is_among =
            |set: &BTreeSet<String>, glob: &Glob| set.iter().any(|one| glob.matches(one));
        match self {
            Self::Any(nodes) => nodes.iter().any(|node| node.matches(known)),
            Self::All(nodes) => nodes.iter().all(|node| node.matches(known)),
            Self::Not(node) => !node.matches(known),
            Self::Name(glob) => glob.matches(known.name),
            Self::Tag(glob) => is_among(known.tags, glob),
            Self::Group(glob) => is_among(known.groups, glob),
            Self::Listed(names) => names.contains(known.name),
        }
    }

    fn plain_names(&self, names: &mut BTreeSet<String>) {
        match self {
            Self::Any(nodes) | Self::All(nodes) => {
                for node in nodes {
                    node.plain_names(names);
                }
            }
            Self::Not(node) => node.plain_names(names),
            Self::Name(glob) if glob.is_plain() => drop(names.insert(glob.to_string())),
            Self::Listed(listed) => names.extend(listed.iter().cloned()),
            Self::Name(_) | Self::Tag(_) | Self::Group(_) => {}
        }
    }
}

/// Reads a pattern from left to right; `&` binds closer than `|`, and `!` closest.
struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    read: ReadList<'a>,
}

impl Parser<'_> {
    fn any(&mut self) -> Result<Node, BadPattern> {
        let mut nodes = vec![self.all()?];
        while self.takes('|') || self.takes(',') {
            nodes.push(self.all()?);
        }
        Ok(one_or(nodes, Node::Any))
    }

    fn all(&mut self) -> Result<Node, BadPattern> {
        let mut nodes = vec![self.one()?];
        while self.takes('&') {
            nodes.push(self.one()?);
        }
        Ok(one_or(nodes, Node::All))
    }

    fn one(&mut self) -> Result<Node, BadPattern> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.bad("this is too deep"));
        }
        let node = if self.takes('!') {
            Node::Not(Box::new(self.one()?))
        } else if self.takes('(') {
            let node = self.any()?;
            if !self.takes(')') {
                return Err(self.bad("a `)` is missing here"));
            }
            node
        } else {
            self.word()?
        };
        self.depth -= 1;
        Ok(node)
    }

    fn word(&mut self) -> Result<Node, BadPattern> {
        self.peek();
        let ends = |c: char| c.is_whitespace() || "&|,!()".contains(c);
        let rest = &self.text[self.at..];
        let word = &rest[..rest.find(ends).unwrap_or(rest.len())];
        if word.is_empty() {
            return Err(self.bad("a name, tag:NAME, group:NAME or @FILE is missing here"));
        }
        let node = if let Some(path) = word.strip_prefix('@') {
            let listed = (self.read)(path);
            Node::Listed(listed.map_err(|why| self.bad(&why))?)
        } else if let Some(name) = word.strip_prefix("tag:") {
            Node::Tag(self.glob(name)?)
        } else if let Some(name) = word.strip_prefix("group:") {
            Node::Group(self.glob(name)?)
        } else {
            Node::Name(self.glob(word)?)
        };
        self.at += word.len();
        Ok(node)
    }

    fn glob(&self, name: &str) -> Result<Glob, BadPattern> {
        let good = |c: char| c.is_ascii_alphanumeric() || "._-*?[]".contains(c);
        if name.is_empty() {
            return Err(self.bad("there is no name behind this"));
        }
        if let Some(c) = name.chars().find(|c| !good(*c)) {
            return Err(self.bad(&format!("no name has {c:?} in it")));
        }
        Glob::parse(name).map_err(|why: BadGlob| self.bad(&why.to_string()))
    }

    /// The next character that is no space.
    fn peek(&mut self) -> Option<char> {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
        self.text[self.at..].chars().next()
    }

    fn takes(&mut self, wanted: char) -> bool {
        let is_there = self.peek() == Some(wanted);
        self.at += if is_there { wanted.len_utf8() } else { 0 };
        is_there
    }

    fn bad(&self, what: &str) -> BadPattern {
        BadPattern {
            what: what.to_owned(),
            at: self.text[..self.at].chars().count() + 1,
        }
    }
}

fn one_or(mut nodes: Vec<Node>, many: fn(Vec<Node>) -> Node) -> Node {
    match nodes.len() {
        1 => nodes.remove(0),
        _ => many(nodes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(words: &str) -> BTreeSet<String> {
        words.split_whitespace().map(str::to_owned).collect()
    }

    fn parse(text: &str) -> Result<Pattern, BadPattern> {
        Pattern::parse(text, &mut |path| match path {
            "list" => Ok(set("web-3 db-1")),
            _ => Err(format!("cannot read {path}")),
        })
    }

    /// The names that are meant, of three web hosts and one database.
    fn meant(text: &str) -> String {
        let pattern = parse(text).unwrap_or_else(|why| panic!("{text}: {why}"));
        let hosts = [
            ("web-1", "prod", "web all"),
            ("web-2", "prod canary", "web all"),
            ("web-3", "test", "web all"),
            ("db-1", "prod", "all"),
        ];
        let meant = hosts.into_iter().filter(|(name, tags, groups)| {
            let (tags, groups) = (set(tags), set(groups));
            let (tags, groups) = (&tags, &groups);
            pattern.matches(Known { name, tags, groups })
        });
        meant.map(|(name, ..)| name).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_pattern_means_what_it_says() {
        for (pattern, names) in [
            ("web-1", "web-1"),
            ("web-*", "web-1 web-2 web-3"),
            ("web-[2..3]", "web-2 web-3"),
            ("*", "web-1 web-2 web-3 db-1"),
            ("tag:prod", "web-1 web-2 db-1"),
            ("tag:prod & !web-1", "web-2 db-1"),
            ("tag:prod&group:web", "web-1 web-2"),
            ("!tag:prod", "web-3"),
            ("web-1 | db-*", "web-1 db-1"),
            ("web-1,db-1", "web-1 db-1"),
            ("@list", "web-3 db-1"),
            ("@list & web-*", "web-3"),
            ("(web-1 | db-1) & tag:canary", ""),
            ("web-1 | db-1 & tag:canary", "web-1"),
            ("!(web-1 | web-2)", "web-3 db-1"),
            ("!!web-1", "web-1"),
            ("tag:ca*", "web-2"),
        ] {
            assert_eq!(meant(pattern), names, "{pattern}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_told_with_its_place() {
        for (pattern, at, what) in [
            ("", 1, "a name, tag:NAME"),
            ("web-1 &", 8, "a name, tag:NAME"),
            ("web-1 web-2", 7, "is missing before this"),
            ("(web-1", 7, "a `)` is missing"),
            ("web-1)", 6, "there is no `(`"),
            ("tag:", 1, "there is no name behind this"),
            ("web/1", 1, "no name has '/' in it"),
            ("a | web-[1]", 5, "a range is written as"),
            ("a | @nothing", 5, "cannot read nothing"),
            ("\u{fc}", 1, "no name has"),
        ] {
            let bad = parse(pattern).unwrap_err();
            assert!(bad.what.contains(what), "{pattern}: {bad}");
            assert_eq!(bad.at, at, "{pattern}: {bad}");
        }
        let deep = "(".repeat(10_000);
        assert!(parse(&deep).unwrap_err().what.contains("too deep"));
        let deep = "!".repeat(10_000);
        assert!(parse(&deep).unwrap_err().what.contains("too deep"));
    }

    #[test]
    fn names_that_must_be_there_are_told() {
        let pattern = parse("web-1 | !db-9 & tag:x | web-* | @list").unwrap();
        assert_eq!(pattern.plain_names(), set("web-1 db-9 web-3 db-1"));
        assert_eq!(pattern.as_str(), "web-1 | !db-9 & tag:x | web-* | @list");
    }
}

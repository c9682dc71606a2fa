//! A config's text as its faults show it: values that only a secret can have are blotted out, also
//! where the text is no proper TOML, since that is when it is shown (S1).

use std::ops::Range;

use hpt_provisioner::source::holds_password;
use toml_parser::Source;
use toml_parser::lexer::{Token, TokenKind};
use toml_parser::parser::{Event, EventKind, RecursionGuard, parse_document};

/// Fields whose values are secrets or hold them, besides those that sound so.
const PRIVATE: [&str; 3] = ["key", "stdin", "env"];

/// What of a block that is `sensitive` may be shown all the same.
const PLAIN: [&str; 9] = [
    "absent",
    "after",
    "desc",
    "dir",
    "id",
    "mode",
    "name",
    "path",
    "sensitive",
];

/// What is nested deeper is not taken apart, so that no text exhausts the stack.
const DEPTH: u32 = 80;

const QUOTES: [char; 2] = ['"', '\''];

/// The same text, byte for byte as long, with stars for what nobody should see.
pub(super) fn veiled(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for span in secrets(text) {
        for byte in bytes[span].iter_mut().filter(|byte| **byte != b'\n') {
            *byte = b'*';
        }
    }
    String::from_utf8(bytes).expect("whole values were replaced")
}

/// Where the secrets stand.
fn secrets(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut reader = Reader {
        text,
        path: Vec::new(),
        open: vec![0],
        last: None,
        is_key: false,
        sensitive: vec![false],
        secrets: Vec::new(),
        perhaps: Vec::new(),
    };
    let events = events(text);
    for (at, event) in events.iter().enumerate() {
        reader.read(*event, &events[at + 1..]);
    }
    let perhaps = reader.perhaps.into_iter();
    let also = perhaps.filter_map(move |(block, span)| reader.sensitive[block].then_some(span));
    reader.secrets.into_iter().chain(also)
}

/// All that the parser meets but white space. It gets the text in parts that begin with a header,
/// else a bracket that was left open would swallow all blocks below.
fn events(text: &str) -> Vec<Event> {
    let tokens = Source::new(text).lex().into_vec();
    let mut events = Vec::new();
    let mut rest = &tokens[..];
    while !rest.is_empty() {
        let end = (1..rest.len()).find(|at| begins_header(&rest[at - 1..]));
        let (part, below) = rest.split_at(end.unwrap_or(rest.len()));
        parse_document(part, &mut RecursionGuard::new(&mut events, DEPTH), &mut ());
        rest = below;
    }
    events.retain(|event| event.kind() != EventKind::Whitespace);
    events
}

/// Whether a new line begins with `[word` or `[[word`: no array holds bare words.
fn begins_header(tokens: &[Token]) -> bool {
    let kinds = tokens.iter().map(Token::kind);
    let mut kinds = kinds.filter(|kind| *kind != TokenKind::Whitespace);
    kinds.next() == Some(TokenKind::Newline)
        && kinds.next() == Some(TokenKind::LeftSquareBracket)
        && kinds.find(|kind| *kind != TokenKind::LeftSquareBracket) == Some(TokenKind::Atom)
}

struct Key<'a> {
    name: &'a str,
    /// It, or one before it in the path, is a field for secrets.
    private: bool,
}

/// Tells values from keys; in doubt a word is a value, and of the private key above it.
struct Reader<'a> {
    text: &'a str,
    /// The block's name, then the keys within, outermost first.
    path: Vec<Key<'a>>,
    /// How long the path was where each array or table around began; nothing within a header.
    open: Vec<usize>,
    last: Option<EventKind>,
    /// The dotted words being read are a key.
    is_key: bool,
    /// Whether each block so far is.
    sensitive: Vec<bool>,
    secrets: Vec<Range<usize>>,
    /// With their blocks, values that are secrets if that is sensitive.
    perhaps: Vec<(usize, Range<usize>)>,
}

impl<'a> Reader<'a> {
    fn read(&mut self, event: Event, below: &[Event]) {
        use EventKind::{
            ArrayClose, ArrayOpen, ArrayTableOpen, Comment, Error, InlineTableClose,
            InlineTableOpen, KeySep, Newline, Scalar, SimpleKey, StdTableOpen,
        };
        let last = self.last.replace(event.kind());
        let next = below.first().map(Event::kind);
        let dotted = last == Some(KeySep);
        if self.open.is_empty() && !matches!(event.kind(), SimpleKey | KeySep) {
            self.end_header();
        }
        match event.kind() {
            StdTableOpen | ArrayTableOpen => self.open.clear(),
            ArrayOpen | InlineTableOpen => self.open.push(self.path.len()),
            ArrayClose | InlineTableClose if self.open.len() > 1 => {
                self.path.truncate(self.open.pop().unwrap_or_default());
            }
            SimpleKey => {
                if !dotted {
                    self.is_key = self.open.is_empty() || self.begins_value(below);
                }
                if self.is_key && !event.span().is_empty() {
                    self.key(event, dotted);
                } else {
                    self.stray(event, dotted);
                }
            }
            // In an array left open, the keys below are values with an error behind or no quotes.
            Scalar if next == Some(Error) || self.is_private_name(event) => {
                self.stray(event, false);
            }
            Scalar => self.value(event),
            Error => {
                self.stray(event, false);
                if matches!(self.word(event), "[" | "{") {
                    self.open.push(self.path.len());
                }
            }
            // Where a quote is missing, `#` may be part of the value.
            Comment if last.is_some_and(|last| last != Newline) => self.value(event),
            _ => {}
        }
    }

    /// `[exec.env]` belongs to the block above it.
    fn end_header(&mut self) {
        let above = self.sensitive.last() == Some(&true);
        self.sensitive.push(above && self.path.len() > 1);
        self.open.push(self.path.len());
    }

    /// `=` and something behind it follow, after what else there is of a dotted key.
    fn begins_value(&self, below: &[Event]) -> bool {
        let is_key =
            |event: &&Event| matches!(event.kind(), EventKind::SimpleKey | EventKind::KeySep);
        let mut after = below.iter().skip_while(is_key);
        after.next().map(Event::kind) == Some(EventKind::KeyValSep)
            && after.next().is_some_and(|value| match value.kind() {
                EventKind::Scalar => !self.word(*value).is_empty(),
                kind => matches!(kind, EventKind::ArrayOpen | EventKind::InlineTableOpen),
            })
    }

    fn word(&self, event: Event) -> &'a str {
        self.text[event.span().start()..event.span().end()].trim_matches(QUOTES)
    }

    fn key(&mut self, event: Event, dotted: bool) {
        if !dotted {
            let around = self.open.last().copied().unwrap_or_default();
            self.path.truncate(around);
        }
        let name = self.word(event);
        let private = self.path.last().is_some_and(|key| key.private) || is_private(name);
        self.path.push(Key { name, private });
    }

    /// A word that is neither a value nor a key with one: the rest of a secret, or a key after all.
    fn stray(&mut self, event: Event, dotted: bool) {
        if !self.in_private() {
            self.key(event, dotted);
            if self.is_private_name(event) {
                return;
            }
        }
        self.value(event);
    }

    fn is_private_name(&self, event: Event) -> bool {
        let of_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let word = self.word(event);
        event.encoding().is_none() && word.chars().all(of_name) && is_private(word)
    }

    fn value(&mut self, event: Event) {
        let block = self.sensitive.len() - 1;
        let span = event.span().start()..event.span().end();
        if self.path.last().is_some_and(|key| key.name == "sensitive") {
            self.sensitive[block] |= self.word(event) != "false";
        }
        if self.in_private() || may_hold_password(self.word(event)) {
            self.secrets.push(span);
        } else if !matches!(&self.path[..], [_, key] if PLAIN.contains(&key.name)) {
            self.perhaps.push((block, span));
        }
    }

    fn in_private(&self) -> bool {
        let is_file =
            self.path.len() == 3 && self.path[0].name == "secret" && self.path[2].name == "file";
        !is_file && self.path.last().is_some_and(|key| key.private)
    }
}

/// Whether a URL, be it a wrong one, has a password in it: what is between `://` and the last `@`.
fn may_hold_password(url: &str) -> bool {
    let login = url
        .split_once("://")
        .and_then(|(_, rest)| rest.rsplit_once('@'));
    holds_password(url) || login.is_some_and(|(login, _)| login.contains(':'))
}

/// A field whose values are secrets: `password`, `password_hash`, and how they are misspelled.
fn is_private(key: &str) -> bool {
    let mut words = ["password", "password_hash"].iter();
    PRIVATE.contains(&key)
        || ["passw", "token", "secret"]
            .iter()
            .any(|part| key.contains(part))
        || words.any(|word| strsim::jaro_winkler(key, word) > 0.85)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each holds SECRET where nobody should see it.
    const SECRETS: [&str; 16] = [
        "password = \"SECRET\"",
        "passwrod = 'SECRET'",
        "[[user]]\npassword_hash = SECRET\n",
        "password = \"SECRET\nx = 1",
        "password = \"SECRET\\\"SECRET\"",
        "password = \"\"\"SECRET\nSECRET",
        "a = [{ b = 1, password = \"SECRET\" }]",
        "password = [\n \"x\", # y\n \"SECRET\"\n]\n",
        "env = { A = \"SECRET\", B = \"SECRET\" }",
        "[exec.env]\nA = \"SECRET\"",
        "[secret.db]\nvalue = \"SECRET\"",
        "[secret]\ndb = \"SECRET\"",
        "secret = { db = \"SECRET\" }",
        "secret.db.value = \"SECRET\"",
        "[[file]]\ncontent = \"SECRET\"\nsensitive = true",
        "[[clone]]\nurl = \"https://ana:SECRET@h/x\"",
    ];

    /// The same, with quotes, signs and brackets that are missing or too many.
    const BROKEN: [&str; 14] = [
        "password = a SECRET#SECRET",
        "password = 'it's SECRET'",
        "password =\n\"SECRET\"",
        "password \"SECRET\" #SECRET",
        "key = \"-----BEGIN\nSECRET SECRET\nSECRET==\n-----END\"\n",
        "[[user\npassword = \"SECRET\"",
        "[[user]] password = \"SECRET\"",
        "tags = [\"a\"\npassword = \"SECRET\"",
        "tags = [\"a\", { b = 1\n[secret.db]\nvalue = \"SECRET\"\n[exec.env]\nA = \"SECRET\"",
        "[secret.db]\nfile = \"x\"\nvalue \"SECRET\"",
        "[[file]]\nsensitive = true\npath = \"/x\" content = \"SECRET\"",
        "[[exec]]\nenv = { A = {{ x }}, B = \"SECRET\" }",
        "env = { A = \"x\" ], B = \"SECRET\" }",
        "url https://ana:SECRET-token@h/x",
    ];

    fn assert_veiled(text: &str) {
        let shown = veiled(text);
        assert!(!shown.contains("SE"), "{text}\n{shown}");
        assert_eq!(shown.len(), text.len());
    }

    #[test]
    fn what_only_a_secret_can_be_is_blotted_out() {
        for text in SECRETS.into_iter().chain(BROKEN) {
            assert_veiled(text);
        }
    }

    #[test]
    fn a_text_cut_off_anywhere_shows_no_part_of_a_secret() {
        for text in SECRETS.into_iter().chain(BROKEN) {
            // In these, what tells that it is a secret stands behind it.
            if text.ends_with("sensitive = true") || text.contains('@') {
                continue;
            }
            for end in 0..text.len() {
                assert_veiled(&text[..end]);
            }
        }
    }

    #[test]
    fn a_sign_that_is_missing_shows_no_secret() {
        for text in SECRETS {
            for (at, sign) in text.match_indices(['"', '\'', '=', ']', '{', '}', ',', '\n', '\\']) {
                assert_veiled(&(text[..at].to_owned() + &text[at + sign.len()..]));
            }
        }
    }

    #[test]
    fn no_depth_exhausts_the_stack() {
        let brackets = "[".repeat(100_000);
        assert_veiled(&format!("password = {brackets}\"SECRET\""));
    }

    #[test]
    fn everything_else_stays() {
        for text in [
            "[[file]]\npath = \"/x\" # a comment\ncontent = \"password = x\"\nmode = 0600\n",
            "[secret.db]\nfile = \"path\"\n[[file]]\npath = \"/x\"\n",
            "[[clone]]\nurl = \"ssh://git@h/x\"\nkeys = 1\n",
            "[[exec]]\nscript = '''\necho \"x\" '''\nargs = [\"a\", 'b', { c = 1 }]\n",
            "[[user]]\npassword \nname = \"x\" y\n[x\nuid 7 # z\n",
            "x = [\n[\"a\"],\n[1, 2], 3\n]\ny = {{ z }}\n",
            "\u{feff}é = \"ü\"\n]}=,#\n",
            "a = \"x",
        ] {
            assert_eq!(veiled(text), text);
        }
    }
}

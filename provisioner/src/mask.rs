//! Takes the known secrets out of what a command wrote, before it is kept or shown (S3).

mod form;

use zeroize::Zeroizing;

use self::form::{Form, Look};
use crate::secret::Secret;

/// What stands in a secret's place.
const STAND_IN: &[u8] = b"[secret]";

/// Secrets shorter than this are not looked for: they would blot out ordinary words.
const SHORTEST: usize = 4;

/// Masks one stream; a secret that is split across writes is found too, and so is one that was
/// encoded: in base64 wherever it stood, in hexadecimal digits, or for a URL.
pub(crate) struct Mask {
    /// The longest first.
    forms: Vec<Form>,
    /// The forms by the two bytes with which they begin, sorted.
    starts: Vec<([u8; 2], usize)>,
    /// A bit for each pair of bytes with which a form begins: most places of a text are none.
    is_start: Vec<u64>,
    held: Zeroizing<Vec<u8>>,
    /// How many characters of what may be an encoded text were shown last.
    run: usize,
}

/// The bit of a pair of bytes: which word, and which of its bits.
fn bit([first, second]: [u8; 2]) -> (usize, u64) {
    let word = usize::from(first) * 4 + usize::from(second >> 6);
    (word, 1 << (second & 63))
}

impl Mask {
    /// A mask for these secrets; each line of one that has several is a secret too, as keys are
    /// often printed by line.
    pub(crate) fn new<'a>(secrets: impl Iterator<Item = &'a Secret>) -> Self {
        let mut all: Vec<&str> = Vec::new();
        for secret in secrets {
            let whole = secret.expose();
            let lines = whole.lines().map(str::trim);
            let texts = std::iter::once(whole.trim()).chain(lines);
            all.extend(texts.filter(|text| text.len() >= SHORTEST));
        }
        all.sort_unstable();
        all.dedup();
        let forms = all.iter().flat_map(|text| form::of(text.as_bytes()));
        let mut forms: Vec<Form> = forms.collect();
        forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
        let begins = forms.iter().enumerate();
        let begins = begins.flat_map(|(i, form)| form.starts().into_iter().map(move |s| (s, i)));
        let mut starts: Vec<_> = begins.collect();
        starts.sort_unstable();
        starts.dedup();
        let mut is_start = vec![0; 1024];
        for (start, _) in &starts {
            let (word, bit) = bit(*start);
            is_start[word] |= bit;
        }
        Self {
            forms,
            starts,
            is_start,
            held: Zeroizing::default(),
            run: 0,
        }
    }

    /// What of `bytes`, and of what was held back, can be shown by now.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Vec<u8> {
        if self.forms.is_empty() {
            return bytes.to_vec();
        }
        self.held.extend_from_slice(bytes);
        self.shown(false)
    }

    /// The rest.
    pub(crate) fn finish(&mut self) -> Vec<u8> {
        self.shown(true)
    }

    /// A whole text, without what was fed before or after it.
    pub(crate) fn whole(&mut self, text: &str) -> String {
        let mut shown = self.feed(text.as_bytes());
        shown.extend(self.finish());
        String::from_utf8_lossy(&shown).into_owned()
    }

    fn shown(&mut self, last: bool) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.held.len());
        let mut at = 0;
        while at < self.held.len() {
            match self.look(&self.held[at..], last) {
                Look::Perhaps => break, // it may become one with the next write
                Look::Is(length) => {
                    out.extend_from_slice(STAND_IN);
                    at += length;
                    self.run += length;
                }
                Look::No => {
                    let byte = self.held[at];
                    out.push(byte);
                    at += 1;
                    self.run = if form::is_code(byte) { self.run + 1 } else { 0 };
                }
            }
        }
        if last {
            self.run = 0;
        }
        self.held = Zeroizing::new(self.held[at..].to_vec());
        out
    }

    /// Whether a secret stands at the beginning of a text. A longer one goes first.
    fn look(&self, rest: &[u8], last: bool) -> Look {
        let begin = match *rest {
            [first, second, ..] => [first, second],
            _ if last => return Look::No,
            _ => return self.look_for(0..self.forms.len(), rest, last),
        };
        let (word, bit) = bit(begin);
        if self.is_start[word] & bit == 0 {
            return Look::No;
        }
        let from = self.starts.partition_point(|(start, _)| *start < begin);
        let here = self.starts[from..].iter();
        let here = here.take_while(|(start, _)| *start == begin);
        self.look_for(here.map(|(_, form)| *form), rest, last)
    }

    fn look_for(&self, forms: impl Iterator<Item = usize>, rest: &[u8], last: bool) -> Look {
        forms
            .map(|form| self.forms[form].look(rest, self.run))
            .find(|look| *look != Look::No && !(last && *look == Look::Perhaps))
            .unwrap_or(Look::No)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(secrets: &[Secret], text: &str, split: usize) -> String {
        let mut mask = Mask::new(secrets.iter());
        let mut out = mask.feed(&text.as_bytes()[..split]);
        out.extend(mask.feed(&text.as_bytes()[split..]));
        out.extend(mask.finish());
        String::from_utf8(out).unwrap()
    }

    /// Whatever the split, and byte by byte.
    fn is_masked(secrets: &[Secret], text: &str, shown: &str) {
        for split in 0..=text.len() {
            assert_eq!(masked(secrets, text, split), shown, "split at {split}");
        }
        let mut mask = Mask::new(secrets.iter());
        let bytes = text.as_bytes().chunks(1);
        let mut out: Vec<u8> = bytes.flat_map(|byte| mask.feed(byte)).collect();
        out.extend(mask.finish());
        assert_eq!(String::from_utf8(out).unwrap(), shown);
    }

    #[test]
    fn secrets_are_masked_even_across_writes() {
        let secrets = [
            Secret::new("hunter2".into()),
            Secret::new("hunter2-longer".into()),
            Secret::new("line one\nline two\n".into()),
        ];
        let text = "a hunter2 b line two hunter2-longer hunter";
        is_masked(&secrets, text, "a [secret] b [secret] [secret] hunter");
    }

    #[test]
    fn secrets_that_were_encoded_are_masked() {
        let secrets = [Secret::new("hün?er~2>> &%z".into())];
        for (encoded, shown) in [
            // printf %s "$PW" | base64, with 0, 1 and 2 bytes before it; then base64url.
            ("aMO8bj9lcn4yPj4gJiV6", "[secret]"),
            ("eGjDvG4/ZXJ+Mj4+ICYleg==", "eG[secret]g=="),
            ("eHhow7xuP2VyfjI+PiAmJXo=", "eHh[secret]o="),
            ("eHhow7xuP2VyfjI-PiAmJXo", "eHh[secret]o"),
            ("68c3bc6e3f65727e323e3e2026257a", "[secret]"),
            ("68C3BC6E3F65727E323E3E2026257A0a", "[secret]0a"),
            ("h%C3%BCn%3Fer~2%3E%3E%20%26%25z", "[secret]"),
            ("h%c3%bcn%3fer%7e2%3e%3e+%26%25z", "[secret]"),
        ] {
            is_masked(&secrets, &format!("({encoded})\n"), &format!("({shown})\n"));
        }
    }

    #[test]
    fn encoded_secrets_are_masked_over_the_ends_of_lines() {
        let secrets = [Secret::new("correct horse battery staple".into())];
        let own = "Y29ycmVjdCBob3JzZSBiYXR0ZXJ5IHN0YXBsZ";
        let line = "QUJD".repeat(19);
        for at in 1..own.len() {
            for end in ["\n", "\r\n"] {
                let (before, after) = own.split_at(at);
                let begin = &line[..line.len() - line.len().min(at) / 4 * 4];
                let text = format!("{begin}{before}{end}{after}Q==\n");
                let mut mask = Mask::new(secrets.iter());
                assert_eq!(mask.whole(&text), format!("{begin}[secret]Q==\n"), "{at}");
            }
        }
        // The end of a short line is no such end, and is shown at once.
        let mut mask = Mask::new(secrets.iter());
        assert_eq!(mask.feed(b"installed: Y\n"), b"installed: Y\n");
    }

    #[test]
    fn short_secrets_are_masked_as_they_are_alone() {
        let secrets = [Secret::new("12345".into()), Secret::new("abc".into())];
        let text = "12345 abc MTIzNDU= 3132333435 %31%32%33%34%35";
        is_masked(&secrets, text, &text.replacen("12345", "[secret]", 1));
    }
}

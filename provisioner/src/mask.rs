//! Takes the known secrets out of what a command wrote, before it is kept or shown (S3).

use zeroize::Zeroizing;

use crate::secret::Secret;

/// What stands in a secret's place.
const STAND_IN: &[u8] = b"[secret]";

/// Secrets shorter than this are not looked for: they would blot out ordinary words.
const SHORTEST: usize = 4;

/// Masks one stream; a secret that is split across writes is found too.
pub(crate) struct Mask {
    secrets: Vec<Zeroizing<Vec<u8>>>,
    held: Zeroizing<Vec<u8>>,
}

impl Mask {
    /// A mask for these secrets; each line of one that has several is a secret too, as keys are
    /// often printed by line.
    pub(crate) fn new<'a>(secrets: impl Iterator<Item = &'a Secret>) -> Self {
        let mut all: Vec<Zeroizing<Vec<u8>>> = Vec::new();
        for secret in secrets {
            let whole = secret.expose();
            for text in std::iter::once(whole.trim()).chain(whole.lines().map(str::trim)) {
                if text.len() >= SHORTEST && !all.iter().any(|s| s.as_slice() == text.as_bytes()) {
                    all.push(Zeroizing::new(text.as_bytes().to_vec()));
                }
            }
        }
        all.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self {
            secrets: all,
            held: Zeroizing::default(),
        }
    }

    /// What of `bytes`, and of what was held back, can be shown by now.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Vec<u8> {
        if self.secrets.is_empty() {
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
            let rest = &self.held[at..];
            if let Some(secret) = self.secrets.iter().find(|s| rest.starts_with(s)) {
                out.extend_from_slice(STAND_IN);
                at += secret.len();
            } else if !last && self.secrets.iter().any(|s| s.starts_with(rest)) {
                break; // it may become one with the next write
            } else {
                out.push(rest[0]);
                at += 1;
            }
        }
        self.held = Zeroizing::new(self.held[at..].to_vec());
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_even_across_writes() {
        let secrets = [
            Secret::new("hunter2".into()),
            Secret::new("line one\nline two\n".into()),
        ];
        for split in 0.."a hunter2 b line two".len() {
            let text = b"a hunter2 b line two";
            let mut mask = Mask::new(secrets.iter());
            let mut out = mask.feed(&text[..split]);
            out.extend(mask.feed(&text[split..]));
            out.extend(mask.finish());
            assert_eq!(
                String::from_utf8_lossy(&out),
                "a [secret] b [secret]",
                "split at {split}"
            );
        }
    }
}

//! Secrets that are known by sight: values from a fixed seed, the forms that a careless program
//! might give them, and the search for all of them at once.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// What every form is looked for by: its first bytes.
const KEY: usize = 4;

/// A secret of a test.
#[derive(Clone)]
pub struct Canary {
    /// Its place in the list, which exceptions name it by.
    number: usize,
    text: String,
}

impl Canary {
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// All canaries of a world, and where one of them may rest.
pub struct Canaries {
    seed: u64,
    /// What each is, in words, with its value.
    all: Vec<(String, Vec<u8>)>,
    homes: HashMap<PathBuf, Vec<usize>>,
}

impl Canaries {
    /// A seed for each world, so that no two share a canary.
    pub fn new(seed: u64) -> Self {
        Self {
            seed: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            all: Vec::new(),
            homes: HashMap::new(),
        }
    }

    /// Two random halves around characters that JSON, URLs, shells and templates all treat specially.
    pub fn secret(&mut self, what: &str) -> Canary {
        let text = format!("{}/+\"\\%é&<{{ {}", self.word(), self.word());
        self.known(what, text)
    }

    /// One of letters and digits only, for where nothing else may stand.
    pub fn plain(&mut self, what: &str) -> Canary {
        let text = format!("{}{}", self.word(), self.word());
        self.known(what, text)
    }

    /// A secret that was made elsewhere.
    pub fn known(&mut self, what: &str, text: String) -> Canary {
        let number = self.bytes(what, text.as_bytes());
        Canary { number, text }
    }

    /// The bytes of a key.
    pub fn bytes(&mut self, what: &str, bytes: &[u8]) -> usize {
        self.all.push((what.to_owned(), bytes.to_vec()));
        self.all.len() - 1
    }

    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// In this file it is meant to be.
    pub fn may_rest(&mut self, path: &Path, canary: &Canary) {
        self.homes
            .entry(path.to_owned())
            .or_default()
            .push(canary.number);
    }

    fn word(&mut self) -> String {
        const LETTERS: &[u8] = b"abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
        (0..16)
            .map(|_| {
                self.seed ^= self.seed << 13;
                self.seed ^= self.seed >> 7;
                self.seed ^= self.seed << 17;
                let at = usize::try_from(self.seed >> 33).unwrap() % LETTERS.len();
                char::from(LETTERS[at])
            })
            .collect()
    }

    /// What to look for, which is done once for everything that a world has seen.
    pub fn forms(&self) -> Forms {
        let mut forms = Forms {
            all: Vec::new(),
            by_key: HashMap::new(),
            first: vec![false; 1 << 16],
        };
        for (number, (_, value)) in self.all.iter().enumerate() {
            for (form, bytes) in forms_of(value) {
                let key = bytes[..KEY].try_into().unwrap();
                forms.first[pair(&bytes)] = true;
                forms.by_key.entry(key).or_default().push(forms.all.len());
                forms.all.push((number, form, bytes));
            }
        }
        forms
    }

    /// Each canary that is where it should not be, in words.
    pub fn found(&self, forms: &Forms, place: &Path, bytes: &[u8]) -> Vec<String> {
        let homes = self.homes.get(place).map_or(&[][..], Vec::as_slice);
        let mut found = Vec::new();
        for (at, two) in bytes.windows(2).enumerate() {
            if !forms.first[pair(two)] {
                continue;
            }
            let key: Option<[u8; KEY]> = bytes.get(at..at + KEY).and_then(|k| k.try_into().ok());
            let likely = key
                .and_then(|key| forms.by_key.get(&key))
                .into_iter()
                .flatten();
            for (number, form, wanted) in likely.map(|i| &forms.all[*i]) {
                if bytes[at..].starts_with(wanted) && !homes.contains(number) {
                    let around = &bytes[at.saturating_sub(120)..(at + 80).min(bytes.len())];
                    found.push(format!(
                        "{} ({form}) in {} at {at}: ...{}...",
                        self.all[*number].0,
                        place.display(),
                        String::from_utf8_lossy(around)
                    ));
                }
            }
        }
        found
    }
}

/// What canaries look like: whose, which form, which bytes.
pub struct Forms {
    all: Vec<(usize, &'static str, Vec<u8>)>,
    by_key: HashMap<[u8; KEY], Vec<usize>>,
    /// The first two bytes of any form; most of what is searched is none of them.
    first: Vec<bool>,
}

impl Forms {
    pub fn count(&self) -> usize {
        self.all.len()
    }
}

fn pair(bytes: &[u8]) -> usize {
    usize::from(bytes[0]) << 8 | usize::from(bytes[1])
}

/// Half a secret is too much already; a half of letters and digits is the same in JSON, in a URL and
/// to a shell, whatever becomes of what stands between.
fn forms_of(value: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut forms = Vec::new();
    let text = value.is_ascii() || std::str::from_utf8(value).is_ok();
    if text && value.len() >= 32 {
        forms.push(("first half", value[..16].to_vec()));
        forms.push(("second half", value[value.len() - 16..].to_vec()));
        forms.push(("url", url(value)));
        let json = serde_json::to_string(std::str::from_utf8(value).unwrap()).unwrap();
        forms.push(("json", json.trim_matches('"').as_bytes().to_vec()));
    } else {
        forms.push(("itself", value.to_vec()));
    }
    let mut hex = String::new();
    for byte in value.iter().take(16) {
        hex += &format!("{byte:02x}");
    }
    forms.push(("HEX", hex.to_uppercase().into_bytes()));
    forms.push(("hex", hex.into_bytes()));
    // Whatever stands before it shifts a secret within base64: three ways, less what is shared.
    for skip in 0..3 {
        let inner = &value[skip..skip + (value.len() - skip) / 3 * 3];
        let standard = base64(inner);
        let safe = standard.replace('+', "-").replace('/', "_");
        if safe != standard {
            forms.push(("base64url", safe.into_bytes()));
        }
        forms.push(("base64", standard.into_bytes()));
    }
    forms.retain(|(_, bytes)| bytes.len() >= 8);
    forms
}

fn url(value: &[u8]) -> Vec<u8> {
    let keep = |b: &u8| b.is_ascii_alphanumeric() || b"-._~".contains(b);
    let mut out = Vec::new();
    for byte in value {
        if keep(byte) {
            out.push(*byte);
        } else {
            out.extend(format!("%{byte:02X}").bytes());
        }
    }
    out
}

/// For whole groups of three bytes.
fn base64(value: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in value.chunks_exact(3) {
        let bits = group
            .iter()
            .fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte));
        for shift in [18, 12, 6, 0] {
            out.push(char::from(DIGITS[bits >> shift & 63]));
        }
    }
    out
}

#[test]
fn every_form_of_a_canary_is_found() {
    let mut canaries = Canaries::new(1);
    let canary = canaries.secret("one");
    let forms = canaries.forms();
    let here = Path::new("here");
    let value = canary.text().as_bytes();
    for skip in 0..3 {
        let mut shifted = vec![b'u'; 3 + skip];
        shifted.extend(value);
        shifted.resize(shifted.len().next_multiple_of(3), b'!');
        let text = base64(&shifted);
        assert!(!canaries.found(&forms, here, text.as_bytes()).is_empty());
    }
    for form in forms_of(value) {
        let text = [b"before ", form.1.as_slice(), b" after"].concat();
        assert!(
            !canaries.found(&forms, here, &text).is_empty(),
            "{}",
            form.0
        );
    }
    assert_eq!(canaries.found(&forms, here, b"no secret at all").len(), 0);
    canaries.may_rest(here, &canary);
    assert_eq!(canaries.found(&forms, here, value).len(), 0);
}

//! How a secret may stand in a text: as it is, or encoded by a command.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use zeroize::Zeroizing;

/// A secret that is shorter is looked for as it is alone: encoded, it would be a few common letters.
const SHORTEST_ENCODED: usize = 6;

/// From so many characters on without a space, a line may be one of an encoded text that goes on in
/// the next: `base64` breaks lines after 76, `openssl` after 64, `xxd -p` after 60.
const LONG_LINE: usize = 48;

/// One form of one secret.
pub(super) struct Form {
    text: Zeroizing<Vec<u8>>,
    code: Code,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Code {
    /// As it is.
    Plain,
    /// Every character or any may be `%xx`, and a space `+`.
    Url,
    /// In upper or lower case, over more than one line or not.
    Hex,
    /// Over more than one line or not.
    Base64,
}

/// What a text shows of a form at its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    No,
    /// It ends before it is certain.
    Perhaps,
    /// So many bytes.
    Is(usize),
}

/// All forms of a secret.
pub(super) fn of(secret: &[u8]) -> Vec<Form> {
    let form = |text: Vec<u8>, code| Form {
        text: Zeroizing::new(text),
        code,
    };
    let mut all = vec![form(secret.to_vec(), Code::Plain)];
    if secret.len() < SHORTEST_ENCODED {
        return all;
    }
    all.push(form(secret.to_vec(), Code::Url));
    let digits =
        |byte: &u8| [byte >> 4, byte & 15].map(|digit| b"0123456789abcdef"[usize::from(digit)]);
    all.push(form(secret.iter().flat_map(digits).collect(), Code::Hex));
    // What stands before the secret shifts it by 0, 1 or 2 bytes. The characters that it shares with
    // its neighbours are not known.
    for shift in 0..3 {
        let shifted = Zeroizing::new([&[0; 2][..shift], secret].concat());
        let encoded = Zeroizing::new(STANDARD_NO_PAD.encode(&shifted));
        let own = (shift * 8).div_ceil(6)..shifted.len() * 8 / 6;
        let own = &encoded.as_bytes()[own];
        all.push(form(own.to_vec(), Code::Base64));
        if own.iter().any(|c| b"+/".contains(c)) {
            let for_urls = own.iter().map(|c| match c {
                b'+' => b'-',
                b'/' => b'_',
                other => *other,
            });
            all.push(form(for_urls.collect(), Code::Base64));
        }
    }
    all
}

/// Whether a byte may be one of an encoded text.
pub(super) fn is_code(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/-_".contains(&byte)
}

impl Form {
    /// How long it is at least.
    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// The two bytes with which it may begin in a text.
    pub(super) fn starts(&self) -> Vec<[u8; 2]> {
        let [first, second] = [self.text[0], self.text[1]];
        let digits = |byte: u8| format!("{byte:02x}{byte:02X}").into_bytes();
        let (firsts, mut seconds) = match self.code {
            Code::Plain => return vec![[first, second]],
            Code::Url => (vec![first, b'+'], vec![second, b'%', b'+']),
            Code::Hex => (
                vec![first, first.to_ascii_uppercase()],
                vec![second, second.to_ascii_uppercase()],
            ),
            Code::Base64 => (vec![first], vec![second]),
        };
        if matches!(self.code, Code::Hex | Code::Base64) {
            seconds.extend(*b"\r\n");
        }
        let mut starts: Vec<_> = firsts
            .iter()
            .flat_map(|first| seconds.iter().map(|second| [*first, *second]))
            .collect();
        if self.code == Code::Url {
            starts.extend([0, 2].map(|at| [b'%', digits(first)[at]]));
        }
        starts
    }

    /// Whether a text begins with it, which stands behind `run` characters of an encoded text.
    pub(super) fn look(&self, text: &[u8], run: usize) -> Look {
        let mut rest = text;
        let mut run = run;
        for wanted in self.text.iter() {
            if matches!(self.code, Code::Hex | Code::Base64) && run >= LONG_LINE {
                if let [b'\r', more @ ..] = rest {
                    rest = more;
                }
                if let [b'\n', more @ ..] = rest {
                    (rest, run) = (more, 0);
                }
            }
            run += 1;
            rest = match (self.code, rest) {
                (_, []) => return Look::Perhaps,
                (Code::Url, [b'%', more @ ..]) => match percent(more) {
                    Look::Perhaps => return Look::Perhaps,
                    Look::Is(byte) if byte == usize::from(*wanted) => &more[2..],
                    _ => return Look::No,
                },
                (Code::Url, [b'+', more @ ..]) if *wanted == b' ' => more,
                (Code::Hex, [byte, more @ ..]) if byte.to_ascii_lowercase() == *wanted => more,
                (_, [byte, more @ ..]) if byte == wanted => more,
                _ => return Look::No,
            };
        }
        Look::Is(text.len() - rest.len())
    }
}

/// The byte that two digits behind a `%` stand for.
fn percent(digits: &[u8]) -> Look {
    let digit = |byte: &u8| {
        char::from(*byte)
            .to_digit(16)
            .and_then(|digit| usize::try_from(digit).ok())
    };
    match digits {
        [high, low, ..] => match (digit(high), digit(low)) {
            (Some(high), Some(low)) => Look::Is(high * 16 + low),
            _ => Look::No,
        },
        [high] if digit(high).is_none() => Look::No,
        _ => Look::Perhaps,
    }
}

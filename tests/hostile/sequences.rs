//! What a terminal could be made to do, in bytes.

/// Sequences that terminals are known to obey, each on a line, in all spellings.
pub(crate) fn known() -> Vec<u8> {
    let mut all: Vec<Vec<u8>> = Vec::new();
    for introducer in [&b"\x1b["[..], b"\x9b", "\u{9b}".as_bytes()] {
        for prefix in ["", "?1049", "?25", "21", "5;5", ">", "!", "6", "999;999"] {
            for last in b'@'..=b'~' {
                all.push([introducer, prefix.as_bytes(), &[last]].concat());
            }
        }
    }
    for introducer in [&b"\x1b]"[..], b"\x9d", "\u{9d}".as_bytes()] {
        for body in [
            "0;pwned",
            "2;pwned",
            "4;1;?",
            "8;;http://evil/",
            "52;c;AAAA",
            "52;c;?",
            "133;A",
            "1337;x",
            "777;notify;a;b",
        ] {
            for end in [&b"\x07"[..], b"\x1b\\", b"\x9c", "\u{9c}".as_bytes(), b""] {
                all.push([introducer, body.as_bytes(), end].concat());
            }
        }
    }
    for lone in "cDEHMNOPVWXZ^_=>78#8(0)B*B+B%G%@nol|}~6".chars() {
        all.push(format!("\x1b{lone}").into_bytes());
    }
    for text in [
        "\x1bP$qm\x1b\\",
        "\x1bP+q544e\x1b\\",
        "a\rb",
        "a\x08b",
        "a\x0bb",
        "a\x0cb",
        "\x07",
        "\x0e",
        "\x0f",
        "\x05",
        "\x7f",
    ] {
        all.push(text.as_bytes().to_vec());
    }
    for bidi in "\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}\u{200e}\u{200f}\u{61c}\u{2028}\u{2029}\u{85}".chars() {
        all.push(bidi.to_string().into_bytes());
    }
    assert!(all.len() >= 300);
    all.join(&b'\n')
}

/// Random sequences of bytes that begin sequences, separate their parts, and end them.
pub(crate) fn random_sequences(count: u32) -> Vec<u8> {
    const BYTES: &[u8] = b"\x1b\x1b\x9b\x9d\x90[]P?;0123456789hlmnJHKcRqrstABCDx\\\x07\x08\r\t\xc2\x80\xe2\x80\xae\xff\x00\x0e";
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap() % below
    };
    let mut out = Vec::new();
    for i in 0..count {
        for _ in 0..=next(11) {
            out.push(BYTES[next(BYTES.len())]);
        }
        if i % 8 == 0 {
            out.push(b'\n');
        }
    }
    out
}

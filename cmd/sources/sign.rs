//! Signed URLs of S3-compatible services (AWS Signature Version 4, in the query).

use hpt_provisioner::secret::Secret;
use ring::hmac;
use sha2::{Digest as _, Sha256};

use super::hex;
use crate::print::day;

/// How long a signed URL can be used, in seconds; it is used at once.
const VALID: u64 = 300;

/// What opens a bucket.
pub(super) struct Credentials {
    pub(super) key: String,
    pub(super) secret: Secret,
    pub(super) token: Option<Secret>,
}

/// What is asked of a service.
pub(super) struct Asked<'a> {
    pub(super) host: &'a str,
    /// Encoded.
    pub(super) path: &'a str,
    /// What the query says besides, encoded, each part after a `&`, in the order of their names.
    pub(super) more: &'a str,
    pub(super) region: &'a str,
}

/// The query that lets `GET https://HOST/PATH` in. The time is in unix seconds.
pub(super) fn query(keys: &Credentials, asked: &Asked<'_>, now: u64) -> String {
    query_for(keys, asked, now, VALID)
}

fn query_for(keys: &Credentials, asked: &Asked<'_>, now: u64, valid: u64) -> String {
    let Asked {
        host,
        path,
        more,
        region,
    } = asked;
    let date = day(now).replace('-', "");
    let of_day = now % 86_400;
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    let stamp = format!("{date}T{hour:02}{minute:02}{second:02}Z");
    let scope = format!("{date}/{region}/s3/aws4_request");
    let credential = encode(&format!("{}/{scope}", keys.key), false);
    let mut query = format!(
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={credential}&X-Amz-Date={stamp}\
         &X-Amz-Expires={valid}"
    );
    if let Some(token) = &keys.token {
        query += &format!("&X-Amz-Security-Token={}", encode(token.expose(), false));
    }
    query += "&X-Amz-SignedHeaders=host";
    query += more; // lower-case names come after all of these
    let request = format!("GET\n{path}\n{query}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD");
    let text = format!(
        "AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{}",
        hex(&Sha256::digest(request))
    );
    let first = zeroize::Zeroizing::new(format!("AWS4{}", keys.secret.expose()));
    let start = sign(first.as_bytes(), date.as_bytes());
    let key = [*region, "s3", "aws4_request"]
        .iter()
        .fold(start, |key, part| sign(key.as_ref(), part.as_bytes()));
    let signature = hex(sign(key.as_ref(), text.as_bytes()).as_ref());
    format!("{query}&X-Amz-Signature={signature}")
}

fn sign(key: &[u8], text: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text)
}

/// Percent-encodes all but the unreserved characters, as the signature demands.
pub(super) fn encode(text: &str, keep_slash: bool) -> String {
    text.bytes().fold(String::new(), |encoded, byte| {
        let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if plain || keep_slash && byte == b'/' {
            encoded + char::from(byte).encode_utf8(&mut [0; 4])
        } else {
            encoded + &format!("%{byte:02X}")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of Amazon's own documentation.
    #[test]
    fn the_published_example() {
        let keys = Credentials {
            key: "AKIAIOSFODNN7EXAMPLE".into(),
            secret: Secret::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into()),
            token: None,
        };
        let asked = Asked {
            host: "examplebucket.s3.amazonaws.com",
            path: "/test.txt",
            more: "",
            region: "us-east-1",
        };
        let query = query_for(&keys, &asked, 1_369_353_600, 86_400);
        let signature = "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
        assert!(
            query.ends_with(&format!("&X-Amz-Signature={signature}")),
            "{query}"
        );
    }

    #[test]
    fn encoding() {
        assert_eq!(encode("a b/ü~", true), "a%20b/%C3%BC~");
        assert_eq!(encode("a/b", false), "a%2Fb");
    }
}

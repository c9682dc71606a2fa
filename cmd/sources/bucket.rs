//! Sources in S3-compatible buckets.

use std::io::Read as _;
use std::net::IpAddr;

use hpt_provisioner::config::resource::Bucket;
use hpt_provisioner::secret::Secret;
use ureq::Agent;
use ureq::http::Uri;
use ureq::http::uri::Authority;

use super::Found;
use super::http::{agent, get as get_url, open};
use super::sign::{Asked, Credentials, encode, query};
use super::tree::Tree;
use crate::context::now;
use crate::env::{Variable, env};
use crate::error::{CommandError, Exit};
use crate::secrets::Secrets;

/// The most pages of a list, of 1,000 keys each.
const PAGES: usize = 20;
/// The longest page, in bytes.
const LONGEST_PAGE: u64 = 16 << 20;

/// Fetches an object.
pub(super) fn get(bucket: &Bucket, key: &str, secrets: &Secrets, sha256: Option<&str>) -> Found {
    let place = Place::of(bucket, secrets)?;
    let name = format!("{}/{key} of {}", bucket.name, bucket.url);
    let url = place.url(&encode(key, true), "");
    get_url(&place.agent(), &url, &name, sha256)
}

/// Fetches all objects below a prefix.
pub(super) fn tree(bucket: &Bucket, prefix: &str, secrets: &Secrets) -> Result<Tree, CommandError> {
    let place = Place::of(bucket, secrets)?;
    let agent = place.agent();
    let prefix = match prefix.trim_matches('/') {
        "" => String::new(),
        prefix => format!("{prefix}/"),
    };
    let of = format!("{}/{prefix} of {}", bucket.name, bucket.url);
    let mut tree = Tree::default();
    for key in keys(&place, &agent, &prefix, &of)? {
        // A key that ends with a slash is how some tools write a directory.
        let Some(below) = key
            .strip_prefix(&prefix)
            .filter(|rest| !rest.is_empty() && !rest.ends_with('/'))
        else {
            continue;
        };
        let url = place.url(&encode(&key, true), "");
        let name = format!("{}/{key} of {}", bucket.name, bucket.url);
        let mut body = open(&agent, &url, &name)?;
        tree.fetch(below, false, &mut body.as_reader(), &of)?;
    }
    Ok(tree)
}

/// The keys of all objects below a prefix.
fn keys(place: &Place, agent: &Agent, prefix: &str, of: &str) -> Result<Vec<String>, CommandError> {
    let mut keys = Vec::new();
    let mut after = String::new();
    for _ in 0..PAGES {
        let more = format!("{after}&list-type=2&prefix={}", encode(prefix, false));
        let mut page = String::new();
        let mut body = open(agent, &place.url("", &more), of)?;
        let read = body
            .as_reader()
            .take(LONGEST_PAGE)
            .read_to_string(&mut page);
        read.map_err(|why| CommandError::new(Exit::Failed, format!("cannot list {of}: {why}")))?;
        for object in elements(&page, "Contents") {
            keys.extend(elements(object, "Key").map(plain));
        }
        match elements(&page, "NextContinuationToken").next() {
            Some(token) => {
                after = format!("&continuation-token={}", encode(&plain(token), false));
            }
            None => return Ok(keys),
        }
    }
    let what = format!("{of} has more than 20,000 objects");
    Err(CommandError::new(Exit::Config, what).hint("an [[archive]] can have more"))
}

/// What stands in each element of this name; none of them holds another of the same name.
fn elements<'a>(text: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let (start, end) = (format!("<{name}>"), format!("</{name}>"));
    let mut rest = text;
    std::iter::from_fn(move || {
        let (_, after) = rest.split_once(&start)?;
        let (inner, after) = after.split_once(&end)?;
        rest = after;
        Some(inner)
    })
}

/// A text of XML without its escapes.
fn plain(text: &str) -> String {
    let mut parts = text.split('&');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once(';').unwrap_or(("", part));
        let number = name.strip_prefix("#x").map_or_else(
            || {
                name.strip_prefix('#')
                    .and_then(|digits| digits.parse().ok())
            },
            |digits| u32::from_str_radix(digits, 16).ok(),
        );
        plain.push(match name {
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            "amp" => '&',
            _ => number
                .and_then(char::from_u32)
                .unwrap_or(char::REPLACEMENT_CHARACTER),
        });
        plain += rest;
    }
    plain
}

/// Where a bucket is, and what lets its objects be read.
struct Place {
    scheme: &'static str,
    host: String,
    /// What stands before a key.
    above: String,
    region: String,
    keys: Option<Credentials>,
}

impl Place {
    fn of(bucket: &Bucket, secrets: &Secrets) -> Result<Self, CommandError> {
        let bad = |why: &dyn std::fmt::Display| {
            CommandError::new(Exit::Config, format!("[bucket] {}: {why}", bucket.url))
        };
        let spelled = if bucket.url.contains("://") {
            bucket.url.clone()
        } else {
            format!("https://{}", bucket.url)
        };
        let endpoint: Uri = spelled.parse().map_err(|why| bad(&why))?;
        let plain = endpoint.scheme_str() == Some("http");
        if !(endpoint.scheme_str() == Some("https") || plain && is_loopback(endpoint.host())) {
            return Err(bad(
                &"plain http can be altered on the way; a bucket is reached by https",
            ));
        }
        let host = endpoint
            .authority()
            .map(Authority::as_str)
            .unwrap_or_default();
        if host.contains('@') {
            return Err(bad(
                &"keys do not belong into a url; `credentials` names a secret",
            ));
        }
        let is_plain = |c: u8| c.is_ascii_alphanumeric() || b".-_".contains(&c);
        if bucket.name.is_empty() || !bucket.name.bytes().all(is_plain) {
            return Err(bad(
                &"the name of a bucket has letters, digits, `.`, `-` and `_` only",
            ));
        }
        let (host, above) = if bucket.path_style || address(endpoint.host()).is_some() {
            (host.to_owned(), format!("/{}/", bucket.name))
        } else {
            (format!("{}.{host}", bucket.name), "/".to_owned())
        };
        let region = bucket.region.clone();
        Ok(Self {
            scheme: if plain { "http" } else { "https" },
            host,
            above,
            region: region.unwrap_or_else(|| guess_region(endpoint.host())),
            keys: credentials(bucket, secrets)?,
        })
    }

    fn agent(&self) -> Agent {
        agent(self.scheme == "https", 0)
    }

    /// The URL of an object, or of the bucket itself, whose query says `more` besides.
    fn url(&self, key: &str, more: &str) -> String {
        let (scheme, host) = (self.scheme, &self.host);
        let path = format!("{}{key}", self.above);
        let query = match &self.keys {
            Some(keys) => {
                let region = &self.region;
                let path = &path;
                let asked = Asked {
                    host,
                    path,
                    more,
                    region,
                };
                query(keys, &asked, now())
            }
            None => more.trim_start_matches('&').to_owned(),
        };
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{scheme}://{host}{path}{mark}{query}")
    }
}

/// A wire that does not leave this machine.
fn is_loopback(host: Option<&str>) -> bool {
    host == Some("localhost") || address(host).is_some_and(|ip| ip.is_loopback())
}

/// The host as an IP address, which has no names below it.
fn address(host: Option<&str>) -> Option<IpAddr> {
    host?.trim_matches(['[', ']']).parse().ok()
}

/// `nyc3.digitaloceanspaces.com` signs for nyc3, `s3.eu-west-1.amazonaws.com` for eu-west-1.
fn guess_region(host: Option<&str>) -> String {
    let mut labels = host.unwrap_or_default().split('.');
    match labels.next() {
        Some("s3") => labels
            .next()
            .filter(|label| label.contains('-'))
            .unwrap_or("us-east-1"),
        Some(label) if !label.is_empty() && host.is_some_and(|h| h.parse::<IpAddr>().is_err()) => {
            label
        }
        _ => "us-east-1",
    }
    .to_owned()
}

/// What the config names, else what the environment has; `None` for a bucket that is open to all.
fn credentials(bucket: &Bucket, secrets: &Secrets) -> Result<Option<Credentials>, CommandError> {
    if let Some(name) = &bucket.credentials {
        let (key, secret) = secrets.pair(name).ok_or_else(|| {
            let what = format!(
                "[bucket] {}: credentials `{name}` is not a pair of keys",
                bucket.url
            );
            CommandError::new(Exit::Config, what)
                .hint("[secret.NAME] with env = [\"ACCESS_KEY\", \"SECRET_KEY\"] is one")
        })?;
        let key = key.expose().to_owned();
        return Ok(Some(Credentials {
            key,
            secret,
            token: None,
        }));
    }
    let from_env = |key, secret, token| {
        let secret = Secret::new(env(secret)?);
        Some(Credentials {
            key: env(key)?,
            secret,
            token: env(token).map(Secret::new),
        })
    };
    let names = [
        (
            Variable::DO_ACCESS_KEY,
            Variable::DO_SECRET_ACCESS_KEY,
            Variable::DO_SESSION_TOKEN,
        ),
        (
            Variable::AWS_ACCESS_KEY_ID,
            Variable::AWS_SECRET_ACCESS_KEY,
            Variable::AWS_SESSION_TOKEN,
        ),
    ];
    Ok(names
        .into_iter()
        .find_map(|(key, secret, token)| from_env(key, secret, token)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions() {
        assert_eq!(guess_region(Some("nyc3.digitaloceanspaces.com")), "nyc3");
        assert_eq!(
            guess_region(Some("s3.eu-west-1.amazonaws.com")),
            "eu-west-1"
        );
        assert_eq!(guess_region(Some("s3.amazonaws.com")), "us-east-1");
        assert_eq!(guess_region(Some("127.0.0.1")), "us-east-1");
    }

    #[test]
    fn a_list_of_objects_is_read() {
        let page = "<L><Prefix>a/</Prefix><Contents><Key>a/x &amp;&#x20;y</Key><Size>1</Size></Contents>\
            <Contents><Key>a/&lt;&#62;</Key></Contents><IsTruncated>true</IsTruncated></L>";
        let keys: Vec<_> = elements(page, "Contents")
            .flat_map(|object| elements(object, "Key"))
            .map(plain)
            .collect();
        assert_eq!(keys, ["a/x & y", "a/<>"]);
        assert_eq!(elements("<Key>never ends", "Key").count(), 0);
        assert_eq!(plain("&"), "\u{fffd}");
    }

    #[test]
    fn an_address_has_no_names_below_it() {
        for host in ["127.0.0.1", "10.0.0.5", "[::1]"] {
            assert!(address(Some(host)).is_some(), "{host}");
        }
        for host in [
            "localhost",
            "nyc3.digitaloceanspaces.com",
            "10.0.0.5.nip.io",
        ] {
            assert!(address(Some(host)).is_none(), "{host}");
        }
    }

    #[test]
    fn plain_http_stays_on_this_machine() {
        for near in ["localhost", "127.0.0.1", "127.9.9.9", "[::1]"] {
            assert!(is_loopback(Some(near)), "{near}");
        }
        for far in ["10.0.0.1", "example.org", "localhost.example.org", ""] {
            assert!(!is_loopback(Some(far)), "{far}");
        }
    }
}

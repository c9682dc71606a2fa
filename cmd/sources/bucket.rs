//! Sources in S3-compatible buckets.

use std::net::IpAddr;

use hpt_provisioner::config::resource::Bucket;
use hpt_provisioner::secret::Secret;
use ureq::http::Uri;
use ureq::http::uri::Authority;

use super::Found;
use super::http::{agent, get as get_url};
use super::sign::{Credentials, encode, query};
use crate::context::now;
use crate::env::{Variable, env};
use crate::error::{CommandError, Exit};
use crate::secrets::Secrets;

/// Fetches an object.
pub(super) fn get(bucket: &Bucket, key: &str, secrets: &Secrets, sha256: Option<&str>) -> Found {
    let name = format!("{}/{key} of {}", bucket.name, bucket.url);
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
    let key = encode(key, true);
    let (host, path) = if bucket.path_style || address(endpoint.host()).is_some() {
        (host.to_owned(), format!("/{}/{key}", bucket.name))
    } else {
        (format!("{}.{host}", bucket.name), format!("/{key}"))
    };
    let scheme = if plain { "http" } else { "https" };
    let url = match credentials(bucket, secrets)? {
        Some(keys) => {
            let region = bucket.region.clone();
            let region = region.unwrap_or_else(|| guess_region(endpoint.host()));
            let query = query(&keys, &host, &path, &region, now());
            format!("{scheme}://{host}{path}?{query}")
        }
        None => format!("{scheme}://{host}{path}"),
    };
    get_url(&agent(!plain, 0), &url, &name, sha256)
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

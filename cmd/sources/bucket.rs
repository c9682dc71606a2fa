//! Sources in S3-compatible buckets.

use std::net::IpAddr;
use std::time::Duration;

use hpt_provisioner::config::resource::Bucket;
use rusty_s3::{Credentials, S3Action as _, UrlStyle};

use super::Found;
use super::http::{agent, get as get_url};
use crate::context::env;
use crate::error::{CommandError, Exit};
use crate::secrets::Secrets;

/// How long a signed URL can be used; it is used at once.
const VALID: Duration = Duration::from_mins(5);

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
    let endpoint = spelled.parse::<url::Url>().map_err(|why| bad(&why))?;
    let plain = endpoint.scheme() == "http";
    if !(endpoint.scheme() == "https" || plain && is_loopback(endpoint.host_str())) {
        return Err(bad(
            &"plain http can be altered on the way; a bucket is reached by https",
        ));
    }
    let region = bucket
        .region
        .clone()
        .unwrap_or_else(|| guess_region(endpoint.host_str()));
    let style = if bucket.path_style {
        UrlStyle::Path
    } else {
        UrlStyle::VirtualHost
    };
    let remote = rusty_s3::Bucket::new(endpoint, style, bucket.name.clone(), region);
    let remote = remote.map_err(|why| bad(&why))?;
    let credentials = credentials(bucket, secrets)?;
    let url = remote.get_object(credentials.as_ref(), key).sign(VALID);
    get_url(&agent(!plain, 0), url.as_str(), &name, sha256)
}

/// A wire that does not leave this machine.
fn is_loopback(host: Option<&str>) -> bool {
    let host = host.unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
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
        return Ok(Some(Credentials::new(key.expose(), secret.expose())));
    }
    let both = |key, secret| Some(Credentials::new(env(key)?, env(secret)?));
    Ok(both("DO_ACCESS_KEY", "DO_SECRET_ACCESS_KEY").or_else(|| {
        let (key, secret) = (env("AWS_ACCESS_KEY_ID")?, env("AWS_SECRET_ACCESS_KEY")?);
        Some(match env("AWS_SESSION_TOKEN") {
            Some(token) => Credentials::new_with_token(key, secret, token),
            None => Credentials::new(key, secret),
        })
    }))
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
    fn plain_http_stays_on_this_machine() {
        for near in ["localhost", "127.0.0.1", "127.9.9.9", "[::1]"] {
            assert!(is_loopback(Some(near)), "{near}");
        }
        for far in ["10.0.0.1", "example.org", "localhost.example.org", ""] {
            assert!(!is_loopback(Some(far)), "{far}");
        }
    }
}

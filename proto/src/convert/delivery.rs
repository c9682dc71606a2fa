//! A request with the contents that travel in it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use hpt_provisioner::config::{File, Given};
use hpt_provisioner::host::Hash;
use hpt_provisioner::request::Request;
use hpt_provisioner::secret::Secret;
use hpt_provisioner::source::{Blob, Source};

use super::{BadMessage, hash, number};
use crate::wire;

/// A request, and the contents of some of its sources. Contents are lent for the one request that
/// they came with: they may be secret, and are never stored.
#[derive(Clone, Default)]
pub struct Delivery {
    /// What the host is asked to be.
    pub request: Request,
    /// By hash: whatever planning reads, what is secret, and what is short.
    pub contents: HashMap<Hash, Arc<[u8]>>,
}

impl TryFrom<wire::Request> for Delivery {
    type Error = BadMessage;

    fn try_from(from: wire::Request) -> Result<Self, BadMessage> {
        let file = |file: wire::File| File {
            name: file.name,
            text: file.text,
        };
        let mut sources = BTreeMap::new();
        let mut contents = HashMap::new();
        for source in from.sources {
            let hash = hash(&source.hash)?;
            let spelling = Source::parse(&source.spelling)
                .map_err(|_| BadMessage("a source that no config can spell"))?;
            if let Some(content) = source.content {
                check(&content, hash, source.size)?;
                contents.insert(hash, Arc::from(&content[..]));
            }
            let blob = Blob {
                hash,
                size: source.size,
            };
            if sources.insert(spelling, blob).is_some() {
                return Err(BadMessage("one source twice"));
            }
        }
        let mut secrets = BTreeMap::new();
        for secret in from.secrets {
            if secrets
                .insert(secret.name, Secret::new(secret.value))
                .is_some()
            {
                return Err(BadMessage("one secret twice"));
            }
        }
        let mut given = Given {
            tags: from.tags.into_iter().collect(),
            included: included(from.included, from.files.len())?,
            prune: from.prune,
            ..Given::default()
        };
        given.target_tags = from.target_tags.into_iter().collect();
        for group in from.groups {
            match given.join(group.name, &group.vars) {
                Ok(true) => {}
                Ok(false) => return Err(BadMessage("one group twice")),
                Err(_) => return Err(BadMessage("values that are no TOML")),
            }
        }
        let vars = given.add(&from.vars);
        vars.map_err(|_| BadMessage("values that are no TOML"))?;
        let request = Request {
            target: from.target,
            files: from.files.into_iter().map(file).collect(),
            sources,
            given,
            secrets,
        };
        Ok(Self { request, contents })
    }
}

/// At least one file was named.
fn included(number: u32, files: usize) -> Result<usize, BadMessage> {
    let number = usize::try_from(number).unwrap_or(usize::MAX);
    if number > 0 && number >= files {
        return Err(BadMessage("files that are all included"));
    }
    Ok(number)
}

/// A content is what its hash and size say, or it could stand in for another.
fn check(content: &[u8], hash: Hash, size: u64) -> Result<(), BadMessage> {
    if u64::try_from(content.len()) != Ok(size) || blake3::hash(content) != hash {
        return Err(BadMessage("a content that is not the announced one"));
    }
    Ok(())
}

impl From<&Delivery> for wire::Request {
    fn from(from: &Delivery) -> Self {
        let file = |file: &File| wire::File {
            name: file.name.clone(),
            text: file.text.clone(),
        };
        let source = |(source, blob): (&Source, &Blob)| wire::Source {
            spelling: source.to_string(),
            hash: blob.hash.as_bytes().to_vec(),
            size: blob.size,
            content: from
                .contents
                .get(&blob.hash)
                .map(|content| Bytes::copy_from_slice(content)),
        };
        let groups = from.request.given.groups.iter();
        let groups = groups.map(|(name, vars)| wire::Group {
            name: name.clone(),
            vars: vars.to_string(),
        });
        Self {
            target: from.request.target.clone(),
            files: from.request.files.iter().map(file).collect(),
            sources: from.request.sources.iter().map(source).collect(),
            secrets: to_secrets(&from.request.secrets),
            vars: from.request.given.to_toml(),
            tags: from.request.given.tags.iter().cloned().collect(),
            prune: from.request.given.prune,
            included: number(from.request.given.included),
            groups: groups.collect(),
            target_tags: from.request.given.target_tags.iter().cloned().collect(),
        }
    }
}

/// Secrets as they travel.
pub fn to_secrets(secrets: &BTreeMap<String, Secret>) -> Vec<wire::Secret> {
    let secret = |(name, secret): (&String, &Secret)| wire::Secret {
        name: name.clone(),
        value: secret.expose().to_owned(),
    };
    secrets.iter().map(secret).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Delivery {
        let content: Arc<[u8]> = Arc::from(&b"listen 80;"[..]);
        let hash = blake3::hash(&content);
        let blob = Blob { hash, size: 10 };
        let mut given = Given::default();
        given.assign("port=80").unwrap();
        given.tags.insert("web".into());
        given.included = 1;
        given.target_tags.insert("prod".into());
        given.join("web".into(), "port = 81\n").unwrap();
        let file = |name: &str| File {
            name: name.into(),
            text: "[[file]]".into(),
        };
        Delivery {
            request: Request {
                target: "web1".into(),
                files: ["site.toml", "common.toml"].map(file).into(),
                sources: BTreeMap::from([
                    (Source::File("files/app.conf".into()), blob.clone()),
                    (
                        Source::Bucket {
                            bucket: "b".into(),
                            path: "x/y".into(),
                            sha256: Some("ab".repeat(32)),
                        },
                        blob,
                    ),
                ]),
                given,
                secrets: BTreeMap::from([("token".into(), Secret::new("s3cret".into()))]),
            },
            contents: HashMap::from([(hash, content)]),
        }
    }

    #[test]
    fn a_delivery_arrives_as_it_was_sent() {
        let sent = sample();
        let got = Delivery::try_from(wire::Request::from(&sent)).unwrap();
        assert_eq!(got.request.target, "web1");
        assert_eq!(got.request.files, sent.request.files);
        assert_eq!(got.request.sources, sent.request.sources);
        assert_eq!(got.request.given, sent.request.given);
        assert_eq!(got.request.secrets["token"].expose(), "s3cret");
        assert_eq!(got.contents, sent.contents);
    }

    /// I5: one thing wrong at a time.
    #[test]
    fn a_delivery_that_says_something_impossible_is_refused() {
        let spoil: [fn(&mut wire::Request); 12] = [
            |r| r.sources[0].hash.truncate(31),
            |r| r.sources[0].hash[0] ^= 1,
            |r| r.sources[0].size += 1,
            |r| r.sources[0].content = Some(Bytes::from_static(b"listen 81;")),
            |r| r.sources[0].spelling = "http://a/b".into(),
            |r| r.sources.push(r.sources[0].clone()),
            |r| r.secrets.push(r.secrets[0].clone()),
            |r| r.vars = "port = ".into(),
            |r| r.groups.push(r.groups[0].clone()),
            |r| r.groups[0].vars = "port".into(),
            |r| r.included = 2,
            |r| r.included = u32::MAX,
        ];
        for (case, spoil) in spoil.iter().enumerate() {
            let mut request = wire::Request::from(&sample());
            spoil(&mut request);
            assert!(Delivery::try_from(request).is_err(), "case {case}");
        }
    }
}

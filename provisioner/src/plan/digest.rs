//! The names of a plan and of its blocks, by which an apply is bound to what was planned.

use std::fmt;

use crate::block::{Block, Decision};
use crate::config::{Config, Given};
use crate::host::{HostError, Observe};
use crate::plan::{Plan, Planned};
use crate::view::Reads;

/// The name of a plan: BLAKE3 over what it would do and what it read. Shown as `7f3a-c21e`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [one, two, three, four, ..] = self.0;
        write!(f, "{one:02x}{two:02x}-{three:02x}{four:02x}")
    }
}

impl Digest {
    /// The name of what would be planned the same once more, after this run has applied it: a plan is
    /// applied once.
    #[must_use]
    pub fn after(self, run: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.0).update(run.as_bytes());
        Self(*hasher.finalize().as_bytes())
    }
}

/// The short name of one planned block: the first 8 bytes of what its part of the digest is. It
/// tells which block has moved; whether one has is the digest's to say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mark(pub u64);

impl Mark {
    pub(super) fn of(sealed: &[u8; 32]) -> Self {
        let first = sealed.first_chunk().expect("8 of 32 bytes");
        Self(u64::from_be_bytes(*first))
    }
}

/// The plan that an apply is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// Its name.
    pub digest: Digest,
    /// The marks of its blocks, in order; empty if nobody needs to know which one has moved.
    pub marks: Vec<Mark>,
}

/// The host no longer shows what the plan was made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The plan that was agreed to.
    pub planned: Digest,
    /// What would be planned now.
    pub now: Digest,
    /// The ids of the blocks that are judged otherwise by now, or saw something else.
    pub blocks: Vec<String>,
}

impl Plan {
    /// What binds an apply to this plan.
    pub fn bound(&self) -> Bound {
        Bound {
            digest: self.digest,
            marks: self.blocks.iter().map(|block| block.mark).collect(),
        }
    }
}

impl Bound {
    /// Whether a plan that was made later is still the same one.
    ///
    /// # Errors
    /// If it is another one, with the blocks by which they differ.
    pub fn compare(&self, plan: &Plan) -> Result<(), Moved> {
        if self.digest == plan.digest {
            return Ok(());
        }
        let pairs = self.marks.iter().zip(&plan.blocks);
        let moved = pairs.filter(|(mark, block)| **mark != block.mark);
        Err(Moved {
            planned: self.digest,
            now: plan.digest,
            blocks: moved.map(|(_, block)| block.id.clone()).collect(),
        })
    }
}

/// What was asked for: by which version of hpt, the config with what its sources were resolved to, what was
/// said besides, and which secrets there are, each by its name and the host's own fingerprint.
pub(super) fn request(version: &str, config: &Config, host: &dyn Observe) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    let mut add = |part: &dyn fmt::Debug| {
        hasher.update(format!("{part:?}\0").as_bytes());
    };
    add(&(version, &config.scope.target));
    for file in &config.files {
        add(&(&file.name, &file.text));
    }
    for (source, blob) in &config.scope.blobs {
        add(&(source.to_string(), blob.hash));
    }
    let Given {
        vars,
        tags,
        groups,
        target_tags,
        included,
        prune: _, // whatever asked for it, the settings or a flag, is one
    } = &config.scope.given;
    add(&(vars, tags, groups, target_tags, included, config.prunes));
    for (name, secret) in config.scope.secrets.iter().flatten() {
        add(&(name, host.fingerprint(secret.expose().as_bytes())));
    }
    *hasher.finalize().as_bytes()
}

/// What the block will do and what it saw, as one hash. Whatever concerns a secret goes in
/// under the host's own key, so that the digest cannot be used to guess at it.
pub(super) fn seal(
    block: &Block,
    planned: &Planned,
    decision: &Result<Decision, HostError>,
    reads: &Reads,
    host: &dyn Observe,
) -> [u8; 32] {
    let mut part = blake3::Hasher::new();
    let words = (&planned.id, planned.verdict, &planned.summary);
    part.update(format!("{words:?}\0").as_bytes());
    for (key, seen) in reads {
        part.update(format!("{key:?}").as_bytes())
            .update(seen.as_bytes());
    }
    if let Ok(Decision::Act(action) | Decision::Ask { action, .. }) = decision {
        for effect in &action.effects {
            let name = effect.name(&|secret| host.fingerprint(secret));
            part.update(name.as_bytes());
        }
    }
    let part = part.finalize();
    let secret = block.sensitive || block.needs().iter().any(|need| need.secret);
    if secret {
        *blake3::hash(host.fingerprint(part.as_bytes()).as_bytes()).as_bytes()
    } else {
        *part.as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::scope::Scope;
    use crate::config::{self, File};
    use crate::effect::{Access, Content, Effect, WriteFile};
    use crate::host::facts::Facts;
    use crate::host::memory::Memory;
    use crate::name::AbsPath;
    use crate::plan::{Reveal, plan};
    use crate::secret::Secret;
    use crate::source::{Blob, Source};

    const SITE: &str = "[secret.token]\nenv = \"TOKEN\"\n[vars]\nsize = 1\n\
        [[file]]\npath = \"/etc/a\"\ncontent = \"{{ vars.size }}\"\n\
        [[exec]]\nscript = \"run\"\nalways = true\n";

    /// All that a plan is made from.
    struct Made {
        text: String,
        secrets: Vec<(&'static str, &'static str)>,
        given: Given,
        blobs: Vec<(&'static str, &'static str)>,
        there: Option<&'static str>,
    }

    impl Made {
        fn new() -> Self {
            Self {
                text: SITE.to_owned(),
                secrets: vec![("token", "s3cret")],
                given: Given::default(),
                blobs: Vec::new(),
                there: None,
            }
        }

        fn config(&self) -> Config {
            let secrets = self.secrets.iter();
            let secrets = secrets.map(|(k, v)| ((*k).to_owned(), Secret::new((*v).to_owned())));
            let blobs = self.blobs.iter().map(|(name, bytes)| {
                let hash = blake3::hash(bytes.as_bytes());
                (Source::File((*name).to_owned()), Blob { hash, size: 1 })
            });
            let scope = Scope {
                facts: Some(Facts::default()),
                secrets: Some(secrets.collect()),
                given: self.given.clone(),
                blobs: blobs.collect(),
                ..Scope::default()
            };
            let files = vec![File {
                name: "site.toml".to_owned(),
                text: self.text.clone(),
            }];
            config::parse(files, scope).unwrap_or_else(|faults| panic!("{faults:#?}"))
        }

        fn host(&self) -> Memory {
            let mut host = Memory::new(Facts::default());
            if let Some(content) = self.there {
                host.put(&Effect::WriteFile(WriteFile {
                    path: AbsPath::parse("/etc/a").expect("a path"),
                    content: Content::Inline(content.as_bytes().into()),
                    access: Access::default(),
                    verify: None,
                    secret: false,
                }));
            }
            host
        }

        fn plan(&self) -> Plan {
            plan(&self.config(), &self.host(), Reveal::Outline)
        }
    }

    #[test]
    fn a_plan_is_named_after_all_that_it_is_made_from() {
        let planned = Made::new().plan();
        assert_eq!(planned.digest, Made::new().plan().digest);
        let differs = |part: &str, change: &dyn Fn(&mut Made)| {
            let mut made = Made::new();
            change(&mut made);
            let other = made.plan();
            assert_ne!(other.digest, planned.digest, "{part}");
            let pairs = planned.blocks.iter().zip(&other.blocks);
            let marks: Vec<bool> = pairs.map(|(a, b)| a.mark != b.mark).collect();
            marks
        };
        // What changes no block is in the plan's name alone.
        let same = [false, false];
        assert_eq!(differs("the config", &|m| m.text.push_str("# new\n")), same);
        assert_eq!(
            differs("a secret's name", &|m| m.secrets[0].0 = "other"),
            same
        );
        assert_eq!(differs("a secret", &|m| m.secrets[0].1 = "changed"), same);
        assert_eq!(differs("a source", &|m| m.blobs.push(("x", "y"))), same);
        let tags = std::collections::BTreeSet::from(["t".to_owned()]);
        assert_eq!(
            differs("the tags", &|m| m.given.target_tags = tags.clone()),
            same
        );
        let value = toml::Value::Integer(1);
        assert_eq!(
            differs("a variable", &|m| drop(
                m.given.vars.insert("n".into(), value.clone())
            )),
            same
        );
        // What the host shows, and what is done, is in the block's too.
        assert_eq!(
            differs("the state", &|m| m.there = Some("0")),
            [true, false]
        );
        let script = |m: &mut Made| m.text = SITE.replace("\"run\"", "\"walk\"");
        assert_eq!(differs("an action", &script), [false, true]);
        let umask = |m: &mut Made| m.text.push_str("umask = \"0077\"\n");
        assert_eq!(differs("how it is done", &umask), [false, true]);
    }

    #[test]
    fn another_version_plans_otherwise() {
        let made = Made::new();
        let of = |version| request(version, &made.config(), &made.host());
        assert_eq!(of("0.1.0"), of("0.1.0"));
        assert_ne!(of("0.1.0"), of("0.1.1"));
    }
}

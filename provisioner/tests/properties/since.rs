//! Undos on hosts that a person has changed since the run: nothing of what the person did is lost.

use std::collections::BTreeSet;

use hpt_provisioner::effect::{Access, Effect, GroupEdit, UnitJob, UserEdit, UserShape};
use hpt_provisioner::host::memory::Memory;
use hpt_provisioner::host::setting::Setting;
use hpt_provisioner::host::{EntryKind, Mutate, Observe};
use hpt_provisioner::name::{AbsPath, GroupName, Mode, SysctlKey, UnitName, UserName};
use hpt_provisioner::report::Outcome;
use hpt_provisioner::run::apply;
use hpt_provisioner::undo::{self, Change, Fate};

use super::generator::{Random, blocks};
use super::hosts::{WORLD, host};
use super::scaffold::{file, path};
use super::undone::Journal;
use super::{PAIRS, SEED, parse};

/// What a person leaves in a file.
const THEIRS: &str = "theirs\n";

/// Something that a person has done.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Done {
    Written(AbsPath),
    Removed(AbsPath),
    Linked(AbsPath),
    Closed(AbsPath),
    Shell(UserName),
    Member(UserName, GroupName),
    Sysctl(SysctlKey),
    Enabled(UnitName),
    Started(UnitName),
}

impl Done {
    /// Something about what the run was about, or about anything else.
    fn random(r: &mut Random, paths: &[AbsPath]) -> Self {
        let at = if paths.is_empty() || r.chance(30) {
            path(r.one(WORLD.paths))
        } else {
            paths[usize::try_from(r.below(paths.len().try_into().unwrap())).unwrap()].clone()
        };
        let user = UserName::parse(r.one(WORLD.names)).unwrap();
        let group = GroupName::parse(r.one(WORLD.names)).unwrap();
        let unit = UnitName::service(r.one(WORLD.units)).unwrap();
        match r.below(12) {
            0..3 => Self::Written(at),
            3 => Self::Removed(at),
            4 => Self::Linked(at),
            5 | 6 => Self::Closed(at),
            7 => Self::Shell(user),
            8 => Self::Member(user, group),
            9 => Self::Sysctl(SysctlKey::parse(r.one(WORLD.sysctls)).unwrap()),
            10 => Self::Enabled(unit),
            _ => Self::Started(unit),
        }
    }

    /// What it takes, where it can be done.
    fn effect(&self, host: &Memory) -> Option<Effect> {
        let kind = |path: &AbsPath| host.path(path).unwrap().map(|entry| entry.kind);
        let lies =
            |path: &AbsPath| path.parent().and_then(|dir| kind(&dir)) == Some(EntryKind::Dir);
        let can = match self {
            Self::Written(path) | Self::Linked(path) => {
                // Nobody writes to a swap space that is in use.
                let is_swap = host
                    .setting(&Setting::Swap(path.clone()))
                    .unwrap()
                    .is_some();
                lies(path) && kind(path) != Some(EntryKind::Dir) && !is_swap
            }
            Self::Removed(path) => kind(path).is_some(),
            // The mode of a new home is the system's to pick, and not known before.
            Self::Closed(path) if path.as_path().starts_with("/home") => false,
            Self::Closed(path) => {
                matches!(kind(path), Some(EntryKind::File { .. } | EntryKind::Dir))
            }
            // A shell that the system has picked is not known before either.
            Self::Shell(user) => {
                let user = host.user(user).unwrap();
                user.is_some_and(|user| !user.shell.is_empty())
            }
            Self::Member(user, group) if user.as_str() == group.as_str() => false, // it is in there
            Self::Member(user, group) => {
                host.user(user).unwrap().is_some() && host.group(group).unwrap().is_some()
            }
            Self::Sysctl(_) => true,
            Self::Enabled(unit) | Self::Started(unit) => {
                host.unit(&unit.clone().into()).unwrap().is_some()
            }
        };
        let job = |unit: &UnitName, job| Effect::Unit {
            unit: unit.clone().into(),
            job,
        };
        can.then(|| match self {
            Self::Written(path) => file(&path.to_string(), THEIRS, Access::default()),
            Self::Removed(path) => Effect::Remove {
                path: path.clone(),
                recursive: true,
            },
            Self::Linked(path) => Effect::Link {
                path: path.clone(),
                to: "/theirs".to_owned(),
            },
            Self::Closed(path) => Effect::SetAccess {
                path: path.clone(),
                access: Access {
                    mode: Some(Mode::new(0o711)),
                    ..Access::default()
                },
            },
            Self::Shell(name) => Effect::User(UserEdit::Modify {
                name: name.clone(),
                to: UserShape {
                    shell: Some(path("/bin/theirs")),
                    ..UserShape::default()
                },
            }),
            Self::Member(user, name) => Effect::Group(GroupEdit::AddMembers {
                name: name.clone(),
                members: vec![user.clone()],
            }),
            Self::Sysctl(key) => Effect::Set {
                setting: Setting::Sysctl(key.clone()),
                value: Some("77".to_owned()),
            },
            Self::Enabled(unit) => job(unit, UnitJob::Enable),
            Self::Started(unit) => job(unit, UnitJob::Start),
        })
    }

    /// Whether it is so.
    fn holds(&self, host: &Memory) -> bool {
        let entry = |path: &AbsPath| host.path(path).unwrap();
        match self {
            Self::Written(path) => {
                let content = host.read(path).unwrap();
                let is_file = |kind| matches!(kind, EntryKind::File { .. });
                entry(path).is_some_and(|entry| is_file(entry.kind))
                    && content.is_some_and(|content| *content == *THEIRS.as_bytes())
            }
            Self::Removed(path) => entry(path).is_none(),
            Self::Linked(path) => {
                let link = EntryKind::Symlink("/theirs".to_owned());
                entry(path).is_some_and(|entry| entry.kind == link)
            }
            Self::Closed(path) => entry(path).is_some_and(|entry| entry.mode == Mode::new(0o711)),
            Self::Shell(user) => {
                let user = host.user(user).unwrap();
                user.is_some_and(|user| user.shell == "/bin/theirs")
            }
            Self::Member(user, group) => {
                let user = host.user(user).unwrap();
                user.is_some_and(|user| user.groups.contains(group))
            }
            Self::Sysctl(key) => {
                let now = host.setting(&Setting::Sysctl(key.clone())).unwrap();
                now.as_deref() == Some("77")
            }
            Self::Enabled(unit) => {
                let unit = host.unit(&unit.clone().into()).unwrap();
                unit.is_none_or(|unit| unit.is_enabled()) // it goes with its file
            }
            Self::Started(unit) => {
                let unit = host.unit(&unit.clone().into()).unwrap();
                unit.is_none_or(|unit| unit.is_running())
            }
        }
    }
}

/// Whatever a run has done and a person since, the undo loses nothing of the person's; and its plan
/// says of each block what becomes of it.
#[test]
fn nothing_is_lost_of_what_a_person_did_since() {
    let (mut kept, mut said) = (BTreeSet::new(), 0);
    for pair in 0..PAIRS / 4 {
        let seed = SEED + pair;
        let mut r = Random(seed);
        let mut host = host(&mut r);
        let text = blocks(&mut r, &WORLD).concat();
        let config = parse(&text);
        let mut journal = Journal::default();
        let _ = apply(&config, &mut host, &mut journal);
        let changes = journal.newest_first(&config);
        let paths: Vec<AbsPath> = changes.iter().flat_map(Change::paths).cloned().collect();
        let mut theirs = Vec::new();
        for _ in 0..3 {
            theirs.push(Done::random(&mut r, &paths));
        }
        // What is as the run left it is nobody else's, and neither is what one of its blocks left there.
        let is_once = |at: &AbsPath| paths.iter().filter(|path| *path == at).count() < 2;
        theirs.retain(|done| match done {
            Done::Removed(at) if !is_once(at) => false,
            done => !done.holds(&host),
        });
        theirs.retain(|done| match done.effect(&host) {
            Some(effect) => host.perform(&[effect], &mut |_, _| {})[0].is_ok(),
            None => false,
        });
        // What the person has undone by hand is no longer theirs to lose.
        theirs.retain(|done| done.holds(&host));
        let fates = undo::foresee(&changes, &host);
        let report = undo::undo(&changes, &mut host, &mut ());
        let context = || {
            let blocks = &report.blocks;
            format!("seed {seed:#x}\n{text}\n{theirs:?}\n{changes:#?}\n{fates:#?}\n{blocks:#?}")
        };
        for done in &theirs {
            assert!(done.holds(&host), "{done:?} is lost {}", context());
            kept.insert(format!("{done:?}"));
        }
        for (fate, end) in fates.iter().zip(&report.blocks) {
            let is_said = matches!(fate, Fate::Stays { .. }) || end.outcome != Outcome::Skipped;
            assert!(is_said, "{fate:?} {end:?} {}", context());
            said += usize::from(end.note.contains("has changed since the run"));
        }
    }
    assert!(kept.len() > 30 && said > 300, "{} {said}", kept.len());
}

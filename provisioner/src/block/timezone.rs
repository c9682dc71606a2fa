//! `[[timezone]]`: which zone the host's clock is shown in.

use serde::Deserialize;

use crate::block::conf::Steps;
use crate::block::{Decision, Holding, Kind, Verb};
use crate::effect::Effect;
use crate::host::overlay::Fate;
use crate::host::{EntryKind, HostError, Key};
use crate::name::{AbsPath, ZoneName};
use crate::view::View;

/// The host's time zone: the link `/etc/localtime`, and `/etc/timezone` where there is one. Programs
/// that run already keep the zone that they began with.
///
/// ```toml
/// [[timezone]]
/// zone = "Europe/Berlin"
/// ```
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timezone {
    /// The zone, such as `"Europe/Berlin"` or `"UTC"`; a file below `/usr/share/zoneinfo`.
    zone: ZoneName,
}

impl Kind for Timezone {
    const NAME: &'static str = "timezone";

    fn primary(&self) -> String {
        self.zone.to_string()
    }

    fn reads(&self) -> Vec<Key> {
        let [link, name] = paths();
        vec![
            Key::Path(link),
            Key::Path(name.clone()),
            Key::Content(name),
            Key::Path(self.data()),
        ]
    }

    fn holdings(&self) -> Vec<Holding> {
        vec![Holding::of(paths().map(Key::Path))]
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, HostError> {
        let [link, name] = paths();
        match view.path(&self.data())? {
            Fate::Unknown(cause) => return Ok(Decision::Maybe(cause)),
            Fate::Is(Some(entry)) if entry.kind != EntryKind::Dir => {}
            Fate::Is(Some(_)) => return Ok(self.unknown("is a folder of time zones")),
            Fate::Is(None) => {
                return Ok(match view.pending_install() {
                    Some(cause) => Decision::Maybe(cause),
                    None => self.unknown("is no time zone of this host"),
                });
            }
        }
        let mut steps = Steps::default();
        let to = format!("../usr/share/zoneinfo/{}", self.zone);
        match view.path(&link)? {
            Fate::Unknown(cause) => return Ok(Decision::Maybe(cause)),
            Fate::Is(entry) => {
                let verb = if entry.is_some() {
                    Verb::Update
                } else {
                    Verb::Create
                };
                let now = match entry.map(|entry| entry.kind) {
                    None => String::new(),
                    Some(EntryKind::Symlink(now)) => now,
                    Some(EntryKind::File { .. }) => "a file".to_owned(),
                    Some(_) => {
                        let why = format!("{link} is neither a link nor a file; remove it first");
                        return Ok(Decision::Blocked(why));
                    }
                };
                if now.trim_start_matches("..") != self.data().to_string() {
                    let was = now.rsplit_once("zoneinfo/").map_or(&*now, |(_, zone)| zone);
                    steps.say(
                        verb,
                        format!("{was} -> {}", self.zone).trim_start().to_owned(),
                    );
                    steps.effects.push(Effect::Link { path: link, to });
                }
            }
        }
        match view.path(&name)? {
            Fate::Unknown(cause) => return Ok(Decision::Maybe(cause)),
            Fate::Is(None) => {}
            Fate::Is(Some(_)) => {
                let text = format!("{}\n", self.zone);
                if let Some(stop) = steps.write(&name, &text, view)? {
                    return Ok(stop);
                }
            }
        }
        Ok(steps.decide())
    }
}

impl Timezone {
    fn data(&self) -> AbsPath {
        AbsPath::parse(&format!("/usr/share/zoneinfo/{}", self.zone)).expect("a zone is plain")
    }

    fn unknown(&self, why: &str) -> Decision {
        Decision::Blocked(format!(
            "{} {why}; look into /usr/share/zoneinfo, which the package tzdata brings",
            self.zone
        ))
    }
}

fn paths() -> [AbsPath; 2] {
    ["/etc/localtime", "/etc/timezone"].map(|path| AbsPath::parse(path).expect("a plain path"))
}

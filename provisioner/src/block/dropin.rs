//! `[[dropin]]`: a drop-in, which changes a unit without replacing its file.

use serde::Deserialize;

use crate::block::own_file::{OwnFile, Placed};
use crate::block::unit::place;
use crate::block::unit::sections::{Section, sections_of};
use crate::block::unit::{text, unit_name};
use crate::block::{Action, Decision, Holding, Kind, Verb};
use crate::host::{HostError, Key};
use crate::name::{AbsPath, BadName, UnitName};
use crate::unit_file;
use crate::view::View;

/// A drop-in of a unit: `/etc/systemd/system/UNIT.d/NAME.conf`, for root, mode 0644. It is given as a
/// text, or as tables: `[dropin.Service]` under its `[[dropin]]`. What runs is not restarted: `notify`
/// a handler for that.
///
/// ```toml
/// [[dropin]]
/// unit = "nginx.service"
/// name = "10-limits"
/// [dropin.Service]
/// LimitNOFILE = 65536
/// ```
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dropin {
    /// The unit that it changes, such as "nginx.service"; `.service` is understood. The unit need not
    /// be there yet.
    #[serde(deserialize_with = "unit_name")]
    unit: UnitName,
    /// The name of its file without `.conf`, such as "10-limits": letters, digits and `-_.@:`.
    /// systemd reads the drop-ins of a unit in the order of their names.
    #[serde(deserialize_with = "file_name")]
    name: String,
    /// The whole drop-in as one text; `{{ }}` in it is rendered. Either this or sections.
    content: Option<String>,
    /// It must not be there; false.
    #[serde(default)]
    absent: bool,
    /// The `[Unit]` section: a string, a number, true, false or a list of them for each key.
    #[serde(rename = "Unit")]
    about: Option<Section>,
    /// The `[Service]` section. A list that begins with an empty text replaces what the unit itself
    /// says: `ExecStart = ["", "/opt/app/bin/serve"]`.
    #[serde(rename = "Service")]
    service: Option<Section>,
    /// The `[Install]` section, such as `WantedBy = "multi-user.target"`.
    #[serde(rename = "Install")]
    install: Option<Section>,
    /// The `[Timer]` section of a timer, such as `OnCalendar = ["", "daily"]`.
    #[serde(rename = "Timer")]
    timer: Option<Section>,
    /// The `[Socket]` section of a socket, such as `ListenStream = ["", "8080"]`.
    #[serde(rename = "Socket")]
    socket: Option<Section>,
    /// The `[Path]` section of a path, such as `PathChanged = "/srv/in"`.
    #[serde(rename = "Path")]
    path: Option<Section>,
    /// The `[Mount]` section of a mount, such as `Options = "noatime"`.
    #[serde(rename = "Mount")]
    mount: Option<Section>,
    /// The `[Automount]` section of an automount, such as `TimeoutIdleSec = 60`.
    #[serde(rename = "Automount")]
    automount: Option<Section>,
    /// The `[Swap]` section of a swap, such as `Priority = 10`.
    #[serde(rename = "Swap")]
    swap: Option<Section>,
    /// The `[Slice]` section of a slice, such as `MemoryMax = "1G"`.
    #[serde(rename = "Slice")]
    slice: Option<Section>,
}

fn file_name<'de, D: serde::Deserializer<'de>>(d: D) -> Result<String, D::Error> {
    crate::name::deserialize(d, |text| {
        let stem = text.strip_suffix(".conf").unwrap_or(text);
        let good = |c: u8| c.is_ascii_alphanumeric() || b"-_.@:".contains(&c);
        let plain = stem.len() <= 200 && stem.bytes().all(good) && !stem.starts_with(['-', '.']);
        if plain && !stem.is_empty() {
            return Ok(stem.to_owned());
        }
        Err(BadName(
            "a drop-in's name is letters, digits and `-_.@:`, at most 200 characters, not a path",
        ))
    })
}

impl Kind for Dropin {
    const NAME: &'static str = "dropin";

    fn primary(&self) -> String {
        format!("{}/{}", self.unit, self.name)
    }

    fn check(&self, complain: &mut dyn FnMut(&'static str, String)) {
        let sections = self.sections();
        text::check(
            self.content.as_deref(),
            sections.as_deref(),
            self.absent,
            complain,
        );
    }

    fn reads(&self) -> Vec<Key> {
        let path = self.at();
        vec![Key::Path(path.clone()), Key::Content(path)]
    }

    fn holdings(&self) -> Vec<Holding> {
        if self.absent {
            return Vec::new();
        }
        let unit = ("unit", self.unit.to_string().into());
        let name = ("name", self.name.clone().into());
        vec![Holding::of([Key::Path(self.at())]).absent_by("dropin", [unit, name])]
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, HostError> {
        let path = self.at();
        if self.absent {
            return Ok(match place::remove(&path, view)? {
                Ok(Some(file)) => Decision::Act(Action::new(Verb::Delete, "", vec![file])),
                Ok(None) => Decision::InPlace,
                Err(decision) => decision,
            });
        }
        let text = text::whole(self.content.as_deref(), self.sections());
        Ok(match OwnFile::public(&path, text).place(view)? {
            Placed::InPlace => Decision::InPlace,
            Placed::Act(verb, effects) => {
                let words = if verb == Verb::Update { "content" } else { "" };
                Decision::Act(Action::new(verb, words, effects))
            }
            Placed::Stop(decision) => decision,
        })
    }
}

impl Dropin {
    fn at(&self) -> AbsPath {
        let dir = unit_file::system().join(&format!("{}.d", self.unit));
        let path = dir.and_then(|dir| dir.join(&format!("{}.conf", self.name)));
        path.expect("names are plain parts")
    }

    fn sections(&self) -> Option<String> {
        sections_of!(self)
    }
}

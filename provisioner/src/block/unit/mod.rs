//! `[[unit]]`: a unit file of systemd in `/etc/systemd/system`, and whether the unit runs.

pub(super) mod manager;
pub(super) mod offline;
pub(super) mod place;
pub(super) mod sections;
pub(super) mod state;
pub(super) mod text;

use serde::Deserialize;

use self::sections::{Section, sections_of};
use self::state::Wanted;
use crate::block::own_file::{OwnFile, Placed};
use crate::block::{Action, Decision, Holding, Kind, Verb};
use crate::host::overlay::Fate;
use crate::host::{HostError, Key};
use crate::name::{AbsPath, PackageName, UnitName};
use crate::unit_file;
use crate::view::View;

/// A unit file of systemd, written to `/etc/systemd/system/NAME` for root, mode 0644. It is given as
/// a text, or as tables: `[unit.Service]` under the `[[unit]]` it belongs to, one key for each line.
///
/// ```toml
/// [[unit]]
/// name = "app.service"
/// enabled = true
/// state = "started"
/// [unit.Service]
/// User = "app"
/// ExecStart = "/opt/app/bin/serve --port 8080"
/// [unit.Install]
/// WantedBy = "multi-user.target"
/// ```
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unit {
    /// Its name with its type, such as "app.service"; `.service` is understood.
    #[serde(deserialize_with = "unit_name")]
    name: UnitName,
    /// The whole file as one text; `{{ }}` in it is rendered. Either this or sections.
    content: Option<String>,
    /// Whether it starts at boot, which needs an `[Install]` section; left alone if it is not said.
    enabled: Option<bool>,
    /// "started" or "stopped"; left alone if it is not said. A new content does not restart what
    /// runs: `notify` a handler for that.
    state: Option<State>,
    /// Whether `systemd-analyze verify` must accept the new file before systemd reads it, and
    /// without a warning where systemd is 250 or newer; true. What the unit starts and needs must
    /// be there by then. A host without the tool skips it.
    #[serde(default = "yes")]
    verify: bool,
    /// It must not be there: it is stopped and disabled, and its file in `/etc/systemd/system` goes;
    /// false.
    #[serde(default)]
    absent: bool,
    /// The `[Unit]` section: a string, a number, true, false or a list of them for each key.
    #[serde(rename = "Unit")]
    about: Option<Section>,
    /// The `[Service]` section, such as `ExecStart = "/opt/app/bin/serve"`.
    #[serde(rename = "Service")]
    service: Option<Section>,
    /// The `[Install]` section, such as `WantedBy = "multi-user.target"`.
    #[serde(rename = "Install")]
    install: Option<Section>,
    /// The `[Timer]` section of a timer, such as `OnCalendar = "daily"`.
    #[serde(rename = "Timer")]
    timer: Option<Section>,
    /// The `[Socket]` section of a socket, such as `ListenStream = 8080`.
    #[serde(rename = "Socket")]
    socket: Option<Section>,
    /// The `[Path]` section of a path, such as `PathChanged = "/srv/in"`.
    #[serde(rename = "Path")]
    path: Option<Section>,
    /// The `[Mount]` section of a mount, such as `What = "/dev/vdb1"`.
    #[serde(rename = "Mount")]
    mount: Option<Section>,
    /// The `[Automount]` section of an automount, such as `Where = "/srv/data"`.
    #[serde(rename = "Automount")]
    automount: Option<Section>,
    /// The `[Swap]` section of a swap, such as `What = "/swapfile"`.
    #[serde(rename = "Swap")]
    swap: Option<Section>,
    /// The `[Slice]` section of a slice, such as `MemoryMax = "1G"`.
    #[serde(rename = "Slice")]
    slice: Option<Section>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum State {
    Started,
    Stopped,
}

fn yes() -> bool {
    true
}

pub(super) fn unit_name<'de, D: serde::Deserializer<'de>>(d: D) -> Result<UnitName, D::Error> {
    crate::name::deserialize(d, UnitName::service)
}

impl Kind for Unit {
    const NAME: &'static str = "unit";

    fn primary(&self) -> String {
        self.name.to_string()
    }

    fn check(&self, complain: &mut dyn FnMut(&'static str, String)) {
        let name = self.name.as_str();
        if matches!(name.rsplit_once('.'), Some((_, "scope" | "device"))) {
            complain("name", "a scope or device has no unit file".to_owned());
        }
        let sections = self.sections();
        text::check(
            self.content.as_deref(),
            sections.as_deref(),
            self.absent,
            complain,
        );
        if self.absent {
            for (key, said) in [
                ("enabled", self.enabled.is_some()),
                ("state", self.state.is_some()),
            ] {
                if said {
                    complain(key, format!("an absent unit has no `{key}`"));
                }
            }
            return;
        }
        let Ok(settings) = unit_file::parse(&self.text()) else {
            return;
        };
        if self.enabled == Some(true) && unit_file::install(&settings).is_empty() {
            let what = "only a unit with an [Install] section can be enabled: `WantedBy = \"multi-user.target\"` starts it at boot";
            complain("enabled", what.to_owned());
        }
        if self.state == Some(State::Started) {
            let service = |key| unit_file::value(&settings, "Service", key);
            if name.contains("@.") {
                let what = "a template is not started itself; a [[service]] block starts an instance of it";
                complain("state", what.to_owned());
            } else if service("Type") == Some("oneshot")
                && service("RemainAfterExit").is_none_or(is_no)
            {
                let what = "a oneshot ends when it has run, so that it never stays started; say RemainAfterExit = true, or leave `state` out";
                complain("state", what.to_owned());
            }
        }
    }

    fn reads(&self) -> Vec<Key> {
        let path = unit_file::path_of(&self.name);
        let mut keys = vec![Key::Path(path.clone()), Key::Content(path)];
        let asks = self.absent || self.enabled.is_some() || self.state.is_some();
        keys.extend(asks.then(|| Key::Unit(self.name.clone().into())));
        keys
    }

    fn holdings(&self) -> Vec<Holding> {
        if self.absent {
            return Vec::new();
        }
        let file = Key::Path(unit_file::path_of(&self.name));
        let name = ("name", self.name.to_string().into());
        let holding = Holding::of([file, Key::Unit(self.name.clone().into())]);
        vec![holding.absent_by("unit", [name])]
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, HostError> {
        let path = unit_file::path_of(&self.name);
        if self.absent {
            return self.removal(&path, view);
        }
        let text = self.text();
        let settings = unit_file::parse(&text).map_err(HostError::Refused)?;
        let check = if self.verify {
            verifier(&path, view)?
        } else {
            None
        };
        let checked = check.is_some();
        let before = text::settings_at(&path, view)?;
        let file = OwnFile {
            verify: check,
            ..OwnFile::public(&path, text.as_str())
        };
        let (verb, mut effects) = match file.place(view)? {
            Placed::InPlace => (Verb::Update, Vec::new()),
            Placed::Act(verb, effects) => (verb, effects),
            Placed::Stop(decision) => return Ok(decision),
        };
        let written = !effects.is_empty();
        let wanted = Wanted {
            enabled: self.enabled,
            active: self.state.map(|state| state == State::Started),
            written: written.then_some(text.as_str()),
            moves: written && unit_file::install(&before) != unit_file::install(&settings),
            restart: false,
        };
        let steps = match state::judge(&self.name, &wanted, view)? {
            Ok(steps) => steps,
            Err(decision) => return Ok(decision),
        };
        effects.extend(steps.effects);
        if effects.is_empty() {
            return Ok(Decision::InPlace);
        }
        let mut words = Vec::new();
        words.extend((written && verb == Verb::Update).then_some("content"));
        words.extend(steps.words);
        if written && self.verify && !checked && !view.powers().exec {
            words.push("not verified, as no command can run here");
        }
        Ok(Decision::Act(Action::new(verb, words.join(", "), effects)))
    }
}

impl Unit {
    fn sections(&self) -> Option<String> {
        sections_of!(self)
    }

    fn text(&self) -> String {
        text::whole(self.content.as_deref(), self.sections())
    }

    fn removal(&self, path: &AbsPath, view: &View<'_>) -> Result<Decision, HostError> {
        let file = match place::remove(path, view)? {
            Ok(Some(file)) => file,
            Ok(None) => return Ok(Decision::InPlace),
            Err(decision) => return Ok(decision),
        };
        let steps = match state::end(&self.name, view)? {
            Ok(steps) => steps,
            Err(decision) => return Ok(decision),
        };
        let mut effects = steps.effects;
        effects.push(file);
        Ok(Decision::Act(Action::new(
            Verb::Delete,
            steps.words.join(", "),
            effects,
        )))
    }
}

/// How systemd's own tool is asked about the file, once it lies in its place and before it is read.
fn verifier(path: &AbsPath, view: &View<'_>) -> Result<Option<Vec<String>>, HostError> {
    if !place::can_analyze(view)? {
        return Ok(None);
    }
    let mut words = vec![place::ANALYZE.to_owned()];
    // Since 250 a warning can be told from success: an unknown key is a typing error.
    let systemd = PackageName::parse("systemd").expect("a plain name");
    if let Fate::Is(Some(package)) = view.package(&systemd)?
        && let Some(version) = package.version
        && let Some(major) = version.as_str().split(['.', '-', '~']).next()
        && major.parse::<u32>().is_ok_and(|major| major >= 250)
    {
        words.push("--recursive-errors=no".to_owned());
    }
    words.extend(["--man=no", "verify"].map(ToOwned::to_owned));
    words.push(path.to_string());
    Ok(Some(words))
}

fn is_no(value: &str) -> bool {
    ["no", "false", "off", "0", "n", "f"].contains(&value.to_ascii_lowercase().as_str())
}

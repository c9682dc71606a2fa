//! `[[mount]]`: a file system, its line in `/etc/fstab` and whether it is mounted.

use serde::Deserialize;

use crate::block::conf::{Gathered, Steps};
use crate::block::fstab::{self, Line, Table, Which};
use crate::block::{Decision, Holding, Kind, Verb};
use crate::host::overlay::Fate;
use crate::host::setting::Setting;
use crate::host::{EntryKind, HostError, Key};
use crate::name::AbsPath;
use crate::view::View;

/// A file system at a path. Other lines of `/etc/fstab` are left as they are, byte for byte.
///
/// ```toml
/// [[mount]]
/// path = "/srv"
/// device = "/dev/sdb1"
/// fstype = "ext4"
/// opts = "noatime,nofail"
/// ```
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mount {
    /// Where it is mounted, such as `"/srv"`: a directory that is there already.
    path: AbsPath,
    /// What is mounted, such as `"/dev/sdb1"`, `"UUID=..."`, `"tmpfs"` or `"nas:/export"`; needed if
    /// `state` is mounted or present.
    #[serde(default, deserialize_with = "field")]
    device: Option<String>,
    /// Its type, such as `"ext4"`, `"xfs"`, `"nfs"`, `"tmpfs"` or `"auto"`; needed likewise.
    #[serde(default, deserialize_with = "field")]
    fstype: Option<String>,
    /// Options with commas between, such as `"noatime,nofail"`; `"defaults"`. Of a file system that is
    /// mounted already, new options hold when it is mounted again.
    #[serde(default, deserialize_with = "field")]
    opts: Option<String>,
    /// `"mounted"`: a line in `/etc/fstab`, and mounted now. `"present"`: the line alone.
    /// `"unmounted"`: not mounted now, whatever the table says. `"absent"`: no line, and not mounted.
    /// The default is `"mounted"`.
    #[serde(default)]
    state: State,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Default)]
#[serde(rename_all = "lowercase")]
enum State {
    #[default]
    Mounted,
    Unmounted,
    Present,
    Absent,
}

fn field<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
    crate::name::deserialize(d, fstab::field).map(Some)
}

impl Kind for Mount {
    const NAME: &'static str = "mount";

    fn primary(&self) -> String {
        self.path.to_string()
    }

    fn check(&self, complain: &mut dyn FnMut(&'static str, String)) {
        let fields = [
            ("device", self.device.is_some()),
            ("fstype", self.fstype.is_some()),
            ("opts", self.opts.is_some()),
        ];
        for (key, given) in fields {
            match (self.has_line(), given) {
                (true, false) if key != "opts" => {
                    complain("", format!("[[mount]] needs `{key}`"));
                }
                (false, true) => {
                    let what = format!("`{key}` goes with the states mounted and present");
                    complain(key, what);
                }
                _ => {}
            }
        }
        if self.path.as_path().parent().is_none() && !self.has_line() {
            complain("path", "`/` is never unmounted".to_owned());
        }
        if self.fstype.as_deref() == Some("swap") {
            complain("fstype", "swap is what [[swap]] is for".to_owned());
        }
    }

    fn reads(&self) -> Vec<Key> {
        fstab::reads(&self.path, self.setting())
    }

    fn holdings(&self) -> Vec<Holding> {
        if !self.has_line() {
            return Vec::new();
        }
        let path = ("path", self.path.to_string().into());
        let holding = Holding::of([Key::Setting(self.setting())]);
        vec![holding.gone_by("mount", [path, ("state", "absent".into())])]
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, HostError> {
        let mut steps = Steps::default();
        let table = match Table::read(Which::Spot(&self.path), view)? {
            Ok(table) => table,
            Err(stop) => return Ok(stop),
        };
        let new = match self.state {
            State::Mounted | State::Present => match table.with(&self.line()) {
                Ok(new) => new,
                Err(why) => return Ok(Decision::Blocked(why)),
            },
            State::Absent => table.without(),
            State::Unmounted => table.text.clone(),
        };
        let mut stop = None;
        if matches!(
            self.state,
            State::Mounted | State::Unmounted | State::Absent
        ) {
            stop = self.live(&mut steps, new != table.text, view)?;
        }
        if stop.is_none() && new != table.text {
            let live = std::mem::take(&mut steps.effects);
            steps.say(Verb::Update, "");
            stop = steps.write(&fstab::path(), &new, view)?;
            steps.effects.extend(live); // the table first: `mount` reads it
        }
        Ok(stop.unwrap_or_else(|| steps.decide()))
    }
}

impl Mount {
    fn has_line(&self) -> bool {
        matches!(self.state, State::Mounted | State::Present)
    }

    fn setting(&self) -> Setting {
        Setting::Mounted(self.path.clone())
    }

    fn line(&self) -> Line {
        let text = |field: &Option<String>, default: &str| {
            field.clone().unwrap_or_else(|| default.to_owned())
        };
        Line {
            device: text(&self.device, "none"),
            spot: self.path.to_string(),
            fstype: text(&self.fstype, "auto"),
            opts: text(&self.opts, "defaults"),
        }
    }

    /// What is to be done about the running host.
    fn live(&self, steps: &mut Steps, edited: bool, view: &View<'_>) -> Gathered {
        if !view.powers().kernel {
            steps.leave("only /etc/fstab: this root does not run, or hpt is not root");
            return Ok(None);
        }
        let now = match view.setting(&self.setting())? {
            Fate::Unknown(cause) => return Ok(Some(Decision::Maybe(cause))),
            Fate::Is(now) => now,
        };
        let wanted = self.state == State::Mounted;
        match now {
            Some(now) if wanted => {
                let line = self.line();
                let other = view_of(&line, view)?.is_some_and(|wanted| !wanted.is(&now));
                if other {
                    return Ok(Some(Decision::Blocked(format!(
                        "{now} is mounted at {}, and not {} {}; unmount it first",
                        self.path, line.device, line.fstype
                    ))));
                }
                if edited {
                    steps.leave("it is mounted, and takes new options when it is mounted again");
                }
            }
            None if wanted => {
                match view.path(&self.path)? {
                    Fate::Unknown(cause) => return Ok(Some(Decision::Maybe(cause))),
                    Fate::Is(Some(entry)) if entry.kind == EntryKind::Dir => {}
                    Fate::Is(Some(_)) => {
                        let why = format!("{} is not a directory; mount elsewhere", self.path);
                        return Ok(Some(Decision::Blocked(why)));
                    }
                    Fate::Is(None) => {
                        return Ok(Some(Decision::Blocked(format!(
                            "the directory {} does not exist; make it with a [[file]] block with `dir = true` before this one",
                            self.path
                        ))));
                    }
                }
                let line = self.line();
                steps.say(Verb::Update, format!("mount {}", line.device));
                steps.set(
                    self.setting(),
                    Some(format!("{} {}", line.device, line.fstype)),
                );
            }
            Some(now) => {
                steps.say(Verb::Delete, format!("unmount {now}"));
                steps.set(self.setting(), None);
            }
            None => {}
        }
        Ok(None)
    }
}

/// What of a mount can be compared with what the kernel says of it.
struct Wanted<'a> {
    source: Option<&'a str>,
    fstype: Option<&'a str>,
}

impl Wanted<'_> {
    fn is(&self, now: &str) -> bool {
        let (source, fstype) = now.rsplit_once(' ').unwrap_or((now, ""));
        self.source.is_none_or(|wanted| wanted == source)
            // The kernel says which version of the protocol it speaks.
            && self.fstype.is_none_or(|wanted| fstype.starts_with(wanted))
    }
}

/// `None` for a bind mount, of which the kernel says what lies under it.
fn view_of<'a>(line: &'a Line, view: &View<'_>) -> Result<Option<Wanted<'a>>, HostError> {
    let binds = |opt: &str| matches!(opt, "bind" | "rbind");
    if line.opts.split(',').any(binds) {
        return Ok(None);
    }
    // A device by another name, such as UUID=..., or a link to it, or a file behind a loop device.
    let is_itself = match AbsPath::parse(&line.device) {
        Ok(path) => {
            let entry = view.path(&path)?;
            matches!(&entry, Fate::Is(Some(e)) if e.kind == EntryKind::Special)
        }
        Err(_) => !line.device.contains('='),
    };
    Ok(Some(Wanted {
        source: is_itself.then_some(&*line.device),
        fstype: (line.fstype != "auto").then_some(&*line.fstype),
    }))
}

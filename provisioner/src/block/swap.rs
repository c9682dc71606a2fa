//! `[[swap]]`: a file as swap space.

use serde::Deserialize;

use crate::block::conf::Steps;
use crate::block::fstab::{self, Line, Table, Which};
use crate::block::{Decision, Holding, Kind, Verb};
use crate::effect::Effect;
use crate::host::overlay::Fate;
use crate::host::setting::Setting;
use crate::host::{EntryKind, HostError, Key};
use crate::name::{AbsPath, BadName};
use crate::view::View;

/// A swap file: made with mode 0600, in use now, and at boot by its line in `/etc/fstab`.
///
/// ```toml
/// [[swap]]
/// path = "/swapfile"
/// size = "2GiB"
/// ```
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Swap {
    /// The file, such as `"/swapfile"`. Its directory must be there.
    path: AbsPath,
    /// How long it is: a number with `MiB`, `GiB` or `TiB` behind it, such as `"2GiB"`; 1 MiB to
    /// 16 TiB. Another length makes the file anew, with the swap space out of use meanwhile.
    size: Option<Size>,
    /// It must be neither in use nor there; false.
    #[serde(default)]
    absent: bool,
}

/// A length in bytes.
#[derive(Clone, Copy)]
struct Size(u64);

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        crate::name::deserialize(d, |text| {
            const RULE: BadName = BadName(
                "a size is a whole number of MiB, GiB or TiB, such as \"2GiB\", from 1MiB to 16TiB",
            );
            let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
            let shift = match &text[digits.len()..] {
                "MiB" => 20,
                "GiB" => 30,
                "TiB" => 40,
                _ => return Err(RULE),
            };
            let plain = !digits.is_empty() && digits.bytes().all(|c| c.is_ascii_digit());
            let number: u64 = digits.parse().map_err(|_| RULE)?;
            let bytes = number.checked_mul(1 << shift).filter(|n| *n <= 16 << 40);
            bytes.filter(|n| plain && *n > 0).map(Size).ok_or(RULE)
        })
    }
}

impl Kind for Swap {
    const NAME: &'static str = "swap";

    fn primary(&self) -> String {
        self.path.to_string()
    }

    fn check(&self, complain: &mut dyn FnMut(&'static str, String)) {
        match (self.size, self.absent) {
            (None, false) => complain("", "[[swap]] needs `size`".to_owned()),
            (Some(_), true) => complain("size", "absent swap has no `size`".to_owned()),
            _ => {}
        }
        let below = |dir: &str| self.path.as_path().starts_with(dir);
        if self.path.as_path().parent().is_none()
            || ["/dev", "/proc", "/sys"].iter().any(|d| below(d))
        {
            let what = "a swap file lies neither in /dev nor in /proc nor in /sys";
            complain("path", what.to_owned());
        }
    }

    fn reads(&self) -> Vec<Key> {
        fstab::reads(&self.path, self.setting())
    }

    fn holdings(&self) -> Vec<Holding> {
        if self.absent {
            return Vec::new();
        }
        let path = ("path", self.path.to_string().into());
        let holding = Holding::of([Key::Setting(self.setting()), Key::Path(self.path.clone())]);
        vec![holding.absent_by("swap", [path])]
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, HostError> {
        let table = match Table::read(Which::Swap(&self.path), view)? {
            Ok(table) => table,
            Err(stop) => return Ok(stop),
        };
        let now = match view.setting(&self.setting())? {
            Fate::Unknown(cause) => return Ok(Decision::Maybe(cause)),
            Fate::Is(now) => now,
        };
        let entry = match view.path(&self.path)? {
            Fate::Unknown(cause) => return Ok(Decision::Maybe(cause)),
            Fate::Is(entry) => entry,
        };
        let is_there = match entry.map(|entry| entry.kind) {
            None => false,
            Some(EntryKind::File { .. }) => true,
            Some(_) => {
                let why = format!("{} is not a file; choose another path", self.path);
                return Ok(Decision::Blocked(why));
            }
        };
        let ours = now.is_some() || table.has_line();
        if is_there && !ours {
            return Ok(if self.absent {
                Decision::InPlace // some other file, not swap space
            } else {
                Decision::Blocked(format!(
                    "a file lies at {} that is not swap space; remove it first",
                    self.path
                ))
            });
        }
        if !view.powers().kernel {
            let why = "swap space is made on a running host by root; this root does not run, or hpt is not root";
            return Ok(Decision::Skip(why.to_owned()));
        }
        let mut steps = Steps::default();
        let Some(Size(size)) = self.size else {
            return self.removal(steps, now.is_some(), is_there, &table, view);
        };
        if now.as_deref() != Some(size.to_string().as_str()) {
            match view.has_parent(&self.path)? {
                Fate::Is(true) => {}
                Fate::Is(false) => return Ok(Decision::without_parent(&self.path)),
                Fate::Unknown(cause) => return Ok(Decision::Maybe(cause)),
            }
            let verb = if is_there { Verb::Update } else { Verb::Create };
            steps.say(verb, format!("{} MiB", size >> 20));
            steps.set(self.setting(), Some(size.to_string()));
        }
        let line = Line {
            device: self.path.to_string(),
            spot: "none".to_owned(),
            fstype: "swap".to_owned(),
            opts: "sw".to_owned(),
        };
        // A line that is there already says how its owner wants it.
        if !table.has_line() {
            match table.with(&line) {
                Err(why) => return Ok(Decision::Blocked(why)),
                Ok(new) => {
                    if let Some(stop) = steps.write(&fstab::path(), &new, view)? {
                        return Ok(stop);
                    }
                }
            }
        }
        Ok(steps.decide())
    }
}

impl Swap {
    fn setting(&self) -> Setting {
        Setting::Swap(self.path.clone())
    }

    fn removal(
        &self,
        mut steps: Steps,
        in_use: bool,
        is_there: bool,
        table: &Table<'_>,
        view: &View<'_>,
    ) -> Result<Decision, HostError> {
        if in_use {
            steps.say(Verb::Delete, "out of use");
            steps.set(self.setting(), None);
        }
        // The file goes before its line: with the line gone, the file would be nobody's.
        if is_there {
            steps.say(Verb::Delete, "the file");
            steps.effects.push(Effect::Remove {
                path: self.path.clone(),
                recursive: false,
            });
        }
        let new = table.without();
        if new != table.text {
            steps.say(Verb::Delete, "");
            if let Some(stop) = steps.write(&fstab::path(), &new, view)? {
                return Ok(stop);
            }
        }
        Ok(steps.decide())
    }
}

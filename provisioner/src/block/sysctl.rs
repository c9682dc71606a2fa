//! `[[sysctl]]`: a kernel parameter, now and after a boot.

use serde::Deserialize;

use crate::block::conf::Steps;
use crate::block::{Decision, Holding, Kind, Verb};
use crate::host::overlay::Fate;
use crate::host::setting::Setting;
use crate::host::{HostError, Key};
use crate::name::{AbsPath, SysctlKey};
use crate::number;
use crate::view::View;

/// A parameter of the kernel.
///
/// It is kept in a file of its own in `/etc/sysctl.d`, `99-zz-hpt-KEY.conf`, which is read after the
/// distribution's files and after `/etc/sysctl.conf`.
///
/// ```toml
/// [[sysctl]]
/// key = "net.ipv4.ip_forward"
/// value = 1
/// ```
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sysctl {
    /// The parameter, such as `"net.ipv4.ip_forward"`. A part that holds a dot itself is written with
    /// slashes: `"net/ipv4/conf/eth0.100/rp_filter"`.
    key: SysctlKey,
    /// Its value: a text such as `"4096 87380 6291456"`, or a whole number; as the kernel shows it.
    value: Option<Value>,
    /// Whether the running kernel is set too, and not only from the next boot on; true.
    reload: Option<bool>,
    /// Its file must not be there. The running kernel keeps its value until a boot, since what it
    /// was before is not known; false.
    #[serde(default)]
    absent: bool,
}

/// A value with single spaces between its words.
struct Value(String);

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let number = |number: i64| Ok(Self(number.to_string()));
        number::or_text(d, "a string or a whole number", number, |text| {
            let bad = |c: char| c.is_control() && c != '\t';
            let words: Vec<&str> = text.split_whitespace().collect();
            if words.is_empty() || text.len() > 1024 || text.chars().any(bad) {
                return Err("a parameter's value is one line of 1 to 1,024 characters");
            }
            Ok(Self(words.join(" ")))
        })
    }
}

impl Kind for Sysctl {
    const NAME: &'static str = "sysctl";

    fn primary(&self) -> String {
        self.key.to_string()
    }

    fn check(&self, complain: &mut dyn FnMut(&'static str, String)) {
        match (&self.value, self.absent) {
            (None, false) => complain("", "[[sysctl]] needs `value`".to_owned()),
            (Some(_), true) => {
                complain("value", "an absent parameter has no `value`".to_owned());
            }
            _ => {}
        }
        if self.absent && self.reload.is_some() {
            let what = "`reload` goes with `value`; what a parameter was before is not known";
            complain("reload", what.to_owned());
        }
    }

    fn reads(&self) -> Vec<Key> {
        let mut keys = vec![Key::Path(self.path()), Key::Content(self.path())];
        keys.extend(self.live().then(|| Key::Setting(self.setting())));
        keys
    }

    fn holdings(&self) -> Vec<Holding> {
        if self.absent {
            return Vec::new();
        }
        let key = ("key", self.key.to_string().into());
        vec![Holding::of([Key::Path(self.path())]).absent_by("sysctl", [key])]
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, HostError> {
        let mut steps = Steps::default();
        let Some(Value(value)) = &self.value else {
            let stop = steps.remove(&self.path(), view)?;
            steps.leave("the running kernel keeps its value until a boot");
            return Ok(stop.unwrap_or_else(|| steps.decide()));
        };
        let text = format!("{} = {value}\n", self.key);
        if let Some(stop) = steps.write(&self.path(), &text, view)? {
            return Ok(stop);
        }
        if !self.live() {
        } else if !view.powers().kernel {
            steps.leave("only the file: this root does not run, or hpt is not root");
        } else {
            match view.setting(&self.setting())? {
                Fate::Unknown(cause) => return Ok(Decision::Maybe(cause)),
                Fate::Is(None) => {
                    return Ok(Decision::Blocked(format!(
                        "the running kernel has no parameter {}; a [[kmod]] before this block may bring it, or `reload = false` leaves it to the next boot",
                        self.key
                    )));
                }
                Fate::Is(Some(now)) if now == *value => {}
                Fate::Is(Some(_)) if view.is_read_only(&self.key) => {
                    return Ok(Decision::Blocked(format!(
                        "the parameter {} is read-only here, as in a container; `reload = false` keeps the file alone",
                        self.key
                    )));
                }
                Fate::Is(Some(now)) => {
                    steps.say(Verb::Update, format!("{now} -> {value}"));
                    steps.set(self.setting(), Some(value.clone()));
                }
            }
        }
        Ok(steps.decide())
    }
}

impl Sysctl {
    fn live(&self) -> bool {
        !self.absent && self.reload != Some(false)
    }

    fn setting(&self) -> Setting {
        Setting::Sysctl(self.key.clone())
    }

    fn path(&self) -> AbsPath {
        let key = self.key.to_string().replace('/', ",");
        AbsPath::parse(&format!("/etc/sysctl.d/99-zz-hpt-{key}.conf")).expect("a key is plain")
    }
}

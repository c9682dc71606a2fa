//! `[[hostname]]`: the host's own name, now and after a boot.

use serde::Deserialize;

use crate::block::conf::{self, Steps, Text};
use crate::block::{Decision, Holding, Kind, Verb};
use crate::host::overlay::Fate;
use crate::host::setting::Setting;
use crate::host::{HostError, Key};
use crate::name::{AbsPath, HostName};
use crate::view::View;

/// What the host is called: `/etc/hostname`, and the running kernel. `/etc/hosts` is left alone.
/// `facts.hostname` is this name in all other blocks of the config, also in those before it.
///
/// ```toml
/// [[hostname]]
/// name = "web1.example.org"
/// ```
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hostname {
    /// The name, such as `"web1"` or `"web1.example.org"`; at most 64 characters.
    name: HostName,
}

impl Kind for Hostname {
    const NAME: &'static str = "hostname";

    fn primary(&self) -> String {
        self.name.to_string()
    }

    fn reads(&self) -> Vec<Key> {
        let file = path();
        vec![
            Key::Path(file.clone()),
            Key::Content(file),
            Key::Setting(Setting::Hostname),
        ]
    }

    fn holdings(&self) -> Vec<Holding> {
        vec![Holding::of([Key::Path(path())])]
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, HostError> {
        let mut steps = Steps::default();
        let named = match conf::read(&path(), view)? {
            Text::Stop(decision) => return Ok(decision),
            Text::Is(text) => text.is_some_and(|text| name_in(&text) == self.name.as_str()),
        };
        if !named && let Some(stop) = steps.write(&path(), &format!("{}\n", self.name), view)? {
            return Ok(stop);
        }
        if !view.powers().kernel {
            steps.leave("only the file: this root does not run, or hpt is not root");
            return Ok(steps.decide());
        }
        match view.setting(&Setting::Hostname)? {
            Fate::Unknown(cause) => return Ok(Decision::Maybe(cause)),
            Fate::Is(Some(now)) if now == self.name.as_str() => {}
            Fate::Is(now) => {
                let now = now.unwrap_or_default();
                steps.say(Verb::Update, format!("{now} -> {}", self.name));
                steps.set(Setting::Hostname, Some(self.name.to_string()));
            }
        }
        Ok(steps.decide())
    }
}

/// The name that `/etc/hostname` gives: its first line that is no comment.
fn name_in(text: &str) -> &str {
    let mut lines = text.lines().map(str::trim);
    lines
        .find(|line| !line.is_empty() && !line.starts_with('#'))
        .unwrap_or_default()
}

impl Hostname {
    /// The name that it gives.
    pub(crate) fn name(&self) -> &HostName {
        &self.name
    }
}

fn path() -> AbsPath {
    AbsPath::parse("/etc/hostname").expect("a plain path")
}

//! `[[kmod]]`: a kernel module, loaded now and at boot.

use std::fmt;

use serde::Deserialize;

use crate::block::conf::Steps;
use crate::block::{Decision, Holding, Kind, Verb};
use crate::host::overlay::Fate;
use crate::host::setting::Setting;
use crate::host::{HostError, Key};
use crate::name::{AbsPath, ModuleName};
use crate::view::View;

/// A module of the kernel: `/etc/modules-load.d/hpt-NAME.conf`, its options in
/// `/etc/modprobe.d/hpt-NAME.conf`, and the running kernel.
///
/// ```toml
/// [[kmod]]
/// name = "br_netfilter"
/// ```
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kmod {
    /// The module, such as `"br_netfilter"`; `-` and `_` are one.
    name: ModuleName,
    /// Its parameters with spaces between, such as `"nr_bytes=4 debug"`; none. A module that is loaded
    /// already takes new ones when it is loaded again.
    options: Option<Options>,
    /// It must not be loaded, nor be at boot for hpt's sake; false.
    #[serde(default)]
    absent: bool,
}

/// Parameters of a module with single spaces between.
struct Options(String);

impl<'de> Deserialize<'de> for Options {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        crate::name::deserialize(d, |text| {
            let name = |name: &str| {
                name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                    && name
                        .bytes()
                        .all(|c| c.is_ascii_alphanumeric() || b"_-.".contains(&c))
            };
            let value = |c: u8| c.is_ascii_alphanumeric() || b"_-.,:/+=@%".contains(&c);
            let option = |word: &str| match word.split_once('=') {
                Some((key, of)) => name(key) && of.bytes().all(value),
                None => name(word),
            };
            let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
            if words.is_empty() || text.len() > 1024 || !words.iter().all(|word| option(word)) {
                return Err(crate::name::BadName(
                    "a module's options are words such as `debug` or `nr_bytes=4`, at most 1,024 characters",
                ));
            }
            Ok(Self(words.join(" ")))
        })
    }
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Kind for Kmod {
    const NAME: &'static str = "kmod";

    fn primary(&self) -> String {
        self.name.to_string()
    }

    fn check(&self, complain: &mut dyn FnMut(&'static str, String)) {
        if self.absent && self.options.is_some() {
            complain("options", "an absent module has no `options`".to_owned());
        }
    }

    fn reads(&self) -> Vec<Key> {
        let [load, options] = self.paths();
        vec![
            Key::Path(load.clone()),
            Key::Content(load),
            Key::Path(options.clone()),
            Key::Content(options),
            Key::Setting(self.setting()),
        ]
    }

    fn holdings(&self) -> Vec<Holding> {
        if self.absent {
            return Vec::new();
        }
        // Whether the module was loaded before is not known later, so that nothing unloads it.
        vec![Holding::of(self.paths().map(Key::Path))]
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, HostError> {
        let [load, options] = self.paths();
        let mut steps = Steps::default();
        let stop = match &self.options {
            Some(words) => {
                let text = format!("options {} {words}\n", self.name);
                steps.write(&options, &text, view)?
            }
            None => steps.remove(&options, view)?,
        };
        if let Some(stop) = stop {
            return Ok(stop);
        }
        let new_options = self.options.is_some() && !steps.effects.is_empty();
        let stop = if self.absent {
            steps.remove(&load, view)?
        } else {
            steps.write(&load, &format!("{}\n", self.name), view)?
        };
        if let Some(stop) = stop {
            return Ok(stop);
        }
        if !view.powers().kernel {
            steps.leave("only the files: this root does not run, or hpt is not root");
            return Ok(steps.decide());
        }
        match (view.setting(&self.setting())?, self.absent) {
            (Fate::Unknown(cause), _) => return Ok(Decision::Maybe(cause)),
            (Fate::Is(None), false) => {
                return Ok(Decision::Blocked(format!(
                    "the running kernel {} has no module {}, or its modules are not on this host",
                    view.facts().kernel,
                    self.name
                )));
            }
            (Fate::Is(Some(now)), absent) if (now == Setting::LOADED) == absent => {
                let (verb, word, to) = if absent {
                    (Verb::Delete, "unload", Setting::UNLOADED)
                } else {
                    (Verb::Update, "load", Setting::LOADED)
                };
                steps.say(verb, word);
                steps.set(self.setting(), Some(to.to_owned()));
            }
            (Fate::Is(Some(_)), false) if new_options => {
                steps.leave("it is loaded, and takes its options when it is loaded again");
            }
            _ => {}
        }
        Ok(steps.decide())
    }
}

impl Kmod {
    fn setting(&self) -> Setting {
        Setting::Module(self.name.clone())
    }

    /// Where it is named for the boot, and where its options are.
    fn paths(&self) -> [AbsPath; 2] {
        ["modules-load.d", "modprobe.d"].map(|dir| {
            AbsPath::parse(&format!("/etc/{dir}/hpt-{}.conf", self.name)).expect("a plain name")
        })
    }
}

//! `[[locale]]`: the language in which the host speaks.

use serde::Deserialize;

use crate::block::conf::{self, Steps, Text};
use crate::block::{Decision, Holding, Kind, Verb};
use crate::host::overlay::Fate;
use crate::host::setting::Setting;
use crate::host::{EntryKind, HostError, Key};
use crate::name::{AbsPath, LocaleName};
use crate::view::View;

/// The locale that logins and services begin with: `LANG` in `/etc/default/locale` on Debian and its
/// relatives, in `/etc/locale.conf` elsewhere; other lines of that file stay. A locale that the C
/// library has not got is added to `/etc/locale.gen` and made by `locale-gen`.
///
/// ```toml
/// [[locale]]
/// lang = "en_US.UTF-8"
/// ```
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Locale {
    /// The locale, such as `"en_US.UTF-8"` or `"C.UTF-8"`.
    lang: LocaleName,
}

const GEN_FILE: &str = "/etc/locale.gen";
const GEN_TOOL: &str = "/usr/sbin/locale-gen";
const DEBIAN: &str = "/etc/default/locale";
const OTHERS: &str = "/etc/locale.conf";

impl Kind for Locale {
    const NAME: &'static str = "locale";

    fn primary(&self) -> String {
        self.lang.to_string()
    }

    fn reads(&self) -> Vec<Key> {
        let mut keys = vec![Key::Setting(self.setting())];
        for path in [DEBIAN, OTHERS, GEN_FILE].map(fixed) {
            keys.extend([Key::Path(path.clone()), Key::Content(path)]);
        }
        keys
    }

    fn holdings(&self) -> Vec<Holding> {
        vec![Holding::of([Key::Setting(self.setting())])]
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, HostError> {
        let mut steps = Steps::default();
        match view.setting(&self.setting())? {
            _ if self.is_built_in() => {}
            Fate::Is(Some(_)) => {}
            Fate::Unknown(cause) => return Ok(Decision::Maybe(cause)),
            Fate::Is(None) => {
                if let Some(stop) = self.generate(&mut steps, view)? {
                    return Ok(stop);
                }
            }
        }
        let path = match place(view)? {
            Ok(path) => path,
            Err(stop) => return Ok(stop),
        };
        let text = match conf::read(&path, view)? {
            Text::Stop(stop) => return Ok(stop),
            Text::Is(text) => text.unwrap_or_default(),
        };
        if lang_in(&text) != Some(self.lang.as_str()) {
            let stop = steps.write(&path, &with_lang(&text, self.lang.as_str()), view)?;
            if let Some(stop) = stop {
                return Ok(stop);
            }
        }
        Ok(steps.decide())
    }
}

impl Locale {
    fn setting(&self) -> Setting {
        Setting::Locale(self.lang.clone())
    }

    /// The C library knows these by itself.
    fn is_built_in(&self) -> bool {
        matches!(
            self.lang.as_str(),
            "C" | "POSIX" | "C.UTF-8" | "C.utf8" | "C.utf-8"
        )
    }

    /// Has the C library make the locale.
    fn generate(&self, steps: &mut Steps, view: &View<'_>) -> conf::Gathered {
        let lang = self.lang.as_str();
        if let Fate::Is(None) = view.path(&fixed(GEN_TOOL))? {
            let language = lang.split(['_', '.', '@']).next().unwrap_or(lang);
            return Ok(Some(match view.pending_install() {
                Some(cause) => Decision::Maybe(cause),
                None => Decision::Blocked(format!(
                    "this host has no locale {lang} and no locale-gen to make it; install the package locales (Debian) or glibc-langpack-{language} (Fedora) before this block"
                )),
            }));
        }
        let list = fixed(GEN_FILE);
        let text = match conf::read(&list, view)? {
            Text::Stop(stop) => return Ok(Some(stop)),
            Text::Is(text) => text.unwrap_or_default(),
        };
        let Some(new) = with_locale(&text, lang) else {
            return Ok(Some(Decision::Blocked(format!(
                "the character set of {lang} is not known here; name it, such as {lang}.UTF-8"
            ))));
        };
        if !view.powers().kernel {
            steps.leave("the locale is made by locale-gen when the host runs");
        }
        if let Some(stop) = steps.write(&list, &new, view)? {
            return Ok(Some(stop));
        }
        if view.powers().kernel {
            steps.say(Verb::Update, format!("generate {lang}"));
            steps.set(self.setting(), Some(Setting::GENERATED.to_owned()));
        }
        Ok(None)
    }
}

/// The file that holds `LANG`: Debian's, unless that is a link to what all others have.
fn place(view: &View<'_>) -> Result<Result<AbsPath, Decision>, HostError> {
    let debian = fixed(DEBIAN);
    Ok(match view.path(&debian)? {
        Fate::Unknown(cause) => Err(Decision::Maybe(cause)),
        Fate::Is(Some(entry)) if matches!(entry.kind, EntryKind::Symlink(_)) => Ok(fixed(OTHERS)),
        Fate::Is(Some(_)) => Ok(debian),
        Fate::Is(None) => match view.path(&fixed("/etc/debian_version"))? {
            Fate::Is(None) => Ok(fixed(OTHERS)),
            _ => Ok(debian),
        },
    })
}

/// What `LANG` is in a file of assignments; the last one counts.
fn lang_in(text: &str) -> Option<&str> {
    let mut lines = text.lines().rev();
    let value = lines.find_map(|line| line.trim().strip_prefix("LANG="))?;
    let quoted = |quote| value.strip_prefix(quote)?.strip_suffix(quote);
    Some(quoted('"').or_else(|| quoted('\'')).unwrap_or(value))
}

/// The file with `LANG` in its old place, or at its end.
fn with_lang(text: &str, lang: &str) -> String {
    let line = format!("LANG={lang}\n");
    let mut out = String::new();
    let mut done = false;
    for old in text.split_inclusive('\n') {
        if !old.trim().starts_with("LANG=") {
            out.push_str(old);
        } else if !std::mem::replace(&mut done, true) {
            out.push_str(&line);
        }
    }
    if !done {
        if !out.is_empty() && !out.ends_with('\n') {
            out.push('\n');
        }
        out.push_str(&line);
    }
    out
}

/// The list of locales to make, with this one in it; `None` if its character set is not known.
fn with_locale(text: &str, lang: &str) -> Option<String> {
    let names = |line: &str| line.split_whitespace().next() == Some(lang);
    if text.lines().any(names) {
        return Some(text.to_owned());
    }
    let mut out = String::new();
    let mut done = false;
    for old in text.split_inclusive('\n') {
        let bare = old.trim_start().trim_start_matches('#').trim_start();
        if !done && old.starts_with('#') && names(bare) && bare.split_whitespace().count() == 2 {
            out.push_str(bare);
            done = true;
        } else {
            out.push_str(old);
        }
    }
    if done {
        return Some(out);
    }
    let (_, codeset) = lang.split_once('.')?;
    let codeset = codeset.split('@').next().unwrap_or(codeset);
    let codeset = match codeset.to_ascii_uppercase().as_str() {
        "UTF8" => "UTF-8".to_owned(),
        other => other.to_owned(),
    };
    if !out.is_empty() && !out.ends_with('\n') {
        out.push('\n');
    }
    Some(format!("{out}{lang} {codeset}\n"))
}

fn fixed(path: &str) -> AbsPath {
    AbsPath::parse(path).expect("a plain path")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_changes_and_the_others_stay() {
        let text = "# kept\nLANG=\"de_DE.UTF-8\"\nLC_TIME=C\n";
        assert_eq!(lang_in(text), Some("de_DE.UTF-8"));
        assert_eq!(with_lang(text, "C"), "# kept\nLANG=C\nLC_TIME=C\n");
        assert_eq!(with_lang("LC_TIME=C", "C"), "LC_TIME=C\nLANG=C\n");
        assert_eq!(lang_in("LANGUAGE=de\n"), None);
    }

    #[test]
    fn a_locale_is_taken_out_of_its_comment_or_added() {
        let list = "# This file lists\n# en_US ISO-8859-1\n# en_US.UTF-8 UTF-8\n";
        let new = with_locale(list, "en_US.UTF-8").unwrap();
        assert_eq!(
            new,
            "# This file lists\n# en_US ISO-8859-1\nen_US.UTF-8 UTF-8\n"
        );
        assert_eq!(with_locale(&new, "en_US.UTF-8").unwrap(), new);
        assert_eq!(
            with_locale("", "eo.UTF-8").as_deref(),
            Some("eo.UTF-8 UTF-8\n")
        );
        assert_eq!(with_locale("", "eo"), None);
        assert_eq!(
            with_locale(list, "en_US").as_deref(),
            Some("# This file lists\nen_US ISO-8859-1\n# en_US.UTF-8 UTF-8\n")
        );
    }
}

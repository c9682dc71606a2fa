//! Names of what belongs to a kernel or to a whole host: its parameters, modules, zones, locales.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{BadName, deserialize};

/// A kernel parameter, such as `net.ipv4.ip_forward`. A part that holds a dot itself, such as the
/// interface `eth0.100`, is written with slashes: `net/ipv4/conf/eth0.100/rp_filter`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SysctlKey(String);

impl SysctlKey {
    /// Checks `text`; both ways of writing a key are one key.
    ///
    /// # Errors
    /// Says which rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, BadName> {
        const RULE: BadName = BadName(
            "a kernel parameter is two or more parts of letters, digits, `_`, `-`, `:` and `@` with dots between, such as `net.ipv4.ip_forward`, at most 200 characters",
        );
        let first = text.find(['.', '/']).ok_or(RULE)?;
        let slashed: String = if text[first..].starts_with('.') {
            let swap = |c| match c {
                '.' => '/',
                '/' => '.',
                c => c,
            };
            text.chars().map(swap).collect()
        } else {
            text.to_owned()
        };
        let good = |c: u8| c.is_ascii_alphanumeric() || b"_-:@.".contains(&c);
        let part = |part: &str| {
            part.bytes().all(good)
                && part.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        };
        if text.len() > 200 || !slashed.split('/').all(part) {
            return Err(RULE);
        }
        Ok(Self(slashed))
    }

    /// Its path below `/proc/sys`.
    pub fn below_proc_sys(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SysctlKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.contains('.') {
            f.write_str(&self.0)
        } else {
            f.write_str(&self.0.replace('/', "."))
        }
    }
}

impl Serialize for SysctlKey {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SysctlKey {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        deserialize(d, Self::parse)
    }
}

/// A kernel module, such as `br_netfilter`; `-` and `_` are one, as for the kernel.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModuleName(String);

impl ModuleName {
    /// Checks `text`.
    ///
    /// # Errors
    /// Says which rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, BadName> {
        let good = |c: u8| c.is_ascii_alphanumeric() || b"_-".contains(&c);
        let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        if begins && text.len() <= 60 && text.bytes().all(good) {
            return Ok(Self(text.replace('-', "_")));
        }
        Err(BadName(
            "a kernel module is 1 to 60 letters, digits, `_` and `-`, and begins with a letter or digit",
        ))
    }

    /// The name as the kernel lists it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ModuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for ModuleName {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ModuleName {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        deserialize(d, Self::parse)
    }
}

/// The rule of a host's own name (RFC 1123; Linux takes 64 characters).
pub(super) fn check_host(text: &str) -> Result<(), BadName> {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|c| c.is_ascii_alphanumeric() || c == b'-')
    };
    let is_number = text.bytes().all(|c| c.is_ascii_digit() || c == b'.');
    if text.len() <= 64 && !is_number && text.split('.').all(label) {
        return Ok(());
    }
    Err(BadName(
        "a host name is at most 64 characters: labels of letters, digits and inner `-`, with dots between",
    ))
}

/// The rule of a time zone's name.
pub(super) fn check_zone(text: &str) -> Result<(), BadName> {
    let part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && part
                .bytes()
                .all(|c| c.is_ascii_alphanumeric() || b"_+-".contains(&c))
    };
    if text.len() <= 64 && text.split('/').count() <= 3 && text.split('/').all(part) {
        return Ok(());
    }
    Err(BadName(
        "a time zone is named as in /usr/share/zoneinfo, such as `Europe/Berlin` or `UTC`",
    ))
}

/// The rule of a locale's name: `language_TERRITORY.CODESET@modifier`, `C` or `POSIX`.
pub(super) fn check_locale(text: &str) -> Result<(), BadName> {
    const RULE: BadName =
        BadName("a locale is named such as `en_US.UTF-8`, `de_DE.UTF-8@euro`, `C.UTF-8` or `C`");
    let (rest, modifier) = text
        .split_once('@')
        .map_or((text, None), |(rest, modifier)| (rest, Some(modifier)));
    let (place, codeset) = rest
        .split_once('.')
        .map_or((rest, None), |(place, codeset)| (place, Some(codeset)));
    let (language, territory) = place
        .split_once('_')
        .map_or((place, None), |(l, territory)| (l, Some(territory)));
    let lower = |text: &str| text.bytes().all(|c| c.is_ascii_lowercase());
    let upper = |text: &str| {
        text.bytes()
            .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
    };
    let language =
        matches!(language, "C" | "POSIX") || ((2..=3).contains(&language.len()) && lower(language));
    let territory = territory.is_none_or(|t| (2..=3).contains(&t.len()) && upper(t));
    let codeset = codeset
        .is_none_or(|c| !c.is_empty() && c.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-'));
    let modifier = modifier.is_none_or(|m| !m.is_empty() && lower(m));
    if language && territory && codeset && modifier && text.len() <= 40 {
        return Ok(());
    }
    Err(RULE)
}

/// The rule of a network interface's name.
pub(super) fn check_interface(text: &str) -> Result<(), BadName> {
    let good = |c: u8| c.is_ascii_alphanumeric() || b"_.-@".contains(&c);
    let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    if begins && text.len() <= 15 && text.bytes().all(good) {
        return Ok(());
    }
    Err(BadName(
        "a network interface is 1 to 15 letters, digits, `_`, `.`, `-` and `@`, such as `eth0`",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_writing_a_key_are_one() {
        let parse = |text: &str| SysctlKey::parse(text).unwrap();
        assert_eq!(parse("net.ipv4.ip_forward"), parse("net/ipv4/ip_forward"));
        let vlan = parse("net/ipv4/conf/eth0.100/rp_filter");
        assert_eq!(vlan, parse("net.ipv4.conf.eth0/100.rp_filter"));
        assert_eq!(vlan.to_string(), "net/ipv4/conf/eth0.100/rp_filter");
        assert_eq!(parse("vm/swappiness").to_string(), "vm.swappiness");
        for bad in [
            "", "vm", "vm.", ".vm", "/vm/x", "vm..x", "vm/../x", "-vm.x", "vm.x=1", "vm.x y",
            "vm.*", "a.b\n",
        ] {
            assert!(SysctlKey::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn names_that_mean_something_else_are_refused() {
        for bad in ["", "-a", "a.", "a..b", "10.0.0.1", "a_b", &"a".repeat(65)] {
            assert!(check_host(bad).is_err(), "{bad:?}");
        }
        for bad in ["", "/UTC", "../etc/passwd", "Europe/", "a/b/c/d", "-x"] {
            assert!(check_zone(bad).is_err(), "{bad:?}");
        }
        for bad in [
            "",
            "english",
            "en_us",
            "en_US.",
            "en_US.UTF-8 x",
            "EN",
            "../x",
        ] {
            assert!(check_locale(bad).is_err(), "{bad:?}");
        }
        for good in [
            "C",
            "POSIX",
            "C.UTF-8",
            "en_US.UTF-8",
            "de_DE@euro",
            "sr_RS.UTF-8@latin",
        ] {
            assert!(check_locale(good).is_ok(), "{good:?}");
        }
    }
}

//! Unit files as text: where systemd reads them, and what their lines say. No host is asked.

use crate::name::{AbsPath, UnitName};

/// Where an administrator's own unit files lie.
pub(crate) const SYSTEM: &str = "/etc/systemd/system";

/// Where systemd reads unit files, the first of two with one name being the one that counts.
const DIRS: [&str; 5] = [
    SYSTEM,
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// Where a user's own unit files lie, below the home directory.
const IN_HOME: &str = ".config/systemd/user";

/// Where else every user's systemd reads unit files.
const USER_DIRS: [&str; 5] = [
    "/etc/systemd/user",
    "/run/systemd/user",
    "/usr/local/lib/systemd/user",
    "/usr/lib/systemd/user",
    "/lib/systemd/user",
];

/// One line `key=value` of a section.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) section: String,
    pub(crate) key: String,
    pub(crate) value: String,
}

/// The path of a unit's own file, in [`SYSTEM`].
pub(crate) fn path_of(name: &UnitName) -> AbsPath {
    system()
        .join(name.as_str())
        .expect("a unit's name is one plain part")
}

/// [`SYSTEM`] as a path.
pub(crate) fn system() -> AbsPath {
    AbsPath::parse(SYSTEM).expect("a plain path")
}

/// Whether systemd reads what lies at a path: a unit's file, a drop-in, or a link that enables one.
pub(crate) fn is_read(path: &AbsPath) -> bool {
    DIRS.iter().any(|dir| path.as_path().starts_with(dir))
}

/// Whether a user's systemd may read what lies at a path.
pub(crate) fn is_read_for_users(path: &AbsPath) -> bool {
    let text = path.to_string();
    let in_home = |dir| text.contains(&format!("/{dir}/"));
    [IN_HOME, ".local/share/systemd/user"].iter().any(in_home)
        || USER_DIRS.iter().any(|dir| path.as_path().starts_with(dir))
}

/// Where a user's unit may have its file, the user's own place first.
pub(crate) fn places_of_user(name: &UnitName, home: &AbsPath) -> Vec<AbsPath> {
    let home = home.to_string();
    let home = home.trim_end_matches('/');
    let own = [IN_HOME, ".local/share/systemd/user"].map(|dir| format!("{home}/{dir}"));
    let dirs = own.into_iter().chain(USER_DIRS.map(ToOwned::to_owned));
    let file = |dir: String| AbsPath::parse(&format!("{dir}/{name}")).ok();
    dirs.filter_map(file).collect()
}

/// The unit whose file lies at a path.
pub(crate) fn unit_at(path: &AbsPath) -> Option<UnitName> {
    let parent = path.as_path().parent()?;
    let name = path.as_path().file_name()?.to_str()?;
    let is_dir = DIRS.iter().any(|dir| parent.as_os_str() == *dir);
    is_dir.then(|| UnitName::parse(name).ok()).flatten()
}

/// Where else a unit of that name may have its file.
pub(crate) fn elsewhere(path: &AbsPath) -> Vec<AbsPath> {
    let name = path.as_path().file_name().and_then(|name| name.to_str());
    let there = |dir| {
        AbsPath::parse(dir)
            .and_then(|dir| dir.join(name.unwrap_or_default()))
            .ok()
    };
    DIRS.iter()
        .filter_map(|dir| there(dir))
        .filter(|other| other != path)
        .collect()
}

/// Where a unit may have its file, an administrator's own place first.
pub(crate) fn places(name: &UnitName) -> Vec<AbsPath> {
    let own = path_of(name);
    let others = elsewhere(&own);
    std::iter::once(own).chain(others).collect()
}

/// The settings of a unit file, in their order.
///
/// # Errors
/// The first line that is none, in words.
pub(crate) fn parse(text: &str) -> Result<Vec<Setting>, String> {
    if text
        .chars()
        .any(|c| c.is_control() && !matches!(c, '\n' | '\t'))
    {
        return Err("a unit file holds no control characters but line breaks and tabs".to_owned());
    }
    let is_comment = |line: &str| line.starts_with(['#', ';']);
    let mut lines = text
        .lines()
        .map(str::trim)
        .zip(1..)
        .filter(|(line, _)| !is_comment(line));
    let mut settings = Vec::new();
    let mut section: Option<String> = None;
    while let Some((first, number)) = lines.next() {
        let mut line = first.to_owned();
        while line.ends_with('\\') {
            line.pop();
            let Some((more, _)) = lines.next() else {
                return Err(format!("line {number} ends in `\\`, and no line follows"));
            };
            line = format!("{} {more}", line.trim_end());
        }
        if line.is_empty() {
            continue;
        }
        if let Some(name) = line.strip_prefix('[') {
            let name = name.strip_suffix(']').filter(|name| is_word(name));
            let wrong = || format!("line {number} is no [Section]");
            section = Some(name.ok_or_else(wrong)?.to_owned());
            continue;
        }
        let Some((key, value)) = line.split_once('=') else {
            return Err(format!(
                "line {number} is neither a [Section], a Key=value nor a comment"
            ));
        };
        let Some(section) = &section else {
            return Err(format!("line {number} stands before the first [Section]"));
        };
        if !is_word(key.trim_end()) {
            return Err(format!(
                "line {number} begins with no key: letters, digits and `-`"
            ));
        }
        settings.push(Setting {
            section: section.clone(),
            key: key.trim_end().to_owned(),
            value: value.trim_start().to_owned(),
        });
    }
    Ok(settings)
}

/// Whether a text can be the name of a section or a key.
pub(crate) fn is_word(text: &str) -> bool {
    let good = |c: u8| c.is_ascii_alphanumeric() || c == b'-';
    text.len() <= 128
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(good)
}

/// The last value of a key in a section.
pub(crate) fn value<'a>(settings: &'a [Setting], section: &str, key: &str) -> Option<&'a str> {
    let found = settings
        .iter()
        .rfind(|s| s.section == section && s.key == key);
    found.map(|s| s.value.as_str())
}

/// The lines of `[Install]`, which say what enabling the unit means.
pub(crate) fn install(settings: &[Setting]) -> Vec<(&str, &str)> {
    let install = settings.iter().filter(|s| s.section == "Install");
    install
        .map(|s| (s.key.as_str(), s.value.as_str()))
        .collect()
}

/// What systemd calls a unit of such a file that does not start at boot.
pub(crate) fn disabled(settings: &[Setting]) -> &'static str {
    if install(settings).is_empty() {
        "static"
    } else {
        "disabled"
    }
}

/// The links that enable the unit `name`, as `systemctl enable` makes them.
pub(crate) fn links(name: &UnitName, settings: &[Setting]) -> Vec<AbsPath> {
    let mut links = Vec::new();
    for (key, value) in install(settings) {
        let into = match key {
            "WantedBy" => ".wants",
            "RequiredBy" => ".requires",
            "UpheldBy" => ".upholds",
            "Alias" => "",
            _ => continue,
        };
        // What is no plain name holds a specifier; such units are enabled where systemd runs.
        for other in value
            .split_whitespace()
            .filter_map(|word| UnitName::parse(word).ok())
        {
            let link = if into.is_empty() {
                path_of(&other)
            } else {
                let dir = system().join(&format!("{other}{into}"));
                let link = dir.and_then(|dir| dir.join(name.as_str()));
                link.expect("units' names are plain parts")
            };
            links.push(link);
        }
    }
    links
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> AbsPath {
        AbsPath::parse(text).unwrap()
    }

    #[test]
    fn a_text_is_its_settings_in_order() {
        let text = "# by hand\n\n[Unit]\nDescription = A b\n[Service]\nExecStart=/bin/a \\\n# not this\n  -x\nExecStart=\n";
        let seen: Vec<_> = parse(text).unwrap();
        let seen: Vec<_> = seen
            .iter()
            .map(|s| (s.section.as_str(), s.key.as_str(), s.value.as_str()))
            .collect();
        let wanted = [
            ("Unit", "Description", "A b"),
            ("Service", "ExecStart", "/bin/a -x"),
            ("Service", "ExecStart", ""),
        ];
        assert_eq!(seen, wanted);
    }

    #[test]
    fn what_is_no_setting_is_told_by_its_line() {
        for (bad, words) in [
            ("A=1\n", "line 1 stands before"),
            ("[Unit]\n\nA\n", "line 3 is neither"),
            ("[Unit\nA=1\n", "line 1 is no [Section]"),
            ("[Unit]\nA=1 \\\n", "line 2 ends in"),
            ("[Unit]\n=1\n", "line 2 begins with no key"),
            ("[Unit]\nA=\0\n", "no control characters"),
        ] {
            let why = parse(bad).unwrap_err();
            assert!(why.contains(words), "{bad:?}: {why}");
        }
    }

    #[test]
    fn a_unit_is_where_its_file_lies() {
        let app = UnitName::parse("app.service").unwrap();
        assert_eq!(unit_at(&path_of(&app)), Some(app.clone()));
        assert_eq!(
            unit_at(&path("/usr/lib/systemd/system/app.service")),
            Some(app.clone())
        );
        for other in ["/etc/systemd/system/app.service.d", "/etc/app.service", "/"] {
            assert_eq!(unit_at(&path(other)), None, "{other}");
        }
        assert!(is_read(&path("/etc/systemd/system/app.service.d/a.conf")));
        assert!(!is_read(&path("/etc/systemd/systemd.conf")));
    }

    #[test]
    fn a_users_unit_is_in_the_home_or_where_all_users_have_it() {
        let app = UnitName::parse("app.service").unwrap();
        let places = places_of_user(&app, &path("/home/ana"));
        let own = path("/home/ana/.config/systemd/user/app.service");
        assert_eq!(places.first(), Some(&own));
        assert!(places.contains(&path("/etc/systemd/user/app.service")));
        assert!(places.iter().all(is_read_for_users));
        assert!(!places.iter().any(is_read));
        let root = places_of_user(&app, &path("/"));
        assert_eq!(root[0], path("/.config/systemd/user/app.service"));
        for other in [
            "/home/ana/app.service",
            "/etc/systemd/system/app.service",
            "/etc/systemd/user.conf",
        ] {
            assert!(!is_read_for_users(&path(other)), "{other}");
        }
    }

    #[test]
    fn links_are_those_of_systemctl() {
        let app = UnitName::parse("app.service").unwrap();
        let text = "[Install]\nWantedBy=multi-user.target a@%i.target\nAlias=www.service\n";
        let wanted = [
            "/etc/systemd/system/multi-user.target.wants/app.service",
            "/etc/systemd/system/www.service",
        ];
        assert_eq!(links(&app, &parse(text).unwrap()), wanted.map(path));
    }
}

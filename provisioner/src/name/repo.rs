//! The rules for what names a package repository. Each of these goes into a file of the package
//! manager, where a space or a line break would begin something else.

use super::BadName;
use crate::source::holds_password;

/// What apt and dnf put in for themselves; no other `$` may stand in an address.
const VARIABLES: [&str; 3] = ["$(ARCH)", "$releasever", "$basearch"];

pub(super) fn check_repo(text: &str) -> Result<(), BadName> {
    let lower = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    let good = |c: u8| lower(c) || b"-_".contains(&c);
    let first = text.bytes().next().is_some_and(lower);
    if first && text.len() <= 64 && text.bytes().all(good) && text != "main" {
        return Ok(());
    }
    Err(BadName(
        "a repository's name is 1 to 64 of a-z, 0-9, `-` and `_`, begins with a letter or digit, and is not `main`",
    ))
}

pub(super) fn check_uri(text: &str) -> Result<(), BadName> {
    let plain = VARIABLES.iter().fold(text.to_owned(), |text, variable| {
        text.replace(variable, "x")
    });
    let Some((scheme, rest)) = plain.split_once("://") else {
        return Err(BadName(
            "a repository's address begins with https://, http:// or file:///",
        ));
    };
    let host = rest.split('/').next().unwrap_or_default();
    let good_host = match scheme {
        "https" | "http" => {
            let good = |c: u8| c.is_ascii_alphanumeric() || b"-.:[]".contains(&c);
            !host.is_empty() && host.bytes().all(good) && !host.starts_with(['-', '.', ':'])
        }
        "file" => host.is_empty() && rest.len() > 1,
        _ => {
            return Err(BadName(
                "a repository's address begins with https://, http:// or file:///",
            ));
        }
    };
    if holds_password(text) {
        return Err(BadName(
            "an address holds no name and no password: everybody can see it",
        ));
    }
    let good = |c: u8| c.is_ascii_alphanumeric() || b"-._~:/[]?&=%+,".contains(&c);
    let climbs = rest.split('/').any(|part| part == "..");
    if good_host && !climbs && text.len() <= 1024 && plain.bytes().all(good) {
        return Ok(());
    }
    Err(BadName(
        "a repository's address is a host and a path of letters, digits and `- . _ ~ : / ? & = % + ,`; of variables only $(ARCH), $releasever and $basearch",
    ))
}

pub(super) fn check_suite(text: &str) -> Result<(), BadName> {
    let bare = text.strip_suffix('/').unwrap_or(text);
    if matches!(text, "/" | "./") || is_word(bare) {
        return Ok(());
    }
    Err(BadName(
        "a suite is letters, digits and `- . _ + ~ /`, begins with a letter or digit, or is a path that ends in `/`",
    ))
}

pub(super) fn check_component(text: &str) -> Result<(), BadName> {
    if is_word(text) {
        return Ok(());
    }
    Err(BadName(
        "a component is letters, digits and `- . _ + ~ /`, and begins with a letter or digit",
    ))
}

fn is_word(text: &str) -> bool {
    let good = |c: u8| c.is_ascii_alphanumeric() || b"-._+~/".contains(&c);
    let parts = || text.split('/');
    text.len() <= 128
        && text.bytes().all(good)
        && text
            .bytes()
            .next()
            .is_some_and(|c| c.is_ascii_alphanumeric())
        && parts().all(|part| !matches!(part, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_suites_and_components_that_are_used_pass() {
        for uri in [
            "https://download.docker.com/linux/debian",
            "http://deb.debian.org:8080/debian/",
            "file:///srv/repo",
            "https://packages.example.org/$(ARCH)/",
            "https://dl.example.org/el$releasever/$basearch",
            "https://[2001:db8::1]/repo",
        ] {
            assert_eq!(check_uri(uri), Ok(()), "{uri}");
        }
        for suite in [
            "bookworm",
            "bookworm-security",
            "stable/updates",
            "/",
            "./",
            "any/path/",
        ] {
            assert_eq!(check_suite(suite), Ok(()), "{suite}");
        }
        for component in ["main", "non-free-firmware", "main/debian-installer"] {
            assert_eq!(check_component(component), Ok(()), "{component}");
        }
    }
}

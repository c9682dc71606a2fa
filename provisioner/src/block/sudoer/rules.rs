//! What a file of sudoers rules grants: who may become root by it, as far as that is plain to see.

use crate::name::{GroupName, UserName};

/// Who holds a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Holder {
    User(UserName),
    Group(GroupName),
}

/// The right to run anything as root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) holder: Holder,
    /// Whether sudo asks for the holder's password first.
    pub(super) password: bool,
}

/// What the rules of one file come to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Rules {
    pub(super) grants: Vec<Grant>,
    /// Whether the files in `/etc/sudoers.d` are read too.
    pub(super) more: bool,
    /// Whether a line may grant more than is understood here: an alias, a negation, another file.
    pub(super) vague: bool,
}

/// What the commands of a rule let their holder do.
enum Power {
    /// Less than to become root.
    Little,
    /// Anything as root.
    Root { password: bool },
    /// More than is understood here.
    Vague,
}

impl Rules {
    pub(super) fn parse(text: &str) -> Self {
        let mut rules = Self::default();
        for line in text.replace("\\\n", " ").lines() {
            rules.read(line.trim());
        }
        rules
    }

    fn read(&mut self, line: &str) {
        if let Some(what) = line.strip_prefix(['@', '#'])
            && let Some(what) = what.strip_prefix("include")
        {
            let folder = what.strip_prefix("dir").map(str::trim);
            match folder {
                Some("/etc/sudoers.d") => self.more = true,
                _ => self.vague = true,
            }
            return;
        }
        let (line, rest) = line.split_once('#').unwrap_or((line, ""));
        if rest.starts_with(|c: char| c.is_ascii_digit()) && rest.contains('=') {
            self.vague = true; // no comment, but the number of a user
            return;
        }
        let Some(first) = line.split_whitespace().next() else {
            return;
        };
        if first.starts_with("Defaults") || first.ends_with("_Alias") {
            return;
        }
        let Some((left, right)) = line.split_once('=') else {
            self.vague = true;
            return;
        };
        let power = match power(right) {
            _ if line.contains(['\\', '"', '!']) => Power::Vague,
            power => power,
        };
        match (power, left.trim().rsplit_once(char::is_whitespace)) {
            (Power::Little, _) => {}
            (Power::Root { password }, Some((holders, "ALL"))) => {
                for holder in holders.split(',').map(|name| holder(name.trim())) {
                    match holder {
                        Some(holder) => self.grants.push(Grant { holder, password }),
                        None => self.vague = true,
                    }
                }
            }
            _ => self.vague = true,
        }
    }
}

fn holder(name: &str) -> Option<Holder> {
    match name.strip_prefix('%') {
        Some(group) => GroupName::parse(group).ok().map(Holder::Group),
        None => UserName::parse(name).ok().map(Holder::User),
    }
}

/// What stands behind a rule's `=`: `(root) NOPASSWD: /bin/a, ALL`.
fn power(mut rest: &str) -> Power {
    let (mut as_root, mut password) = (true, true);
    let mut power = Power::Little;
    loop {
        rest = rest.trim_start();
        if let Some(inside) = rest.strip_prefix('(') {
            let Some((who, after)) = inside.split_once(')') else {
                return Power::Vague;
            };
            let users = who.split(':').next().unwrap_or_default();
            let mut users = users.split(',').map(str::trim);
            as_root = users.clone().any(|name| name == "ALL" || name == "root");
            if !as_root && users.any(|name| !name.is_empty() && UserName::parse(name).is_err()) {
                return Power::Vague;
            }
            rest = after.trim_start();
        }
        while let Some((tag, after)) = rest.split_once(':')
            && !tag.is_empty()
            && tag.chars().all(|c| c.is_ascii_uppercase() || c == '_')
        {
            password = match tag {
                "NOPASSWD" => false,
                "PASSWD" => true,
                _ => password,
            };
            rest = after.trim_start();
        }
        let (command, after) = match rest.split_once(',') {
            Some((command, after)) => (command, Some(after)),
            None => (rest, None),
        };
        match command.trim() {
            _ if !as_root => {}
            "ALL" => {
                let asked = !matches!(power, Power::Root { password: false });
                power = Power::Root {
                    password: password && asked,
                };
            }
            command if is_small(command) => {}
            _ => return Power::Vague,
        }
        match after {
            Some(after) => rest = after,
            None => return power,
        }
    }
}

/// Whether a command is one program that is no way to become root for good.
fn is_small(command: &str) -> bool {
    let program = command.split_whitespace().next().unwrap_or_default();
    let name = program.rsplit('/').next().unwrap_or_default();
    let opens = name.is_empty() || name.ends_with("sh") || ["su", "sudo", "visudo"].contains(&name);
    program == "sudoedit" || (program.starts_with('/') && !program.contains('*') && !opens)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(text: &str) -> Vec<String> {
        let rules = Rules::parse(text);
        let words = |grant: &Grant| {
            let name = match &grant.holder {
                Holder::User(name) => name.to_string(),
                Holder::Group(name) => format!("%{name}"),
            };
            name + if grant.password { "" } else { " freely" }
        };
        let vague = rules.vague.then(|| "?".to_owned());
        rules.grants.iter().map(words).chain(vague).collect()
    }

    #[test]
    fn plain_grants_are_told_from_small_ones_and_from_what_is_not_understood() {
        for (text, holders) in [
            ("%sudo\tALL=(ALL:ALL) ALL", vec!["%sudo"]),
            ("ana ALL=(ALL) NOPASSWD:ALL", vec!["ana freely"]),
            ("ana ALL = NOPASSWD: /bin/a, PASSWD: ALL", vec!["ana"]),
            ("ana, %web ALL=(root) ALL # both", vec!["ana", "%web"]),
            ("ana ALL=\\\n (ALL, bo) ALL", vec!["ana"]),
            ("%admin ALL=(ALL) ALL", vec!["%admin"]),
            ("ana ALL=(root) /usr/bin/systemctl restart app", vec![]),
            ("ana ALL=(www) ALL", vec![]),
            ("# ana ALL=(ALL) ALL", vec![]),
            ("Defaults env_reset\nUser_Alias ADMINS = ana, bo", vec![]),
            ("ADMINS ALL=(ALL) ALL", vec!["?"]),
            ("#1000 ALL=(ALL) ALL", vec!["?"]),
            ("ALL ALL=(ALL) ALL", vec!["?"]),
            ("ana web1=(ALL) ALL", vec!["?"]),
            ("ana ALL=(ALL) ALL, !/bin/su", vec!["?"]),
            ("ana ALL=(OPERATORS) ALL", vec!["?"]),
            ("ana ALL=(ALL) SHELLS", vec!["?"]),
            ("ana ALL=/bin/bash", vec!["?"]),
            ("@include /etc/sudoers.local", vec!["?"]),
            ("what is this", vec!["?"]),
        ] {
            assert_eq!(granted(text), holders, "{text}");
        }
        assert!(Rules::parse("@includedir /etc/sudoers.d\n").more);
        assert!(Rules::parse("#includedir /etc/sudoers.d\n").more);
    }
}

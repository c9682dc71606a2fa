//! Users and groups as the host's passwd, group and shadow files have them.

use std::collections::{BTreeMap, HashMap};

use crate::effect::Expiry;
use crate::host::{Group, HostError, User};
use crate::name::{Day, GroupName, UserName};
use crate::secret::Secret;

/// The account files, parsed. Names that hpt's own rule refuses are kept too: they own files and
/// are members of groups.
#[derive(Clone, Default)]
pub(super) struct Accounts {
    users: HashMap<String, Passwd>,
    groups: BTreeMap<String, GroupLine>,
    shadow: HashMap<String, Secret>,
    /// Until when accounts can be used, of those in shadow.
    expires: HashMap<String, Expiry>,
}

/// One line of passwd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Passwd {
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) comment: String,
    pub(super) home: String,
    pub(super) shell: String,
}

/// One line of group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GroupLine {
    pub(super) gid: u32,
    pub(super) members: Vec<String>,
}

impl Accounts {
    /// Parses the three files; a line that is none is passed over, as the C library does. Shadow is
    /// `None` if it may not be read.
    pub(super) fn parse(passwd: &[u8], group: &[u8], shadow: Option<&[u8]>) -> Self {
        let lines = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut accounts = Self::default();
        for (name, user) in lines(passwd).lines().filter_map(passwd_line) {
            accounts.users.entry(name).or_insert(user);
        }
        for (name, group) in lines(group).lines().filter_map(group_line) {
            accounts.groups.entry(name).or_insert(group);
        }
        for line in lines(shadow.unwrap_or_default()).lines() {
            let mut fields = line.split(':');
            if let (Some(name), Some(hash)) = (fields.next(), fields.next()) {
                accounts
                    .shadow
                    .insert(name.to_owned(), Secret::new(hash.to_owned()));
                // Days since 1970; what is no number is passed over, as the C library does.
                let day = fields.nth(5).and_then(|days| days.parse().ok());
                let end = day.map_or(Expiry::Never, |days| Expiry::On(Day::after_1970(days)));
                accounts.expires.insert(name.to_owned(), end);
            }
        }
        accounts
    }

    /// A user's line of passwd.
    pub(super) fn passwd(&self, name: &str) -> Option<&Passwd> {
        self.users.get(name)
    }

    /// The name and line of the user with a number.
    pub(super) fn passwd_by_uid(&self, uid: u32) -> Option<(&str, &Passwd)> {
        self.users
            .iter()
            .find(|(_, user)| user.uid == uid)
            .map(|(name, user)| (name.as_str(), user))
    }

    /// A group's number.
    pub(super) fn gid(&self, name: &str) -> Option<u32> {
        self.groups.get(name).map(|group| group.gid)
    }

    /// The names of the groups that list a user as a member, sorted.
    pub(super) fn joined<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let lists =
            move |(_, group): &(&String, &GroupLine)| group.members.iter().any(|m| m == name);
        self.groups
            .iter()
            .filter(lists)
            .map(|(group, _)| group.as_str())
    }

    /// The numbers of all groups a user is in, the primary one first: what a login would get.
    pub(super) fn gids(&self, name: &str, primary: u32) -> Vec<u32> {
        let mut gids = vec![primary];
        for gid in self.joined(name).filter_map(|group| self.gid(group)) {
            if !gids.contains(&gid) {
                gids.push(gid);
            }
        }
        gids
    }

    /// The user whom something that is about to happen needs.
    pub(super) fn needed_user(&self, name: &UserName) -> Result<&Passwd, HostError> {
        let absent = || HostError::Refused(format!("there is no user `{name}` on this host"));
        self.passwd(name.as_str()).ok_or_else(absent)
    }

    /// The number of a group, likewise.
    pub(super) fn needed_gid(&self, name: &GroupName) -> Result<u32, HostError> {
        let absent = || HostError::Refused(format!("there is no group `{name}` on this host"));
        self.gid(name.as_str()).ok_or_else(absent)
    }

    /// A user as a plan sees it; `fingerprint` makes a password hash comparable and no more.
    pub(super) fn user(
        &self,
        name: &UserName,
        fingerprint: impl Fn(&[u8]) -> String,
    ) -> Option<User> {
        let line = self.passwd(name.as_str())?;
        let password = self.shadow.get(name.as_str()).map_or("", Secret::expose);
        let bare = password.trim_start_matches('!');
        Some(User {
            uid: Some(line.uid),
            gid: Some(line.gid),
            group: self.group_numbered(line.gid),
            comment: line.comment.clone(),
            home: line.home.clone(),
            shell: line.shell.clone(),
            groups: self
                .joined(name.as_str())
                .filter_map(|g| GroupName::parse(g).ok())
                .collect(),
            // "*" and "" are no hashes: nobody can log in with the one, anybody with the other.
            password: (!matches!(bare, "" | "*")).then(|| fingerprint(bare.as_bytes())),
            locked: password.starts_with('!'),
            expires: self.expires.get(name.as_str()).copied(),
        })
    }

    /// A group as a plan sees it.
    pub(super) fn group(&self, name: &GroupName) -> Option<Group> {
        let line = self.groups.get(name.as_str())?;
        let mut members: Vec<_> = line
            .members
            .iter()
            .filter_map(|m| UserName::parse(m).ok())
            .collect();
        members.sort();
        members.dedup();
        Some(Group {
            gid: Some(line.gid),
            members,
        })
    }

    /// The name of the user with a number, if a config could name them.
    pub(super) fn user_numbered(&self, uid: u32) -> Option<UserName> {
        let (name, _) = self.users.iter().find(|(_, user)| user.uid == uid)?;
        UserName::parse(name).ok()
    }

    /// The name of the group with a number, if a config could name it.
    pub(super) fn group_numbered(&self, gid: u32) -> Option<GroupName> {
        let (name, _) = self.groups.iter().find(|(_, group)| group.gid == gid)?;
        GroupName::parse(name).ok()
    }

    /// The users whose primary group this is, as far as a config could name them.
    pub(super) fn primary_users(&self, group: &GroupName) -> Vec<UserName> {
        let Some(group) = self.groups.get(group.as_str()) else {
            return Vec::new();
        };
        let mut names: Vec<_> = self
            .users
            .iter()
            .filter(|(_, user)| user.gid == group.gid)
            .filter_map(|(name, _)| UserName::parse(name).ok())
            .collect();
        names.sort();
        names
    }

    /// Adds lines of passwd or group from another source of accounts; what is known comes first.
    pub(super) fn learn(&mut self, lines: &str) {
        for (name, user) in lines.lines().filter_map(passwd_line) {
            self.users.entry(name).or_insert(user);
        }
        for (name, group) in lines.lines().filter_map(group_line) {
            self.groups.entry(name).or_insert(group);
        }
    }
}

fn passwd_line(line: &str) -> Option<(String, Passwd)> {
    let [name, _, uid, gid, comment, home, shell] = fields(line)?;
    let user = Passwd {
        uid: uid.parse().ok()?,
        gid: gid.parse().ok()?,
        comment: comment.to_owned(),
        home: home.to_owned(),
        shell: shell.to_owned(),
    };
    Some((name.to_owned(), user))
}

fn group_line(line: &str) -> Option<(String, GroupLine)> {
    let [name, _, gid, members] = fields(line)?;
    let members = members
        .split(',')
        .filter(|m| !m.is_empty())
        .map(str::to_owned)
        .collect();
    Some((
        name.to_owned(),
        GroupLine {
            gid: gid.parse().ok()?,
            members,
        },
    ))
}

/// Exactly so many fields between colons; a comment or an NIS line (`+`, `-`) is none of ours.
fn fields<const N: usize>(line: &str) -> Option<[&str; N]> {
    if line.starts_with(['#', '+', '-', ':']) {
        return None;
    }
    line.split(':').collect::<Vec<_>>().try_into().ok()
}

/// Whether nsswitch.conf names a source besides the files for a database, so that a name that is
/// not in them may still exist.
pub(super) fn has_other_sources(nsswitch: &str, database: &str) -> bool {
    let sources = |line: &str| {
        let line = line.split('#').next().unwrap_or_default();
        let (name, sources) = line.split_once(':')?;
        (name.trim() == database).then(|| sources.to_owned())
    };
    let Some(sources) = nsswitch.lines().find_map(sources) else {
        return false;
    };
    let mut in_brackets = false;
    sources.split_whitespace().any(|word| {
        let action = in_brackets || word.starts_with('[');
        in_brackets = action && !word.ends_with(']');
        !action && !matches!(word, "files" | "compat" | "systemd")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts() -> Accounts {
        let passwd = "root:x:0:0:root:/root:/bin/bash\nana:x:1000:100:Ana,,,:/home/ana:/bin/sh\n\
                      # a comment\n+::::::\nbroken:x:1:1\nAda:x:1001:1001::/:/bin/sh\nana:x:7:7::/:/x\n";
        let group = "root:x:0:\nusers:x:100:\nsudo:x:27:ana,Ada\nadm:x:4:ana\nWheel:x:10:ana\n";
        let shadow = "root:*:1:0:9:7:::\nana:!$6$abc:1:0:9:7::20818:\n";
        Accounts::parse(passwd.as_bytes(), group.as_bytes(), Some(shadow.as_bytes()))
    }

    #[test]
    fn a_user_is_read_from_all_three_files() {
        let name = UserName::parse("ana").unwrap();
        let user = accounts()
            .user(&name, |hash| String::from_utf8_lossy(hash).into_owned())
            .unwrap();
        assert_eq!((user.uid, user.gid), (Some(1000), Some(100)));
        assert_eq!(user.group, GroupName::parse("users").ok());
        assert_eq!(
            user.groups
                .iter()
                .map(GroupName::as_str)
                .collect::<Vec<_>>(),
            ["adm", "sudo"]
        );
        assert_eq!(
            (user.password.as_deref(), user.locked),
            (Some("$6$abc"), true)
        );
        assert_eq!(user.expires, Day::parse("2026-12-31").ok().map(Expiry::On));
        assert_eq!(
            (user.comment.as_str(), user.home.as_str()),
            ("Ana,,,", "/home/ana")
        );
        let root = accounts()
            .user(&UserName::parse("root").unwrap(), |_| "x".into())
            .unwrap();
        assert_eq!((root.password, root.locked), (None, false));
    }

    #[test]
    fn a_login_gets_every_group_even_one_with_an_odd_name() {
        assert_eq!(accounts().gids("ana", 100), [100, 10, 4, 27]);
        assert_eq!(accounts().gids("Ada", 1001), [1001, 27]);
    }

    #[test]
    fn groups_list_their_members_sorted() {
        let group = accounts()
            .group(&GroupName::parse("sudo").unwrap())
            .unwrap();
        assert_eq!((group.gid, group.members.len()), (Some(27), 1));
        assert!(
            accounts()
                .group(&GroupName::parse("none").unwrap())
                .is_none()
        );
    }

    #[test]
    fn only_sources_besides_the_files_make_getent_worth_asking() {
        let conf =
            "passwd:  files systemd # sss\ngroup: files [SUCCESS=merge] systemd\nshadow: files\n";
        assert!(!has_other_sources(conf, "passwd") && !has_other_sources(conf, "group"));
        assert!(has_other_sources(
            "passwd: files [NOTFOUND = return] sss\n",
            "passwd"
        ));
        assert!(has_other_sources("passwd: ldap", "passwd"));
        assert!(!has_other_sources("", "passwd"));
    }
}

//! Which calls of the system's own tools change a user or a group: every choice explicit, so that the
//! host's defaults decide nothing.

use zeroize::Zeroizing;

use super::accounts::Accounts;
use crate::effect::{Expiry, GroupEdit, UserEdit, UserShape};
use crate::host::HostError;
use crate::name::UserName;

/// A call of a tool, not yet a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) program: &'static str,
    pub(super) args: Vec<String>,
    pub(super) stdin: Option<Zeroizing<String>>,
}

impl Call {
    /// Options, `--`, and the one operand that each of these tools takes (X4).
    fn new(program: &'static str, options: Vec<String>, operand: &str) -> Self {
        let args = [options, vec!["--".into(), operand.to_owned()]].concat();
        Self {
            program,
            args,
            stdin: None,
        }
    }
}

/// The calls that make a change to a group.
pub(super) fn group_calls(edit: &GroupEdit) -> Vec<Call> {
    match edit {
        GroupEdit::Add { name, gid, system } => {
            let mut options = Vec::new();
            options.extend(system.then(|| "--system".to_owned()));
            push(&mut options, "--gid", gid.map(|gid| gid.to_string()));
            vec![Call::new("groupadd", options, name.as_str())]
        }
        GroupEdit::SetGid { name, gid } => {
            vec![Call::new(
                "groupmod",
                vec!["--gid".into(), gid.to_string()],
                name.as_str(),
            )]
        }
        GroupEdit::AddMembers { name, members } => {
            let join = |user: &UserName| {
                let options = vec!["--append".into(), "--groups".into(), name.to_string()];
                Call::new("usermod", options, user.as_str())
            };
            members.iter().map(join).collect()
        }
        GroupEdit::Remove { name } => vec![Call::new("groupdel", Vec::new(), name.as_str())],
    }
}

/// The calls that make a change to a user; `accounts` are those before it.
pub(super) fn user_calls(edit: &UserEdit, accounts: &Accounts) -> Result<Vec<Call>, HostError> {
    match edit {
        UserEdit::Add {
            name,
            as_,
            system,
            create_home,
        } => {
            let mut calls = vec![Call::new(
                "useradd",
                useradd(name, as_, *system, *create_home, accounts),
                name.as_str(),
            )];
            calls.extend(password_calls(name, as_)?);
            Ok(calls)
        }
        UserEdit::Modify { name, to } => {
            let options = usermod(name, to, accounts);
            let change =
                (!options.is_empty()).then(|| Call::new("usermod", options, name.as_str()));
            let mut calls: Vec<Call> = change.into_iter().collect();
            calls.extend(password_calls(name, to)?);
            Ok(calls)
        }
        UserEdit::Remove { name, remove_home } => {
            let options = remove_home
                .then(|| "--remove".to_owned())
                .into_iter()
                .collect();
            Ok(vec![Call::new("userdel", options, name.as_str())])
        }
    }
}

fn useradd(
    name: &UserName,
    shape: &UserShape,
    system: bool,
    create_home: bool,
    accounts: &Accounts,
) -> Vec<String> {
    let mut options = Vec::new();
    options.extend(system.then(|| "--system".to_owned()));
    options.push(
        if create_home {
            "--create-home"
        } else {
            "--no-create-home"
        }
        .into(),
    );
    // A group of the user's own name may be there before the user is.
    let own = accounts.gid(name.as_str()).map(|_| name.to_string());
    match shape.group.as_ref().map(ToString::to_string).or(own) {
        Some(group) => options.extend(["--no-user-group".into(), "--gid".into(), group]),
        None => options.push("--user-group".into()),
    }
    let shell = if system {
        "/usr/sbin/nologin"
    } else {
        "/bin/sh"
    };
    let home = shape
        .home
        .as_ref()
        .map_or_else(|| format!("/home/{name}"), ToString::to_string);
    push(&mut options, "--uid", shape.uid.map(|uid| uid.to_string()));
    push(
        &mut options,
        "--comment",
        Some(shape.comment.clone().unwrap_or_default()),
    );
    push(&mut options, "--home-dir", Some(home));
    push(&mut options, "--expiredate", shape.expires.map(expiry));
    push(
        &mut options,
        "--shell",
        Some(
            shape
                .shell
                .as_ref()
                .map_or(shell.into(), ToString::to_string),
        ),
    );
    let join: Vec<&str> = shape
        .join
        .iter()
        .map(crate::name::GroupName::as_str)
        .collect();
    push(
        &mut options,
        "--groups",
        (!join.is_empty()).then(|| join.join(",")),
    );
    options
}

fn usermod(name: &UserName, shape: &UserShape, accounts: &Accounts) -> Vec<String> {
    let mut options = Vec::new();
    push(&mut options, "--uid", shape.uid.map(|uid| uid.to_string()));
    push(
        &mut options,
        "--gid",
        shape.group.as_ref().map(ToString::to_string),
    );
    push(&mut options, "--comment", shape.comment.clone());
    push(&mut options, "--expiredate", shape.expires.map(expiry));
    push(
        &mut options,
        "--home",
        shape.home.as_ref().map(ToString::to_string),
    );
    push(
        &mut options,
        "--shell",
        shape.shell.as_ref().map(ToString::to_string),
    );
    if shape.leave.is_empty() && !shape.join.is_empty() {
        let join: Vec<&str> = shape
            .join
            .iter()
            .map(crate::name::GroupName::as_str)
            .collect();
        options.extend(["--append".into(), "--groups".into(), join.join(",")]);
    } else if !shape.leave.is_empty() {
        // The whole list, since not every version can take groups away.
        let mut groups: Vec<&str> = accounts.joined(name.as_str()).collect();
        groups.extend(shape.join.iter().map(crate::name::GroupName::as_str));
        groups.retain(|group| !shape.leave.iter().any(|leave| leave.as_str() == *group));
        groups.sort_unstable();
        groups.dedup();
        options.extend(["--groups".into(), groups.join(",")]);
    }
    options
}

/// The hash goes in on standard input, never as an argument (S2); locking comes after, since a new
/// hash unlocks.
fn password_calls(name: &UserName, shape: &UserShape) -> Result<Vec<Call>, HostError> {
    let mut calls = Vec::new();
    if let Some(line) = password_line(name, shape)? {
        calls.push(Call {
            program: "chpasswd",
            args: vec!["--encrypted".into()],
            stdin: Some(line),
        });
    }
    if let Some(locked) = shape.locked {
        let option = if locked { "--lock" } else { "--unlock" };
        calls.push(Call::new("usermod", vec![option.into()], name.as_str()));
    }
    Ok(calls)
}

/// What chpasswd reads on its standard input, if there is a new hash.
pub(super) fn password_line(
    name: &UserName,
    shape: &UserShape,
) -> Result<Option<Zeroizing<String>>, HostError> {
    let Some(hash) = &shape.password_hash else {
        return Ok(None);
    };
    let splits = |c: char| c == ':' || c.is_control() || c.is_whitespace();
    if hash.expose().is_empty() || hash.expose().contains(splits) {
        let why = format!(
            "the password hash for `{name}` is empty or holds `:`, a space or a control character"
        );
        return Err(HostError::Refused(why));
    }
    Ok(Some(Zeroizing::new(format!("{name}:{}\n", hash.expose()))))
}

/// A day as the tools take it; nothing is none.
fn expiry(end: Expiry) -> String {
    match end {
        Expiry::Never => String::new(),
        Expiry::On(day) => day.to_string(),
    }
}

/// An option and its value as two words: whatever the value begins with, it is the value.
fn push(options: &mut Vec<String>, option: &str, value: Option<String>) {
    if let Some(value) = value {
        options.extend([option.to_owned(), value]);
    }
}

#[cfg(test)]
mod tests;

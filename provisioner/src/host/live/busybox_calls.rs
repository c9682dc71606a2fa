//! The same calls where there is no shadow-utils: busybox makes and removes accounts, and lets users
//! join and leave groups. What else of an account is to change, it cannot.

use super::account_calls::{Call, password_line};
use super::accounts::Accounts;
use crate::effect::{Expiry, GroupEdit, UserEdit, UserShape};
use crate::host::HostError;
use crate::name::UserName;

/// The calls that make a change to a group.
pub(super) fn group_calls(edit: &GroupEdit) -> Result<Vec<Call>, HostError> {
    Ok(match edit {
        GroupEdit::Add { name, gid, system } => {
            let mut options = Vec::new();
            options.extend(system.then(|| "-S".to_owned()));
            options.extend(
                gid.iter()
                    .flat_map(|gid| ["-g".to_owned(), gid.to_string()]),
            );
            vec![applet("addgroup", options, &[name.as_str()])]
        }
        GroupEdit::SetGid { name, .. } => {
            return Err(cannot(&format!("change the number of the group {name}")));
        }
        GroupEdit::AddMembers { name, members } => {
            let join =
                |user: &UserName| applet("addgroup", vec![], &[user.as_str(), name.as_str()]);
            members.iter().map(join).collect()
        }
        GroupEdit::Remove { name } => vec![applet("delgroup", vec![], &[name.as_str()])],
    })
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
            if matches!(as_.expires, Some(Expiry::On(_))) {
                return Err(cannot(&format!("let the account {name} expire")));
            }
            let options = adduser(name, as_, *system, *create_home, accounts);
            let mut calls = vec![applet("adduser", options, &[name.as_str()])];
            calls.extend(group_changes(name, as_));
            calls.extend(password_calls(name, as_)?);
            Ok(calls)
        }
        UserEdit::Modify { name, to } => {
            let fixed = [
                ("number", to.uid.is_some()),
                ("primary group", to.group.is_some()),
                ("comment", to.comment.is_some()),
                ("home", to.home.is_some()),
                ("shell", to.shell.is_some()),
                ("last day", to.expires.is_some()),
            ];
            if let Some((what, _)) = fixed.iter().find(|(_, is_given)| *is_given) {
                return Err(cannot(&format!("change the {what} of the user {name}")));
            }
            let mut calls: Vec<Call> = group_changes(name, to).collect();
            calls.extend(password_calls(name, to)?);
            Ok(calls)
        }
        UserEdit::Remove { name, remove_home } => {
            let home = remove_home.then(|| "--remove-home".to_owned());
            let options = home.into_iter().collect();
            Ok(vec![applet("deluser", options, &[name.as_str()])])
        }
    }
}

fn adduser(
    name: &UserName,
    shape: &UserShape,
    system: bool,
    create_home: bool,
    accounts: &Accounts,
) -> Vec<String> {
    let mut options = vec!["-D".to_owned()]; // no password, and no question about one
    options.extend(system.then(|| "-S".to_owned()));
    options.extend((!create_home).then(|| "-H".to_owned()));
    let mut say = |option: &str, value: String| options.extend([option.to_owned(), value]);
    // Without a group it makes one of the user's own name, which may be there already.
    let own = accounts.gid(name.as_str()).map(|_| name.to_string());
    if let Some(group) = shape.group.as_ref().map(ToString::to_string).or(own) {
        say("-G", group);
    }
    if let Some(uid) = shape.uid {
        say("-u", uid.to_string());
    }
    let home = shape.home.as_ref().map(ToString::to_string);
    say("-h", home.unwrap_or_else(|| format!("/home/{name}")));
    let shell = if system { "/sbin/nologin" } else { "/bin/sh" };
    let shell = shape
        .shell
        .as_ref()
        .map_or(shell.to_owned(), ToString::to_string);
    say("-s", shell);
    say("-g", shape.comment.clone().unwrap_or_default());
    options
}

fn group_changes<'a>(name: &'a UserName, shape: &'a UserShape) -> impl Iterator<Item = Call> + 'a {
    let join = shape.join.iter().map(|group| ("addgroup", group));
    let leave = shape.leave.iter().map(|group| ("delgroup", group));
    let call = |(word, group): (&'static str, &crate::name::GroupName)| {
        applet(word, vec![], &[name.as_str(), group.as_str()])
    };
    join.chain(leave).map(call)
}

/// Locking comes after a new hash, which unlocks.
fn password_calls(name: &UserName, shape: &UserShape) -> Result<Vec<Call>, HostError> {
    let mut calls = Vec::new();
    if let Some(line) = password_line(name, shape)? {
        calls.push(Call {
            stdin: Some(line),
            ..applet("chpasswd", vec!["-e".into()], &[])
        });
    }
    if let Some(locked) = shape.locked {
        let option = if locked { "-l" } else { "-u" };
        calls.push(applet("passwd", vec![option.into()], &[name.as_str()]));
    }
    Ok(calls)
}

/// A program within busybox. Names are plain, so that none is an option (X4); still `--` says so.
fn applet(word: &str, options: Vec<String>, operands: &[&str]) -> Call {
    let mut args = vec![word.to_owned()];
    args.extend(options);
    if !operands.is_empty() {
        args.push("--".to_owned());
    }
    args.extend(operands.iter().map(|operand| (*operand).to_owned()));
    Call {
        program: "busybox",
        args,
        stdin: None,
    }
}

fn cannot(what: &str) -> HostError {
    HostError::Refused(format!("busybox cannot {what}; install shadow-utils first"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::{AbsPath, GroupName};
    use crate::secret::Secret;

    fn words(calls: &[Call]) -> Vec<String> {
        let line = |call: &Call| format!("{} {}", call.program, call.args.join(" "));
        calls.iter().map(line).collect()
    }

    #[test]
    fn accounts_are_made_and_removed_and_join_groups() {
        let accounts = Accounts::parse(b"", b"wheel:x:10:\n", None);
        let name = UserName::parse("app").unwrap();
        let group = |name| GroupName::parse(name).unwrap();
        let as_ = UserShape {
            uid: Some(900),
            join: vec![group("wheel")],
            password_hash: Some(Secret::new("$6$x$y".to_owned())),
            locked: Some(true),
            ..UserShape::default()
        };
        let add = UserEdit::Add {
            name: name.clone(),
            as_,
            system: true,
            create_home: false,
        };
        let calls = user_calls(&add, &accounts).unwrap();
        assert_eq!(
            words(&calls),
            [
                "busybox adduser -D -S -H -u 900 -h /home/app -s /sbin/nologin -g  -- app",
                "busybox addgroup -- app wheel",
                "busybox chpasswd -e",
                "busybox passwd -l -- app",
            ]
        );
        assert_eq!(
            calls[2].stdin.as_ref().map(|text| text.as_str()),
            Some("app:$6$x$y\n")
        );
        let remove = UserEdit::Remove {
            name,
            remove_home: true,
        };
        let calls = user_calls(&remove, &accounts).unwrap();
        assert_eq!(words(&calls), ["busybox deluser --remove-home -- app"]);
        let add = GroupEdit::Add {
            name: group("web"),
            gid: Some(950),
            system: true,
        };
        let calls = group_calls(&add).unwrap();
        assert_eq!(words(&calls), ["busybox addgroup -S -g 950 -- web"]);
    }

    #[test]
    fn what_it_cannot_do_is_said_and_not_tried() {
        let accounts = Accounts::parse(b"", b"", None);
        let to = UserShape {
            shell: AbsPath::parse("/bin/ash").ok(),
            ..UserShape::default()
        };
        let name = UserName::parse("app").unwrap();
        let error = user_calls(&UserEdit::Modify { name, to }, &accounts).unwrap_err();
        let words = "busybox cannot change the shell of the user app; install shadow-utils first";
        assert_eq!(error.to_string(), words);
    }
}

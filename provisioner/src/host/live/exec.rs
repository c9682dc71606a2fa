//! A command from a config as a process: its user's login, its own environment, its script.

use std::path::PathBuf;
use std::time::Duration;

use rustix::process::{Gid, Uid};
use zeroize::Zeroizing;

use super::accounts::{Accounts, Passwd};
use super::command::{End, PATH, Spawn};
use super::private::PrivateDir;
use super::sys::Identity;
use crate::effect::{Command, Program};
use crate::host::{HostError, Stream};
use crate::name::{GroupName, UserName};

/// What errors call a command from a config, whose words may be secret.
const LABEL: &str = "the command";

/// How long a command may take if its block does not say.
const TIMEOUT: Duration = Duration::from_mins(5);

/// A user as a command is to run: who, and what a login would say of him.
pub(super) struct Login {
    /// `None` if it is who hpt is already.
    pub(super) identity: Option<Identity>,
    pub(super) name: String,
    pub(super) home: String,
    pub(super) shell: String,
}

impl Login {
    /// The login of a user, or of whoever hpt runs as, with another primary group if one is given.
    pub(super) fn of(
        accounts: &Accounts,
        user: Option<&UserName>,
        group: Option<&GroupName>,
    ) -> Result<Self, HostError> {
        let me = rustix::process::geteuid();
        let (name, line) = match user {
            Some(user) => (user.to_string(), accounts.needed_user(user)?.clone()),
            None => accounts
                .passwd_by_uid(me.as_raw())
                .map_or_else(nameless, |(name, line)| (name.to_owned(), line.clone())),
        };
        let gid = match group {
            Some(group) => accounts.needed_gid(group)?,
            None => line.gid,
        };
        let same = line.uid == me.as_raw() && group.is_none();
        if !same && !me.is_root() {
            return Err(HostError::Refused(format!(
                "only root can run a command as `{name}`"
            )));
        }
        let identity = (!same || (me.is_root() && user.is_some())).then(|| {
            let mut groups: Vec<u32> = accounts.gids(&name, line.gid);
            groups.push(gid);
            groups.sort_unstable();
            groups.dedup();
            let groups = groups.into_iter().map(Gid::from_raw).collect();
            Identity {
                uid: Uid::from_raw(line.uid),
                gid: Gid::from_raw(gid),
                groups,
            }
        });
        Ok(Self {
            identity,
            name,
            home: line.home,
            shell: line.shell,
        })
    }

    /// The environment that every command of this user gets.
    pub(super) fn env(&self) -> Vec<(String, Zeroizing<String>)> {
        let shell = if self.shell.is_empty() {
            "/bin/sh"
        } else {
            &self.shell
        };
        let env = [
            ("PATH", PATH),
            ("HOME", &self.home),
            ("USER", &self.name),
            ("LOGNAME", &self.name),
            ("SHELL", shell),
            ("LANG", "C.UTF-8"),
        ];
        env.map(|(name, value)| (name.to_owned(), Zeroizing::new(value.to_owned())))
            .into()
    }
}

/// Whoever hpt runs as where no account file has him: called by his number, or root.
fn nameless() -> (String, Passwd) {
    let (me, group) = (rustix::process::geteuid(), rustix::process::getegid());
    let (name, home) = if me.is_root() {
        ("root".to_owned(), "/root")
    } else {
        (me.as_raw().to_string(), "/")
    };
    let line = Passwd {
        uid: me.as_raw(),
        gid: group.as_raw(),
        comment: String::new(),
        home: home.to_owned(),
        shell: "/bin/sh".to_owned(),
    };
    (name, line)
}

/// Runs a command from a config to its end.
pub(super) fn run(
    command: &Command,
    accounts: &Accounts,
    hear: &mut dyn FnMut(Stream, &[u8]),
) -> Result<End, HostError> {
    let login = Login::of(accounts, command.user.as_ref(), command.group.as_ref())?;
    let mut env = login.env();
    env.extend(
        command
            .env
            .iter()
            .map(|(k, v)| (k.clone(), Zeroizing::new(v.expose().to_owned()))),
    );
    // Lives until the command has ended.
    let mut _dir = None;
    let mut words: Vec<Zeroizing<String>> = match &command.program {
        Program::Argv(argv) => argv
            .iter()
            .map(|arg| Zeroizing::new(arg.expose().to_owned()))
            .collect(),
        Program::Script { interpreter, text } => {
            let dir = PrivateDir::new(login.identity.as_ref())?;
            let script = dir.file("script", text.expose().as_bytes(), true)?;
            _dir = Some(dir);
            vec![
                interpreter.to_string().into(),
                script.display().to_string().into(),
            ]
        }
    };
    if words.is_empty() {
        return Err(HostError::Refused("the command has no program".into()));
    }
    let program = words.remove(0);
    let spawn = Spawn {
        program,
        label: LABEL.into(),
        args: words,
        env,
        dir: command
            .dir
            .as_ref()
            .map_or_else(|| PathBuf::from("/tmp"), |dir| dir.as_path().to_owned()),
        stdin: command
            .stdin
            .as_ref()
            .map(|bytes| Zeroizing::new(bytes.expose().as_bytes().to_vec())),
        stdin_file: None,
        identity: login.identity,
        umask: command.umask.bits(),
        timeout: TIMEOUT,
    };
    spawn.run(hear)
}

/// The exit code of a command that ended as its config wants; else an error.
pub(super) fn judge(command: &Command, end: End) -> Result<i32, HostError> {
    match end {
        End::Exit(code) if command.success.contains(&code) => Ok(code),
        other => Err(HostError::Program {
            program: LABEL.into(),
            why: other.to_string(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::{AbsPath, Mode};
    use crate::secret::Secret;

    fn accounts() -> Accounts {
        let passwd = "root:x:0:0::/root:/bin/bash\napp:x:4242:4243::/srv/app:/bin/sh\n";
        let group = "root:x:0:\napp:x:4243:\nweb:x:4244:app\naaa:x:9:app\n";
        Accounts::parse(passwd.as_bytes(), group.as_bytes(), None)
    }

    fn command(program: Program) -> Command {
        Command {
            program,
            user: None,
            group: None,
            dir: None,
            env: vec![("TOKEN".into(), Secret::new("s3cret".into()))],
            stdin: None,
            umask: Mode::new(0o027),
            success: vec![0],
            changed_if: None,
            undo: None,
        }
    }

    fn script(text: &str) -> Command {
        let interpreter = AbsPath::parse("/bin/sh").unwrap();
        command(Program::Script {
            interpreter,
            text: Secret::new(text.into()),
        })
    }

    fn output(command: &Command) -> (End, String) {
        let mut output = Vec::new();
        let end = run(command, &accounts(), &mut |_, bytes| {
            output.extend_from_slice(bytes);
        });
        (end.unwrap(), String::from_utf8(output).unwrap())
    }

    #[test]
    fn a_script_runs_from_a_private_file_that_goes() {
        let (end, output) = output(&script("echo $0 $TOKEN; umask; pwd; stat -c %a $0; exit 7"));
        let lines: Vec<&str> = output.lines().collect();
        let (file, token) = lines[0].split_once(' ').unwrap();
        assert_eq!(
            (end, token, &lines[1..]),
            (End::Exit(7), "s3cret", &["0027", "/tmp", "700"][..])
        );
        assert!(
            file.starts_with("/run/hpt-") || file.starts_with("/tmp/hpt-"),
            "{file}"
        );
        assert!(!std::path::Path::new(file).exists());
    }

    /// X2: what `id` says of a command is what it would say of a login. Needs root.
    #[test]
    fn a_command_of_a_user_is_that_user() {
        if !crate::host::live::tests::is_root() {
            return;
        }
        let text =
            "id -u; id -g; id -G; echo $HOME $USER $LOGNAME $SHELL; cat $0 >/dev/null && echo ok";
        let mut command = script(text);
        command.user = UserName::parse("app").ok();
        let expected = "4242\n4243\n4243 9 4244\n/srv/app app app /bin/sh\nok\n";
        assert_eq!(output(&command).1, expected);
        command.group = GroupName::parse("web").ok();
        assert!(output(&command).1.starts_with("4242\n4244\n"));
    }

    #[test]
    fn unknown_users_are_named_and_secrets_are_not() {
        let mut hidden = command(Program::Argv(vec![Secret::new("s3cret-program".into())]));
        let error = run(&hidden, &accounts(), &mut |_, _| {})
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("the command was not found") && !error.contains("s3cret"),
            "{error}"
        );
        hidden.user = UserName::parse("nobody-here").ok();
        let error = run(&hidden, &accounts(), &mut |_, _| {}).unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no user `nobody-here` on this host"
        );
    }

    #[test]
    fn the_config_says_which_codes_mean_success() {
        let mut command = script("exit 3");
        assert_eq!(
            judge(&command, End::Exit(3)).unwrap_err().to_string(),
            "the command exited with 3"
        );
        command.success = vec![0, 3];
        assert_eq!(judge(&command, End::Exit(3)).unwrap(), 3);
        let late = judge(&command, End::Timeout(Duration::from_secs(20)))
            .unwrap_err()
            .to_string();
        assert!(late.contains("within 20 s"), "{late}");
    }
}

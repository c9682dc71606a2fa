//! `[[check]]`: a health gate, whose failure reverts the run.

use std::time::Duration;

use serde::Deserialize;

use crate::block::{Decision, Kind, program};
use crate::effect::{Command, Program};
use crate::host::HostError;
use crate::host::probe::{Expect, Probe, Target};
use crate::name::{AbsPath, Mode, Pattern, UserName};
use crate::number;
use crate::secret::Secret;
use crate::view::View;

/// Whether the host does what it is there for: the answer to a GET, or the end of a command, looked at
/// again and again until it is as expected. If it never is, the block fails and the run is reverted: what
/// it has changed so far is put back as `hpt undo` does it, newest first, and the exit code is 8.
///
/// It is looked at where it stands, and in each run that has anything to do. Handlers run after it unless a
/// `[[flush]]` stands before; checks at the very end of a config are looked at when all handlers have run.
/// A plan starts nothing, and a check alone is no change.
///
/// ```toml
/// [[check]]
/// http = "http://localhost:8080/healthz"
/// expect = 200
/// within = "30s"
/// ```
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// A URL that the host itself asks with GET, such as `"http://localhost:8080/healthz"`. No redirect
    /// is followed and no proxy used; of `https` the certificate must be one that the host trusts, for
    /// the name in the URL. Exactly one of `http`, `cmd` and `script`.
    http: Option<String>,
    /// A program by its absolute path, such as `"/usr/bin/pg_isready"`; no shell reads it.
    cmd: Option<Secret>,
    /// The arguments of `cmd`, each as it is, such as `["-h", "localhost"]`; none.
    #[serde(default)]
    args: Vec<Secret>,
    /// The text of a script for `/bin/sh`, such as `"nginx -t && systemctl is-active nginx"`.
    script: Option<Secret>,
    /// The user that `cmd` or `script` runs as, with that user's groups; root.
    user: Option<UserName>,
    /// What must be seen: a status such as 200 or an exit code such as 2; or a regular expression that
    /// is found in a line of the answer's first MiB or of standard output, such as "^ready", where all
    /// went well besides. A status from 200 to 299, or the exit code 0, without it.
    expect: Option<Expected>,
    /// How long it may take until it is as expected, in seconds or such as "90s", "5m", at most an hour;
    /// 30 seconds.
    #[serde(default, deserialize_with = "crate::time::deserialize")]
    within: Option<Duration>,
    /// Whether the run is reverted if it fails; true. If not, the run stops there as at any failure.
    #[serde(default = "yes")]
    revert: bool,
}

const WITHIN: Duration = Duration::from_secs(30);
const LONGEST: Duration = Duration::from_hours(1);

const LONGEST_URL: usize = 2048;

fn yes() -> bool {
    true
}

/// A status or an exit code, or what is found in a line.
#[derive(Clone)]
enum Expected {
    Code(u16),
    Text(Pattern),
}

impl<'de> Deserialize<'de> for Expected {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        const EXPECTED: &str = "a status, an exit code, or a regular expression in quotes";
        let code = |code| match u16::try_from(code) {
            Ok(code) if code < 600 => Ok(Self::Code(code)),
            _ => Err("an exit code is 0 to 255, and a status 100 to 599".to_owned()),
        };
        number::or_text(d, EXPECTED, code, |text| {
            Pattern::parse(text).map(Self::Text)
        })
    }
}

impl Kind for Check {
    const NAME: &'static str = "check";

    fn primary(&self) -> String {
        let command = || self.script.as_ref().or(self.cmd.as_ref());
        let url = self.http.clone();
        url.unwrap_or_else(|| super::exec::shown(command().map_or("", Secret::expose)))
    }

    fn check(&self, complain: &mut dyn FnMut(&'static str, String)) {
        let ways = [
            self.http.is_some(),
            self.cmd.is_some(),
            self.script.is_some(),
        ];
        if ways.iter().filter(|way| **way).count() != 1 {
            let what = "[[check]] needs one of `http`, `cmd` and `script`";
            complain("", what.to_owned());
        }
        if let Some(url) = &self.http
            && let Err(why) = is_url(url)
        {
            complain("http", why.to_owned());
        }
        program::check(self.cmd.as_ref(), &self.args, complain);
        if self.user.is_some() && !self.runs_commands() {
            complain("user", "`user` goes with `cmd` or `script`".to_owned());
        }
        let texts = self.script.iter().chain(&self.cmd).chain(&self.args);
        if texts.into_iter().any(|text| text.expose().contains('\0')) {
            complain("", "a command holds no NUL".to_owned());
        }
        match (&self.expect, self.http.is_some()) {
            (Some(Expected::Code(..100)), true) => {
                complain("expect", "a status is 100 to 599".to_owned());
            }
            (Some(Expected::Code(256..)), false) => {
                complain("expect", "an exit code is 0 to 255".to_owned());
            }
            _ => {}
        }
        if self.within.is_some_and(|t| t.is_zero() || t > LONGEST) {
            complain(
                "within",
                "a check takes at least a second and at most an hour".to_owned(),
            );
        }
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, HostError> {
        if !view.powers().exec {
            let why = "nothing answers in a root that does not run";
            return Ok(Decision::Skip(why.to_owned()));
        }
        if let Some(other) = Decision::without_accounts(self.user.as_ref(), None, view)? {
            return Ok(other);
        }
        let expect = match &self.expect {
            None => Expect::Well,
            Some(Expected::Code(code)) => Expect::Code(*code),
            Some(Expected::Text(pattern)) => Expect::Text(pattern.clone()),
        };
        let at = match &self.http {
            Some(url) => Target::Http(url.clone()),
            None => Target::Command(Box::new(self.command())),
        };
        Ok(Decision::Check {
            probe: Box::new(Probe { at, expect }),
            within: self.within.unwrap_or(WITHIN),
            reverts: self.revert,
        })
    }
}

impl Check {
    /// Whether it runs a command of the config.
    pub(crate) fn runs_commands(&self) -> bool {
        self.http.is_none()
    }

    fn command(&self) -> Command {
        let program = match &self.script {
            Some(text) => Program::Script {
                interpreter: AbsPath::parse("/bin/sh").expect("a plain path"),
                text: text.clone(),
            },
            None => Program::Argv(self.cmd.iter().chain(&self.args).cloned().collect()),
        };
        let success = match self.expect {
            Some(Expected::Code(code)) => i32::from(code),
            _ => 0,
        };
        Command {
            program,
            user: self.user.clone(),
            group: None,
            dir: None,
            env: Vec::new(),
            stdin: None,
            umask: Mode::new(0o022),
            success: vec![success],
            changed_if: None,
            undo: None,
        }
    }
}

/// What a host can be asked for.
fn is_url(text: &str) -> Result<(), &'static str> {
    let rest = text
        .strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"));
    let rest = rest.ok_or("a URL begins with http:// or https://")?;
    let host = rest.split(['/', '?']).next().unwrap_or_default();
    if host.is_empty() {
        return Err("a URL has a host, such as http://localhost:8080/");
    }
    if host.contains('@') {
        return Err("no name and password stand in a URL; use `script` for what needs them");
    }
    if text.len() > LONGEST_URL {
        return Err("a URL is at most 2,048 bytes long");
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) || text.contains('#') {
        return Err("a URL is of visible ASCII characters, without `#`");
    }
    Ok(())
}

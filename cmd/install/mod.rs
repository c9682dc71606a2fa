//! `hpt install`: hpt on a host that has none yet, by the user's own ssh.

mod ssh;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hpt_agent::unit_file::service;
use hpt_keystore::client::{self, KnownTarget};
use hpt_keystore::{Existing, TargetName, target};
use serde::Serialize;
use zeroize::Zeroizing;

use self::ssh::{Found, Load, Session};
use crate::address::HostPort;
use crate::context::{Context, runtime};
use crate::error::{CommandError, Exit};
use crate::gen_target_keys::{address, make, make_own_keys_if_missing};
use crate::print::keys::titled;
use crate::remote::Remote;
use crate::terminal::visible;

/// Where it is on the host.
const PROGRAM: &str = "/usr/local/bin/hpt";
/// How long the host may take to answer to its new keys.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(200);

#[derive(clap::Args)]
#[command(after_help = "\
Your own ssh logs in, with its config, agent and jump hosts, as root or as one
who may sudo without a password. The host is given this program, a keystore of
its own and a unit, and is asked over hpt's own channel whether it answers.
It runs systemd and is of this machine's architecture.

A keystore that `hpt gen-target-keys` made, as NAME.keystore in this
directory, is delivered; if there is none it is made. Delivered, it goes.

Examples:
  hpt install root@10.0.0.5 --target web1
  hpt install ana@web1.example.org --target web1 --ip 10.0.0.5")]
pub(crate) struct Args {
    /// Where ssh logs in: `USER@HOST`, or `HOST`
    #[arg(value_name = "DESTINATION")]
    destination: String,

    /// Replace the hpt that is there, its keys too
    #[arg(long)]
    force: bool,
}

#[derive(Serialize)]
struct Installed<'a> {
    event: &'static str,
    target: &'a str,
    address: String,
    fingerprint: String,
    version: &'a str,
}

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    let Some(name) = context.global.target.clone() else {
        return Err(
            CommandError::usage("--target NAME is missing: what will the host be called?")
                .hint("for example `hpt install root@10.0.0.5 --target web1`"),
        );
    };
    if args.destination.starts_with('-') {
        return Err(CommandError::usage(
            "a destination of ssh does not begin with `-`",
        ));
    }
    let unit = service(Path::new(PROGRAM)).expect("a plain path");
    let program = fs::read("/proc/self/exe")
        .map_err(CommandError::io("read it", Path::new("/proc/self/exe")))?;
    let port = context.known_at(&name)?.ssh_port;
    context
        .terminal
        .passing(format_args!("logging in to {}", visible(&args.destination)));
    let (session, found) = Session::open(&args.destination, port)?;
    refuse(&args.destination, &found, args.force)?;
    place(args, port, context)?;
    let file = PathBuf::from(format!("{name}.keystore"));
    let known = keys(&name, &file, args.force, context)?;
    let keystore = fs::read(&file).map_err(CommandError::io("read it", &file))?;
    let keystore = Zeroizing::new(keystore);
    context
        .terminal
        .passing(format_args!("installing hpt on {name}"));
    let load = Load {
        program: &program,
        keystore: &keystore,
        unit: unit.as_bytes(),
    };
    let version = session.install(&load).map_err(|error| {
        let file = file.display();
        error.hint(format!("{file} stays; the same command goes on with it"))
    })?;
    context.terminal.passing(format_args!("asking {name}"));
    prove(&name, context)?;
    fs::remove_file(&file).map_err(CommandError::io("remove what was delivered", &file))?;
    let at = known.address.as_ref().map(ToString::to_string);
    let at = at.unwrap_or_default();
    let fingerprint = known.identity.fingerprint();
    let rows = vec![
        ("address", at.clone()),
        ("fingerprint", fingerprint.clone()),
        ("version", visible(&version).into_owned()),
    ];
    let title = format!("{name} is installed, and answers to its keys");
    context.terminal.say(titled(&title, rows));
    context.terminal.json(&Installed {
        event: "installed",
        target: name.as_str(),
        address: at,
        fingerprint,
        version: &version,
    });
    Ok(Exit::Done)
}

/// What cannot be installed, or is not to be, before anything is changed.
fn refuse(destination: &str, found: &Found, force: bool) -> Result<(), CommandError> {
    let failed = |what: &str| {
        let what = format!("{}: {what}; nothing was changed", visible(destination));
        CommandError::new(Exit::Failed, what)
    };
    if found.machine != std::env::consts::ARCH {
        let machine = visible(&found.machine);
        let own = std::env::consts::ARCH;
        return Err(
            failed(&format!("it is a {machine}, and this hpt is for {own}"))
                .hint("install it from a machine of that architecture"),
        );
    }
    if !found.has_systemd {
        return Err(failed("it does not run systemd").hint(
            "bring hpt and the keystore there yourself, and have its init start `hpt serve`",
        ));
    }
    if found.has_keystore && !force {
        return Err(
            failed("it has a keystore of hpt: somebody has installed it")
                .hint("`--force` replaces program, keys and unit"),
        );
    }
    Ok(())
}

/// Where the host will be reached, if nobody says so: where ssh reached it.
fn place(args: &Args, port: Option<u16>, context: &mut Context) -> Result<(), CommandError> {
    if context.global.ip.is_none() {
        let address = ssh::address(&args.destination, port);
        let parsed = HostPort::parse(&address).map_err(|bad| {
            CommandError::usage(format!("{}: {bad}", visible(&address)))
                .hint("`--ip ADDRESS` says where it is")
        });
        context.global.ip = Some(parsed?);
    }
    Ok(())
}

/// The target's keys, in a file: those that were made for it before, or new ones.
fn keys(
    name: &TargetName,
    file: &Path,
    force: bool,
    context: &mut Context,
) -> Result<KnownTarget, CommandError> {
    let path = context.keystore()?;
    make_own_keys_if_missing(&path, context)?;
    let stored = client::load_target(&path, name)
        .ok()
        .map(|(_, stored)| stored);
    let at = address(context, None)?;
    let made = target::load(file).ok();
    match (stored, made) {
        (Some(stored), Some(made)) if made.own.identity() == stored.identity => {
            client::set_address(&path, name, at)?;
        }
        (Some(_), _) if !force => {
            let what = format!("{name} has keys here, and {} has not them", file.display());
            return Err(CommandError::new(Exit::Keystore, what).hint(
                "nothing was changed; `--force` makes new ones, with which the host is reached then",
            ));
        }
        (stored, _) => {
            let existing = match stored {
                Some(_) => Existing::Replace,
                None => Existing::Keep,
            };
            make(name, file, None, existing, at, context)?;
        }
    }
    let (_, known) = client::load_target(&path, name)?;
    Ok(known)
}

/// Asks the host over hpt's own channel, as soon as it can answer.
pub(crate) fn prove(name: &TargetName, context: &mut Context) -> Result<(), CommandError> {
    let began = Instant::now();
    runtime()?.block_on(async {
        loop {
            let asked = Remote::with(name, context, async |remote, _| remote.is_ready().await);
            match asked.await {
                Ok(_) => return Ok(()),
                Err(error) if began.elapsed() > PATIENCE => {
                    return Err(error.hint(
                        "it is installed, and does not answer; does a firewall let its port in?",
                    ));
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    })
}

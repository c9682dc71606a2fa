//! `hpt install`: hpt on a host that has none yet, by the user's own ssh, or in an image.

pub(crate) mod cloud_init;
mod image;
pub(crate) mod installer;
mod load;
mod ssh;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hpt_keystore::client::{self, KnownTarget};
use hpt_keystore::{Existing, TargetName, target};
use serde::Serialize;
use zeroize::Zeroizing;

use self::image::Image;
pub(crate) use self::load::{Load, Program, unit};
use self::ssh::{Found, Session};
use crate::address::HostPort;
use crate::context::{Context, runtime};
use crate::error::{CommandError, Exit};
use crate::gen_target_keys::{address, make, make_own_keys_if_missing};
use crate::print::keys::titled;
use crate::remote::Remote;
use crate::terminal::visible;

/// How long the host may take to answer to its new keys.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(200);
/// What goes on with a host of another architecture.
const OTHER: &str = "`--program FILE` brings an hpt that is for that";

#[derive(clap::Args)]
#[command(after_help = "\
Your own ssh logs in, with its config, agent and jump hosts, as root or as one
who may sudo without a password. The host is given this program, a keystore of
its own and a unit, and is asked over hpt's own channel whether it answers.
It runs systemd and is of the program's architecture.

With --root the same three go into the root directory of an image, without ssh,
and nothing is started: hpt serves when a host boots from it. The image is for
one host, whose keys it has.

A keystore that `hpt gen-target-keys` made, as NAME.keystore in this
directory, is delivered; if there is none it is made. Delivered, it goes.

Examples:
  hpt install root@10.0.0.5 --target web1
  hpt install ana@web1.example.org --target web1 --ip 10.0.0.5
  hpt install --root ./image --target web1 --ip 10.0.0.5")]
pub(crate) struct Args {
    /// Where ssh logs in: `USER@HOST`, or `HOST`
    #[arg(value_name = "DESTINATION")]
    destination: Option<String>,

    /// Another program than this one: for hosts of another architecture
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,

    /// Replace the hpt that is there, its keys too
    #[arg(long)]
    force: bool,
}

#[derive(Serialize)]
struct Installed<'a> {
    event: &'static str,
    target: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    root: Option<&'a Path>,
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
    match (&args.destination, context.global.root.clone()) {
        (Some(destination), None) if destination.starts_with('-') => Err(CommandError::usage(
            "a destination of ssh does not begin with `-`",
        )),
        (Some(destination), None) => by_ssh(destination, &name, args, context),
        (None, Some(root)) => into_image(&root, &name, args, context),
        (Some(_), Some(_)) => Err(CommandError::usage(
            "a destination of ssh is a host, and --root a directory here: choose one",
        )),
        (None, None) => Err(CommandError::usage("it is not said where")
            .hint("`hpt install root@10.0.0.5 --target web1`, or `--root DIR` for an image here")),
    }
}

fn by_ssh(
    destination: &str,
    name: &TargetName,
    args: &Args,
    context: &mut Context,
) -> Result<Exit, CommandError> {
    let program = Program::read(args.program.as_deref())?;
    let port = context.known_at(name)?.ssh_port;
    context
        .terminal
        .passing(format_args!("logging in to {}", visible(destination)));
    let (session, found) = Session::open(destination, port)?;
    refuse(destination, &found, &program, args.force)?;
    place(destination, port, context)?;
    let (file, known) = keys(name, args.force, context)?;
    let keystore = Zeroizing::new(read(&file)?);
    context
        .terminal
        .passing(format_args!("installing hpt on {name}"));
    let load = Load {
        program: &program,
        keystore: &keystore,
        unit: &unit(),
    };
    let version = session.install(&load).map_err(|error| {
        let file = file.display();
        error.hint(format!("{file} stays; the same command goes on with it"))
    })?;
    context.terminal.passing(format_args!("asking {name}"));
    prove(name, context)?;
    delivered(&file)?;
    let title = format!("{name} is installed, and answers to its keys");
    tell(&title, &known, None, &version, context);
    Ok(Exit::Done)
}

fn into_image(
    root: &Path,
    name: &TargetName,
    args: &Args,
    context: &mut Context,
) -> Result<Exit, CommandError> {
    let program = Program::read(args.program.as_deref())?;
    let mut image = Image::open(root, &program)?;
    if image.has_keystore()? && !args.force {
        let what = format!(
            "{}: it has a keystore of hpt; nothing was changed",
            root.display()
        );
        return Err(
            CommandError::new(Exit::Failed, what).hint("`--force` replaces program, keys and unit")
        );
    }
    let (file, known) = keys(name, args.force, context)?;
    let keystore = Zeroizing::new(read(&file)?);
    image.install(&Load {
        program: &program,
        keystore: &keystore,
        unit: &unit(),
    })?;
    delivered(&file)?;
    let title = format!("{name} is installed in {}", root.display());
    let version = concat!("hpt ", env!("CARGO_PKG_VERSION"));
    tell(&title, &known, Some(root), version, context);
    context
        .terminal
        .note("it is for one host: two that boot from it would have the same keys");
    Ok(Exit::Done)
}

fn read(file: &Path) -> Result<Vec<u8>, CommandError> {
    fs::read(file).map_err(CommandError::io("read it", file))
}

fn delivered(file: &Path) -> Result<(), CommandError> {
    fs::remove_file(file).map_err(CommandError::io("remove what was delivered", file))
}

fn tell(
    title: &str,
    known: &KnownTarget,
    root: Option<&Path>,
    version: &str,
    context: &mut Context,
) {
    let address = known.address.as_ref().map(ToString::to_string);
    let fingerprint = known.identity.fingerprint();
    let mut rows = Vec::new();
    if let Some(address) = &address {
        rows.push(("address", address.clone()));
    }
    rows.push(("fingerprint", fingerprint.clone()));
    rows.push(("version", visible(version).into_owned()));
    context.terminal.say(titled(title, rows));
    context.terminal.json(&Installed {
        event: "installed",
        target: known.name.as_str(),
        address: address.as_deref(),
        root,
        fingerprint,
        version,
    });
}

/// What cannot be installed, or is not to be, before anything is changed.
fn refuse(
    destination: &str,
    found: &Found,
    program: &Program,
    force: bool,
) -> Result<(), CommandError> {
    let failed = |what: &str| {
        let what = format!("{}: {what}; nothing was changed", visible(destination));
        CommandError::new(Exit::Failed, what)
    };
    if found.machine != program.machine {
        let (machine, own) = (visible(&found.machine), program.machine);
        let what = format!("it is a {machine}, and this hpt is for {own}");
        return Err(failed(&what).hint(OTHER));
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
fn place(destination: &str, port: Option<u16>, context: &mut Context) -> Result<(), CommandError> {
    if context.global.ip.is_none() {
        let address = ssh::address(destination, port);
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
    force: bool,
    context: &mut Context,
) -> Result<(PathBuf, KnownTarget), CommandError> {
    let file = PathBuf::from(format!("{name}.keystore"));
    let path = context.keystore()?;
    make_own_keys_if_missing(&path, context)?;
    let stored = client::load_target(&path, name)
        .ok()
        .map(|(_, stored)| stored);
    let at = address(context, stored.as_ref().and_then(|old| old.address.clone()))?;
    let made = target::load(&file).ok();
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
            make(name, &file, existing, at, context)?;
        }
    }
    let (_, known) = client::load_target(&path, name)?;
    Ok((file, known))
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

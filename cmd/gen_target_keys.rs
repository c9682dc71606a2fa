//! `hpt gen-target-keys`: a target's whole keystore, and its pin here.

use std::path::{Path, PathBuf};

use hpt_keystore::{
    Address, ClientName, Existing, FileError, GenTargetError, Identity, LoadError, NewTarget, Role,
    TargetName, client, gen_target, gen_target_in,
};
use hpt_provisioner::PORT;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::address::HostPort;
use crate::args::Global;
use crate::context::{Context, now};
use crate::env::{Variable, env};
use crate::error::{CommandError, Exit};
use crate::install::cloud_init::{self, ProgramUrl};
use crate::install::{Load, Program, installer, unit};
use crate::print::keys::{Keys, titled};

#[derive(clap::Args)]
#[command(after_help = "\
Formats:
  keystore    the host's /etc/hpt/keystore.db; you bring hpt and its unit
  installer   a shell script that brings program, keystore and unit:
              `sh web1.sh`, as root on the host
  cloud-init  user-data with which a host installs all by itself at its first
              boot. User-data is at most 16 KiB on some clouds, so the host
              fetches the program from --program-url, and takes it only if it
              is this very program, by its sha256

Each holds the target's private keys.

Examples:
  hpt gen-target-keys --target web1 --ip 10.0.0.5
  scp web1.keystore root@10.0.0.5:/etc/hpt/keystore.db   or by any other way
  hpt gen-target-keys --target web1 --format installer
  hpt gen-target-keys --target web1 --format cloud-init \\
      --program-url https://example.org/hpt --output user-data")]
pub(crate) struct Args {
    /// Write what is to be delivered here [default: ./NAME.keystore or ./NAME.sh;
    /// cloud-init goes to stdout]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// What is to be delivered: keystore, installer or cloud-init
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "keystore",
        hide_possible_values = true
    )]
    format: Format,

    /// In the installer, or at the URL, is another program than this one: for
    /// hosts of another architecture
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,

    /// Where a host of cloud-init fetches this program
    #[arg(long, value_name = "URL", value_parser = ProgramUrl::parse)]
    program_url: Option<ProgramUrl>,

    /// What the target calls you [default: user-host]
    #[arg(long, value_name = "NAME", value_parser = ClientName::parse)]
    client_name: Option<ClientName>,

    /// Make new keys for a target that has some; it is out of touch until
    /// they are delivered
    #[arg(long)]
    force: bool,
}

/// In what a target's keys are delivered.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Keystore,
    Installer,
    CloudInit,
}

/// User-data that is printed.
#[derive(Serialize)]
struct UserData<'a> {
    event: &'static str,
    target: &'a str,
    text: &'a str,
}

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    let Some(name) = context.global.target.clone() else {
        return Err(
            CommandError::usage("--target NAME is missing: what will the host be called?")
                .hint("for example `hpt gen-target-keys --target web1 --ip 10.0.0.5`"),
        );
    };
    match (args.format, &args.program_url) {
        (Format::CloudInit, None) => return Err(
            CommandError::usage("--program-url URL is missing: user-data is too small for the program")
                .hint("put this very program on a web server that the host reaches; plain http will do, its sha256 is checked"),
        ),
        (Format::Keystore | Format::Installer, Some(_)) => return Err(
            CommandError::usage("--program-url is for --format cloud-init: no other fetches the program"),
        ),
        _ => {}
    }
    if args.program.is_some() && args.format == Format::Keystore {
        return Err(CommandError::usage("a keystore has no program in it")
            .hint("`--program` is for --format installer and cloud-init"));
    }
    let path = context.keystore()?;
    let stored = client::load_target(&path, &name).ok();
    let address = address(context, stored.and_then(|(_, target)| target.address))?;
    make_own_keys_if_missing(&path, context)?;
    let existing = if args.force {
        Existing::Replace
    } else {
        Existing::Keep
    };
    let new = new_target(&name, args.client_name.clone(), address);
    let output = match args.format {
        Format::Keystore => Some(format!("{name}.keystore").into()),
        Format::Installer => Some(format!("{name}.sh").into()),
        Format::CloudInit => None,
    };
    let output: Option<PathBuf> = args.output.clone().or(output);
    let (identity, made) = match (&output, args.format) {
        (Some(output), Format::Keystore) => {
            let identity = gen_target(&path, output, new, existing).map_err(not_made)?;
            (identity, Zeroizing::default())
        }
        (output, _) => {
            let program = Program::read(args.program.as_deref())?;
            let unit = unit();
            let wrap = |identity: &Identity, keystore: &[u8]| {
                let load = Load {
                    program: &program,
                    keystore,
                    unit: &unit,
                };
                match &args.program_url {
                    Some(url) => cloud_init::user_data(&name, identity, url, &load),
                    None => installer::file(&name, identity, &load),
                }
            };
            let output = output.as_deref();
            gen_target_in(&path, output, new, existing, wrap).map_err(not_made)?
        }
    };
    tell(args, &name, &identity, output.as_deref(), context);
    if output.is_none() {
        let text = std::str::from_utf8(&made).expect("user-data is text");
        context.terminal.say(text.trim_end());
        context.terminal.json(&UserData {
            event: "user-data",
            target: name.as_str(),
            text,
        });
    }
    Ok(Exit::Done)
}

/// What was made, and what is to be done with it.
fn tell(
    args: &Args,
    name: &TargetName,
    identity: &Identity,
    output: Option<&Path>,
    context: &mut Context,
) {
    let keys = Keys::new("generated", Role::Target, identity).named(name);
    let mut rows = Vec::new();
    let file = output.map(|output| output.display().to_string());
    let word = match args.format {
        Format::Keystore => "keystore",
        Format::Installer => "installer",
        Format::CloudInit => "user-data",
    };
    rows.extend(file.clone().map(|file| (word, file)));
    rows.push(("fingerprint", identity.fingerprint()));
    let title = titled(&format!("{name} is pinned here"), rows);
    match output {
        Some(_) => context.terminal.say(title),
        None => context.terminal.note(title), // stdout is for the user-data
    }
    let file = file.unwrap_or_default();
    context.terminal.note(match args.format {
        Format::Keystore => format!(
            "deliver {file} to the host as /etc/hpt/keystore.db (mode 0600) and run `hpt serve` there"
        ),
        Format::Installer => format!(
            "bring {file} to the host and run it there as root with sh; it holds the private keys of {name}"
        ),
        Format::CloudInit => format!(
            "give it to one new host as its user-data; it holds the private keys of {name}"
        ),
    });
    if args.force {
        context.terminal.note(match args.format {
            Format::Keystore => {
                "an `hpt serve` that runs there keeps the old keys until it has the new file and is \
                 restarted"
            }
            Format::Installer => "on a host that has hpt it wants `--force` too",
            Format::CloudInit => "a host that has keys keeps them: this is for a new one",
        });
    }
    context.terminal.json(&match output {
        Some(output) => keys.at(output, None),
        None => keys,
    });
}

/// Makes a target's keystore, and pins it here.
pub(crate) fn make(
    name: &TargetName,
    output: &Path,
    existing: Existing,
    address: Option<Address>,
    context: &Context,
) -> Result<Identity, CommandError> {
    let new = new_target(name, None, address);
    gen_target(&context.keystore()?, output, new, existing).map_err(not_made)
}

fn new_target(
    name: &TargetName,
    client: Option<ClientName>,
    address: Option<Address>,
) -> NewTarget {
    NewTarget {
        name: name.clone(),
        client: client.unwrap_or_else(own_name),
        address,
        now: now(),
    }
}

fn not_made(error: GenTargetError) -> CommandError {
    match error {
        GenTargetError::Output(LoadError::File(error @ FileError::Exists { .. })) => {
            CommandError::new(Exit::Keystore, error)
                .hint("it may be the only copy of a target's keys: `--output` names another file")
        }
        error => error.into(),
    }
}

/// The first target is often made before anybody has thought of keys of their own.
pub(crate) fn make_own_keys_if_missing(
    path: &Path,
    context: &mut Context,
) -> Result<(), CommandError> {
    match client::load(path) {
        Err(LoadError::File(FileError::Missing { .. })) => {
            let identity = client::create(path, None, Existing::Keep)?;
            context.terminal.note(format_args!(
                "your own keys are made first: {} ({})",
                path.display(),
                identity.fingerprint()
            ));
            let made = Keys::new("generated", Role::Client, &identity).at(path, None);
            context.terminal.json(&made);
            Ok(())
        }
        Err(error) => Err(error.into()),
        Ok(_) => Ok(()),
    }
}

/// `--ip` and `--port`, as the keystore will remember them; what they do not say stays as it is.
pub(crate) fn address(
    context: &Context,
    stored: Option<Address>,
) -> Result<Option<Address>, CommandError> {
    let Global { ip, port, .. } = &context.global;
    let place = match (ip.clone(), port) {
        (None, None) => return Ok(stored),
        (Some(place), _) => Some(place),
        (None, Some(_)) => stored.and_then(|stored| HostPort::parse(stored.as_str()).ok()),
    };
    let Some(HostPort { host, port: own }) = place else {
        let what = format!(
            "--port says {} of an address that is not known",
            port.unwrap_or(PORT)
        );
        return Err(CommandError::usage(what).hint("`--ip ADDRESS` says it"));
    };
    let port = port.or(own);
    Ok(Some(HostPort { host, port }.to_address()))
}

/// `user-host` with whatever a name cannot have left out.
pub(crate) fn own_name() -> ClientName {
    let host = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    let user = env(Variable::USER).unwrap_or_else(|| "user".into());
    let text = format!("{user}-{host}");
    let letters = text
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || "-_".contains(*c));
    let text: String = letters
        .skip_while(|c| !c.is_ascii_alphanumeric())
        .take(63)
        .collect();
    ClientName::parse(&text).unwrap_or_else(|_| ClientName::parse("client").expect("a plain name"))
}

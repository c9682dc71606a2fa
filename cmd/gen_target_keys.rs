//! `hpt gen-target-keys`: a target's whole keystore, and its pin here.

use std::path::{Path, PathBuf};

use hpt_keystore::{
    Address, ClientName, Existing, FileError, GenTargetError, Identity, LoadError, NewTarget, Role,
    TargetName, client, gen_target,
};
use hpt_provisioner::PORT;

use crate::address::HostPort;
use crate::args::Global;
use crate::context::{Context, now};
use crate::env::{Variable, env};
use crate::error::{CommandError, Exit};
use crate::print::keys::{Keys, titled};

#[derive(clap::Args)]
#[command(after_help = "\
Example:
  hpt gen-target-keys --target web1 --ip 10.0.0.5
  scp web1.keystore root@10.0.0.5:/etc/hpt/keystore.db   or by any other way")]
pub(crate) struct Args {
    /// Write the target's keystore here [default: ./NAME.keystore]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// What the target calls you [default: user-host]
    #[arg(long, value_name = "NAME", value_parser = ClientName::parse)]
    client_name: Option<ClientName>,

    /// Make new keys for a target that has some; it is out of touch until
    /// they are delivered
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    let Some(name) = context.global.target.clone() else {
        return Err(
            CommandError::usage("--target NAME is missing: what will the host be called?")
                .hint("for example `hpt gen-target-keys --target web1 --ip 10.0.0.5`"),
        );
    };
    let path = context.keystore()?;
    let stored = client::load_target(&path, &name).ok();
    let address = address(context, stored.and_then(|(_, target)| target.address))?;
    make_own_keys_if_missing(&path, context)?;
    let output = args
        .output
        .clone()
        .unwrap_or_else(|| format!("{name}.keystore").into());
    let existing = if args.force {
        Existing::Replace
    } else {
        Existing::Keep
    };
    let identity = make(
        &name,
        &output,
        args.client_name.clone(),
        existing,
        address,
        context,
    )?;
    let rows = vec![
        ("keystore", output.display().to_string()),
        ("fingerprint", identity.fingerprint()),
    ];
    context
        .terminal
        .say(titled(&format!("{name} is pinned here"), rows));
    context.terminal.note(format_args!(
        "deliver {} to the host as /etc/hpt/keystore.db (mode 0600) and run `hpt serve` there",
        output.display()
    ));
    if args.force {
        context.terminal.note(
            "an `hpt serve` that runs there keeps the old keys until it has the new file and is \
             restarted",
        );
    }
    let made = Keys::new("generated", Role::Target, &identity)
        .named(&name)
        .at(&output, None);
    context.terminal.json(&made);
    Ok(Exit::Done)
}

/// Makes a target's keystore, and pins it here.
pub(crate) fn make(
    name: &TargetName,
    output: &Path,
    client: Option<ClientName>,
    existing: Existing,
    address: Option<Address>,
    context: &Context,
) -> Result<Identity, CommandError> {
    let new = NewTarget {
        name: name.clone(),
        client: client.unwrap_or_else(own_name),
        address,
        now: now(),
    };
    let made = gen_target(&context.keystore()?, output, new, existing);
    made.map_err(|error| match error {
        GenTargetError::Output(LoadError::File(error @ FileError::Exists { .. })) => {
            CommandError::new(Exit::Keystore, error)
                .hint("it may be the only copy of a target's keys: `--output` names another file")
        }
        error => error.into(),
    })
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

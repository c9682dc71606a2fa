//! `hpt show`: a keystore, or one target in it. Of either role; never a secret.

use std::path::Path;

use hpt_keystore::client::{self, ClientKeys, FindError};
use hpt_keystore::target::{self, TargetKeys};
use hpt_keystore::{ClientName, LoadError, Own, Role, TargetName};

use crate::context::Context;
use crate::error::{CommandError, Exit};
use crate::print::keys::{Keys, client as client_words, target as target_words, titled};
use crate::print::plural;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The target to show; without one, the keystore itself
    #[arg(value_name = "NAME", value_parser = TargetName::parse)]
    name: Option<TargetName>,
}

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    let path = context.keystore()?;
    match context.global.target_or(args.name.as_ref())? {
        Some(name) => one(&path, &name, context)?,
        None => match client::load(&path) {
            Ok(keys) => whole(&path, &keys, context),
            Err(LoadError::Role {
                found: Role::Target,
                ..
            }) => {
                of_target(&path, &target::load(&path)?, context);
            }
            Err(error) => return Err(error.into()),
        },
    }
    Ok(Exit::Done)
}

fn one(path: &Path, name: &TargetName, context: &mut Context) -> Result<(), FindError> {
    let (_, target) = client::load_target(path, name)?;
    context.terminal.say(target_words(&target));
    context.terminal.json(&Keys::target("target", &target));
    Ok(())
}

fn whole(path: &Path, keys: &ClientKeys, context: &mut Context) {
    let identity = keys.own.identity();
    let sealed = match keys.own {
        Own::Open(_) => "no",
        Own::Sealed(_) => "yes",
    };
    let rows = vec![
        ("of", "a client".to_owned()),
        ("fingerprint", identity.fingerprint()),
        ("key", identity.to_text(Role::Client)),
        ("passphrase", sealed.to_owned()),
        ("knows", plural(keys.targets.len(), "target")),
        (
            "written",
            plural(usize::try_from(keys.serial).unwrap_or(usize::MAX), "time"),
        ),
    ];
    context
        .terminal
        .say(titled(&path.display().to_string(), rows));
    context
        .terminal
        .json(&Keys::new("keystore", Role::Client, &identity).at(path, Some(keys.serial)));
}

fn of_target(path: &Path, keys: &TargetKeys, context: &mut Context) {
    let identity = keys.own.identity();
    let sealed = match keys.own {
        Own::Open(_) => "no",
        Own::Sealed(_) => "yes, which systemd has",
    };
    let mut rows = vec![
        ("of", "a target".to_owned()),
        ("fingerprint", identity.fingerprint()),
        ("key", identity.to_text(Role::Target)),
        ("passphrase", sealed.to_owned()),
        ("obeys", plural(keys.clients.len(), "client")),
        (
            "written",
            plural(usize::try_from(keys.serial).unwrap_or(usize::MAX), "time"),
        ),
    ];
    if let Some(former) = &keys.former {
        let late: Vec<_> = keys.late.iter().map(ClientName::as_str).collect();
        let words = format!(
            "{}, until {} has followed",
            former.identity().fingerprint(),
            late.join(", ")
        );
        rows.insert(2, ("before", words));
    }
    context
        .terminal
        .say(titled(&path.display().to_string(), rows));
    context
        .terminal
        .json(&Keys::new("keystore", Role::Target, &identity).at(path, Some(keys.serial)));
    for pinned in &keys.clients {
        context.terminal.say(client_words(pinned));
        context.terminal.json(&Keys::client("client", pinned));
    }
}

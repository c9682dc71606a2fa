//! `hpt serve`: this host, for the clients in its keystore.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use hpt_agent::{Options, Places, Runner, ServeError, serve};
use hpt_keystore::PassphraseError;
use hpt_provisioner::PORT;
use hpt_transport::Limits;

use crate::context::{Context, now};
use crate::credential;
use crate::error::{CommandError, Exit};
use crate::harden;

#[derive(clap::Args)]
#[command(after_help = "\
On a host, let systemd run it: `hpt unit-file` prints the unit.

Example, to try it out on one machine:
  hpt serve --keystore web1.keystore --listen 127.0.0.1 --root ./root")]
pub(crate) struct Args {
    /// Listen on this address only [default: all, or systemd's socket]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<IpAddr>,

    /// Keep state here [default: /var/lib/hpt]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    harden::keep_out_of_swap();
    let keystore = context.keystore()?;
    let places = places(args, context)?;
    let program = std::env::current_exe()
        .map_err(|why| CommandError::new(Exit::Failed, format!("cannot find hpt itself: {why}")))?;
    let runner = match context.global.root {
        Some(_) => Runner::Process { program },
        None => Runner::detect(program),
    };
    let options = Options {
        keystore,
        passphrase: credential::given()?,
        places,
        runner,
        clock: now,
        limits: Limits::default(),
    };
    let address = match (args.listen, context.global.port) {
        (None, None) => None,
        (listen, port) => {
            let all = IpAddr::from([0_u16; 8]);
            Some(SocketAddr::new(listen.unwrap_or(all), port.unwrap_or(PORT)))
        }
    };
    serve(options, address).map_err(|error| match error {
        ServeError::Keystore(error @ PassphraseError::Needed { .. }) => CommandError::from(error)
            .hint(
                "systemd has it, since `hpt seal-keystore`: is \
                 /etc/systemd/system/hpt.service.d/passphrase.conf there?",
            ),
        ServeError::Keystore(error) => error.into(),
        error => CommandError::new(Exit::Failed, error),
    })?;
    Ok(Exit::Done)
}

/// Those of a local run too, so that the two exclude each other; `--state` moves both.
fn places(args: &Args, context: &Context) -> Result<Places, CommandError> {
    let mut places = crate::local::places(context)?;
    if let Some(state) = &args.state {
        // A run has another working directory.
        places.state =
            std::path::absolute(state).map_err(CommandError::io("keep state in it", state))?;
        places.run = places.state.join("run");
    }
    Ok(places)
}

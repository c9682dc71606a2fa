//! `hpt join`: this host makes keys of its own, and is pinned by the client that has invited it.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hpt_agent::unit_file::service;
use hpt_agent::{JoinError, join};
use hpt_keystore::{Existing, Invitation, LONGEST_INVITATION};
use hpt_provisioner::PORT;
use hpt_transport::{TurnedAway, bind};
use serde::Serialize;

use crate::context::{Context, now, runtime};
use crate::error::{CommandError, Exit};
use crate::harden;
use crate::print::keys::titled;
use crate::systemd::systemctl;

/// Where `hpt serve` of a host has its keystore.
const KEYSTORE: &str = "/etc/hpt/keystore.db";
/// Where its unit may be, the first for who has none.
const UNITS: [&str; 3] = [
    "/etc/systemd/system/hpt.service",
    "/usr/lib/systemd/system/hpt.service",
    "/lib/systemd/system/hpt.service",
];

#[derive(clap::Args)]
#[command(after_help = "\
INVITATION is what `hpt invite` has printed. This host makes its own keys, waits
on hpt's port for the client that the invitation names, and nobody else, and lets
that client in from then on. Under systemd `hpt serve` is started with it.

Example:
  hpt join hptinvite1...")]
pub(crate) struct Args {
    /// What `hpt invite` printed; `-` reads it from standard input
    #[arg(value_name = "INVITATION")]
    invitation: String,

    /// Listen on this address only [default: all]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<IpAddr>,

    /// Forget the keys that this host has
    #[arg(long)]
    force: bool,
}

#[derive(Serialize)]
struct Joined {
    event: &'static str,
    keystore: String,
    fingerprint: String,
    serving: bool,
}

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    harden::keep_out_of_swap();
    let path = context.keystore()?;
    let invitation = read(&args.invitation)?;
    let existing = match (path.exists(), args.force) {
        (true, false) => {
            let what = format!("{}: this host has keys already", path.display());
            return Err(CommandError::new(Exit::Keystore, what)
                .hint("`--force` forgets them: whoever reaches it by them is locked out"));
        }
        (true, true) => Existing::Replace,
        (false, _) => Existing::Keep,
    };
    let left = time_left(&invitation)?;
    let all = IpAddr::from([0_u16; 8]);
    let port = context.global.port.unwrap_or(PORT);
    let address = SocketAddr::new(args.listen.unwrap_or(all), port);
    let minutes = left.as_secs().div_ceil(60);
    context.terminal.note(format_args!(
        "waiting on port {port} for whoever has invited this host, for {minutes} min"
    ));
    let tell = Arc::new(|who: TurnedAway| {
        tracing::warn!(
            "turned away {}: {}, {} more before",
            who.source,
            who.why,
            who.unsaid
        );
    });
    let met = runtime()?.block_on(async {
        let tcp = bind(address)?;
        let keystore = (path.clone(), existing);
        join(tcp, &invitation, keystore, (now(), left), tell).await
    });
    let identity = met.map_err(|error| match error {
        JoinError::Keystore(error) => error.into(),
        error @ JoinError::Ended => CommandError::new(Exit::Unreachable, error)
            .hint("it may have been used for another host; `hpt invite` makes a new one"),
        error @ JoinError::Listen(_) => {
            CommandError::new(Exit::Failed, format!("{address}: {error}"))
                .hint("does `hpt serve` run here already? `systemctl stop hpt`")
        }
        error @ JoinError::Broken(_) => CommandError::new(Exit::Failed, error),
    })?;
    let serving = path == Path::new(KEYSTORE) && start(context)?;
    let rows = vec![
        ("keystore", path.display().to_string()),
        ("fingerprint", identity.fingerprint()),
    ];
    let title = "this host has joined; the other side shows the same fingerprint";
    context.terminal.say(titled(title, rows));
    context.terminal.json(&Joined {
        event: "joined",
        keystore: path.display().to_string(),
        fingerprint: identity.fingerprint(),
        serving,
    });
    if !serving {
        context
            .terminal
            .note("start `hpt serve`, which the other side waits for");
    }
    Ok(Exit::Done)
}

fn read(text: &str) -> Result<Invitation, CommandError> {
    let text = match text {
        "-" => std::io::read_to_string(std::io::stdin())
            .map_err(|why| CommandError::new(Exit::Failed, format!("standard input: {why}")))?,
        text => text.to_owned(),
    };
    Invitation::parse(&text).map_err(CommandError::usage)
}

/// How long the invitation lasts, by this host's clock.
fn time_left(invitation: &Invitation) -> Result<Duration, CommandError> {
    let left = invitation.until().saturating_sub(now());
    if left == 0 {
        return Err(
            CommandError::new(Exit::NotAllowed, "the invitation has ended")
                .hint("`hpt invite` makes a new one; is the clock of this host right?"),
        );
    }
    if left > LONGEST_INVITATION {
        let what = "the invitation lasts longer than any is made for";
        return Err(
            CommandError::new(Exit::NotAllowed, what).hint("is the clock of this host right?")
        );
    }
    Ok(Duration::from_secs(left))
}

/// Has systemd start `hpt serve` now and at every boot. Whether there is one that does.
fn start(context: &mut Context) -> Result<bool, CommandError> {
    if !Path::new("/run/systemd/system").exists() {
        return Ok(false);
    }
    context.terminal.passing("starting hpt serve");
    if !UNITS.iter().any(|unit| Path::new(unit).exists()) {
        let program = std::env::current_exe();
        let program = program.map_err(CommandError::io("find it", Path::new("/proc/self/exe")))?;
        let unit = service(&program)
            .map_err(|bad| CommandError::new(Exit::Failed, format!("hpt itself: {bad}")))?;
        let path = Path::new(UNITS[0]);
        fs::write(path, unit).map_err(CommandError::io("write it", path))?;
    }
    for words in [
        &["daemon-reload"][..],
        &["enable", "--quiet", "hpt"],
        &["restart", "hpt"],
    ] {
        systemctl(words).map_err(|error| {
            error.hint("the keys are made and pinned; `systemctl status hpt` says more")
        })?;
    }
    Ok(true)
}

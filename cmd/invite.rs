//! `hpt invite`: a host makes keys of its own, and both sides pin each other.

use std::time::{Duration, Instant};

use hpt_keystore::client::{self, KnownTarget};
use hpt_keystore::{
    Existing, FirstKeys, Identity, Invitation, LONGEST_INVITATION, Psk, TargetName,
};
use hpt_proto::wire::joining_client::JoiningClient;
use hpt_proto::wire::{MeetRequest, WelcomeRequest};
use hpt_provisioner::PORT;
use hpt_transport::grpc;
use hpt_transport::{Dialer, LocalKey};
use serde::Serialize;
use std::sync::Arc;
use zeroize::Zeroizing;

use crate::address::HostPort;
use crate::context::{Context, now, runtime};
use crate::error::{CommandError, Exit};
use crate::gen_target_keys::{address, make_own_keys_if_missing, own_name};
use crate::install::prove;
use crate::link::was_cut;
use crate::print::keys::titled;
use crate::print::style::BOLD;
use crate::terminal::visible;

/// From one try to the next.
const PAUSE: Duration = Duration::from_secs(1);
/// How long one try may take.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(clap::Args)]
#[command(after_help = "\
For a host that you cannot reach by ssh, and somebody else can: they type what
this prints, `hpt join hptinvite1...`, as root there, with hpt installed. The host
makes its own keys, which never leave it. This command waits for it at its
address, and pins it; the invitation ends with that, with this command, or when
its time has passed. Whoever knows it before it is used can be that host: compare
the fingerprint that both sides show.

Examples:
  hpt invite --target web1 --ip 10.0.0.5
  hpt invite --target web1 --ip 10.0.0.5 --for 10m")]
pub(crate) struct Args {
    /// How long the invitation lasts: at most an hour
    #[arg(long = "for", value_name = "TIME", value_parser = time, default_value = "30m")]
    lasts: Duration,

    /// Forget keys that the target has here
    #[arg(long)]
    force: bool,
}

#[derive(Serialize)]
struct Invited<'a> {
    event: &'static str,
    target: &'a str,
    invitation: &'a str,
    until: u64,
}

#[derive(Serialize)]
struct Joined<'a> {
    event: &'static str,
    target: &'a str,
    address: String,
    fingerprint: String,
}

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    let Some(name) = context.global.target.clone() else {
        return Err(
            CommandError::usage("--target NAME is missing: what will the host be called?")
                .hint("for example `hpt invite --target web1 --ip 10.0.0.5`"),
        );
    };
    let path = context.keystore()?;
    make_own_keys_if_missing(&path, context)?;
    let keys = client::load(&path)?;
    if !args.force && keys.targets.iter().any(|target| target.name == name) {
        let what = format!("{name} has keys here already");
        return Err(CommandError::new(Exit::Keystore, what)
            .hint("another name, or `--force` to forget them"));
    }
    let Some(place) = context.global.ip.clone() else {
        return Err(CommandError::usage(
            "--ip ADDRESS is missing: where will the host be?",
        ));
    };
    let own = context.open(keys.own)?;
    let guest = Guest {
        name,
        port: context.global.port.or(place.port).unwrap_or(PORT),
        place,
        client: own.identity(),
        key: LocalKey::new(own.channel),
    };
    let until = now() + args.lasts.as_secs();
    let invitation = Invitation::new(&guest.client, until);
    let text = invitation.to_text();
    let minutes = args.lasts.as_secs().div_ceil(60);
    let name = &guest.name;
    context.terminal.say(format_args!(
        "type this on {name}, as root, within {minutes} min:\n\n  hpt join {}\n",
        *text
    ));
    context.terminal.json(&Invited {
        event: "invited",
        target: name.as_str(),
        invitation: &text,
        until,
    });
    let identity = runtime()?.block_on(guest.wait(&invitation, args.lasts, context))?;
    prove(name, context)?;
    let at = guest.place.to_address().to_string();
    let fingerprint = identity.fingerprint();
    let rows = vec![
        ("address", at.clone()),
        ("fingerprint", fingerprint.clone()),
    ];
    let title = format!("{name} has joined, and answers to the keys that it made");
    context.terminal.say(titled(&title, rows));
    context.terminal.json(&Joined {
        event: "joined",
        target: name.as_str(),
        address: at,
        fingerprint,
    });
    Ok(Exit::Done)
}

/// The host that is waited for, and who waits.
struct Guest {
    name: TargetName,
    place: HostPort,
    port: u16,
    client: Identity,
    key: LocalKey,
}

impl Guest {
    /// Tries to meet the host until it has joined.
    async fn wait(
        &self,
        invitation: &Invitation,
        lasts: Duration,
        context: &mut Context,
    ) -> Result<Identity, CommandError> {
        let began = Instant::now();
        let FirstKeys { host, psk } = invitation.first_keys();
        let dialer = Dialer::new(
            self.place.host.as_str(),
            self.port,
            self.key.clone(),
            host.public(),
            Arc::new(psk),
        );
        let dialer = dialer.patience(PATIENCE);
        loop {
            let left = lasts.saturating_sub(began.elapsed());
            if left.is_zero() {
                let what = format!(
                    "{} has not joined in time; the invitation has ended",
                    self.name
                );
                return Err(CommandError::new(Exit::Unreachable, what).hint(format!(
                    "does port {} of {} let this machine in?",
                    self.port, self.place.host
                )));
            }
            let minutes = left.as_secs().div_ceil(60);
            context.terminal.passing(format_args!(
                "{BOLD}{}{BOLD:#}  waiting for it to join, {minutes} min left",
                self.name
            ));
            if let Ok(channel) = grpc::connect(dialer.clone()).await {
                return self.meet(JoiningClient::new(channel), context).await;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Both sides pin each other: the client first, so that a host with a keystore is always one that is
    /// pinned.
    async fn meet(
        &self,
        mut host: JoiningClient<tonic::transport::Channel>,
        context: &Context,
    ) -> Result<Identity, CommandError> {
        let failed = |what: &str| {
            let what = format!("{}: {}", self.name, visible(what));
            CommandError::new(Exit::Failed, what).hint("the invitation has ended; invite it anew")
        };
        let request = MeetRequest {
            identity: self.client.to_bytes().into(),
            name: own_name().to_string(),
        };
        let reply = host.meet(request).await;
        let reply = reply
            .map_err(|status| failed(status.message()))?
            .into_inner();
        let psk = Zeroizing::new(reply.psk);
        let wrong = "it does not say which keys it has made";
        let psk: [u8; 32] = psk.as_slice().try_into().map_err(|_| failed(wrong))?;
        let bytes = reply.identity.try_into().map_err(|_| failed(wrong))?;
        let identity = Identity::from_bytes(&bytes).map_err(|_| failed(wrong))?;
        let target = KnownTarget {
            name: self.name.clone(),
            identity,
            psk: Psk::from_bytes(Zeroizing::new(psk)),
            address: address(context, None)?,
            added_at: now(),
            behind: None,
        };
        client::pin_target(&context.keystore()?, &target, Existing::Replace)?;
        match host.welcome(WelcomeRequest {}).await {
            // Whether it has heard that shows when it is asked by its own keys.
            Err(status) if !was_cut(&status) => Err(failed(status.message())),
            _ => Ok(identity),
        }
    }
}

fn time(text: &str) -> Result<Duration, String> {
    let time = hpt_provisioner::time::parse(text)?;
    if time.is_zero() || time.as_secs() > LONGEST_INVITATION {
        return Err("it is at least a second and at most an hour".to_owned());
    }
    Ok(time)
}

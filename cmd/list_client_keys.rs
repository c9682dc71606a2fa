//! `hpt list-client-keys`: the clients that a target obeys.

use hpt_keystore::{Identity, Role};
use serde::Serialize;

use crate::context::{Context, now};
use crate::error::{CommandError, Exit};
use crate::fleet::{Work, each};
use crate::print::keys::{DAY, OLD};
use crate::print::style::{BOLD, DIM, FAILED};
use crate::print::{day, plural};
use crate::remote::Remote;
use crate::remote_pins::Pinned;

#[derive(clap::Args)]
#[command(after_help = "\
Whom a target lets in, what each may do, and how old its keys are.

Examples:
  hpt --target web1 list-client-keys
  hpt --on '*' list-client-keys")]
pub(crate) struct Args {}

#[derive(Serialize)]
struct Client<'a> {
    event: &'static str,
    target: &'a str,
    name: &'a str,
    fingerprint: String,
    key: String,
    grants: String,
    added_at: u64,
    until: Option<u64>,
    /// Keys that follow these and were not used yet.
    next: Option<String>,
    /// It has not followed to the target's new keys.
    late: bool,
}

pub(crate) fn run(_: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    each(context, &[], Work::Reads, of_one)
}

async fn of_one(context: &mut Context) -> Result<Exit, CommandError> {
    let began = std::time::Instant::now();
    let Some(name) = context.global.target.clone() else {
        return Err(CommandError::usage("the clients of which target?")
            .hint("`hpt --target NAME list-client-keys`"));
    };
    let asked = Remote::with(&name, context, async |remote, _| remote.clients().await);
    let clients = asked.await?;
    let now = now();
    for client in &clients {
        context.terminal.say(words(client, now));
        context.terminal.json(&Client {
            event: "client",
            target: name.as_str(),
            name: client.name.as_str(),
            fingerprint: client.identity.fingerprint(),
            key: client.identity.to_text(Role::Client),
            grants: client.grants.to_string(),
            added_at: client.added_at,
            until: client.until,
            next: client.next.as_ref().map(Identity::fingerprint),
            late: client.late,
        });
    }
    let count = plural(clients.len(), "client");
    let line = format!("{BOLD}{name}{BOLD:#}  obeys {count}");
    context.terminal.conclude(&line, began.elapsed());
    Ok(Exit::Done)
}

fn words(client: &Pinned, now: u64) -> String {
    let days = now.saturating_sub(client.added_at) / DAY;
    let mut age = format!(
        "added {}, {}",
        day(client.added_at),
        plural(usize::try_from(days).unwrap_or(usize::MAX), "day")
    );
    if now.saturating_sub(client.added_at) > OLD {
        age = format!("{FAILED}{age}: old, time for others{FAILED:#}");
    }
    let ends = match client.until {
        None => String::new(),
        Some(until) if until <= now => format!(", {FAILED}ended {}{FAILED:#}", day(until)),
        Some(until) => format!(", ends {}", day(until)),
    };
    let mut text = format!(
        "{BOLD}{}{BOLD:#}\n  {DIM}fingerprint{DIM:#}  {}\n  {DIM}may{DIM:#}          {}\n  {DIM}keys{DIM:#}         {age}{ends}",
        client.name,
        client.identity.fingerprint(),
        client.grants,
    );
    if let Some(next) = &client.next {
        text += &format!("\n  {DIM}next{DIM:#}         {}", next.fingerprint());
    }
    if client.late {
        text += &format!(
            "\n  {DIM}late{DIM:#}         it has not followed to this target's new keys yet"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use hpt_keystore::{ClientName, Grants, Keypair};

    use super::*;

    #[test]
    fn old_keys_and_ended_pins_are_said_to_be() {
        let mut client = Pinned {
            name: ClientName::parse("desk").unwrap(),
            identity: Keypair::generate().identity(),
            grants: Grants::parse("status plan").unwrap(),
            added_at: 1_750_000_000,
            until: None,
            next: None,
            late: false,
        };
        let young = words(&client, 1_750_000_000 + 180 * DAY);
        assert!(
            young.contains("2025-06-15, 180 days") && !young.contains("old"),
            "{young}"
        );
        let old = words(&client, 1_750_000_001 + 180 * DAY);
        assert!(old.contains("old, time for others"), "{old}");
        client.until = Some(1_750_000_000 + DAY);
        assert!(words(&client, 1_750_000_001).contains("ends 2025-06-16"));
        assert!(words(&client, 1_760_000_000).contains("ended 2025-06-16"));
    }
}

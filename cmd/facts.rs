//! `hpt facts`: what a host knows of itself.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::context::Context;
use crate::error::{CommandError, Exit};
use crate::fleet::{Work, each};
use crate::print::keys::titled;
use crate::print::listed;
use crate::site::Site;
use crate::terminal::visible;

#[derive(clap::Args)]
pub(crate) struct Args {}

#[derive(Serialize)]
struct Facts<'a> {
    event: &'static str,
    target: &'a str,
    facts: &'a Map<String, Value>,
}

pub(crate) fn run(_: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    each(context, &[], Work::Reads, of_one)
}

async fn of_one(context: &mut Context) -> Result<Exit, CommandError> {
    let asked = Site::with(context, async |site, _| {
        let json = match site {
            Site::Local(local) => local.facts_json(),
            Site::Remote(remote) => remote.facts_json().await?,
        };
        Ok::<_, CommandError>((site.name().to_owned(), json))
    });
    let (name, json) = asked.await?;
    let facts: Map<String, Value> = serde_json::from_str(&json).map_err(|_| {
        CommandError::new(
            Exit::Failed,
            format!("{name} sent facts that are no JSON object"),
        )
    })?;
    let shown: Vec<_> = facts
        .iter()
        .map(|(key, value)| (visible(key), words(value).unwrap_or("-".into())))
        .collect();
    let rows = shown
        .iter()
        .map(|(key, value)| (key.as_ref(), value.clone()))
        .collect();
    context.terminal.say(titled(&name, rows));
    context.terminal.json(&Facts {
        event: "facts",
        target: &name,
        facts: &facts,
    });
    Ok(Exit::Done)
}

/// A value for people; `None` where there is nothing.
fn words(value: &Value) -> Option<String> {
    let text = match value {
        Value::Null => return None,
        Value::String(text) => visible(text).into_owned(),
        Value::Array(list) => listed(list.iter().filter_map(words)),
        other => visible(&other.to_string()).into_owned(),
    };
    Some(text).filter(|text| !text.is_empty())
}

//! `hpt schema`: the JSON schema of a config, for editors.

use crate::context::Context;
use crate::error::Exit;
use crate::explain::schema;

#[derive(clap::Args)]
#[command(after_help = "\
For an editor:
  hpt schema > hpt.schema.json
and as the first line of a config: #:schema ./hpt.schema.json")]
pub(crate) struct Args {}

pub(crate) fn run(context: &mut Context) -> Exit {
    context.terminal.say(schema::TEXT.trim_end());
    let schema: serde_json::Value = serde_json::from_str(schema::TEXT).expect("it is JSON");
    context.terminal.json(&schema);
    Exit::Done
}

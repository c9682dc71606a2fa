//! A target on loopback, from the workstation's terminal: every exit code that needs one.

#![allow(clippy::unwrap_used, reason = "a test may fail")]
#![allow(clippy::disallowed_methods, reason = "a test starts processes")]
#![allow(clippy::format_push_string, reason = "texts of tests are short")]

mod agreed;
mod audit;
mod drift;
mod ended;
mod fleet;
mod interrupted;
mod invite;
mod keys;
mod pins;
mod refusals;
mod renewal;
mod runs;
mod secrets;
#[path = "../serving/mod.rs"]
mod serving;
mod waiting;

use serving::Place;

const SITE: &str = r#"
[vars]
domain = "example.org"

[[file]]
path = "/etc"
dir = true

[[file]]
path = "/etc/app.conf"
template = "files/app.conf.j2"
mode = "0640"

[[file]]
path = "/etc/motd"
source = "files/motd"
"#;

fn site(place: &Place) {
    place.write("site.toml", SITE);
    place.write("files/app.conf.j2", "server_name {{ vars.domain }};\n");
    place.write("files/motd", "Welcome.\n");
}

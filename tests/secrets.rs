//! A secret is in no output, log, argument, environment, stored state or error (S1): canaries
//! through a real `hpt` and `hpt serve`, on every way of success and failure.

#![allow(clippy::unwrap_used, reason = "a test may fail")]
#![allow(clippy::disallowed_methods, reason = "a test starts processes")]
#![allow(
    clippy::print_stderr,
    reason = "a test says what it skips and what it saw"
)]
#![allow(unreachable_pub, dead_code, reason = "a test of several files")]

#[path = "secrets/canary.rs"]
mod canary;
#[path = "secrets/commands.rs"]
mod commands;
#[path = "secrets/deaths.rs"]
mod deaths;
#[path = "secrets/faults.rs"]
mod faults;
#[path = "secrets/kept.rs"]
mod kept;
#[path = "secrets/origins.rs"]
mod origins;
mod serving;
#[path = "secrets/world.rs"]
mod world;

//! A secret is in no output, log, argument, environment, stored state or error (S1): canaries
//! through a real `hpt` and `hpt serve`, on every way of success and failure.

#![allow(clippy::unwrap_used, reason = "a test may fail")]
#![allow(clippy::disallowed_methods, reason = "a test starts processes")]
#![allow(
    clippy::print_stderr,
    reason = "a test says what it skips and what it saw"
)]
#![allow(unreachable_pub, dead_code, reason = "a test of several files")]

mod canary;
mod case;
mod commands;
mod deaths;
mod faults;
mod kept;
mod origins;
mod search;
#[path = "../serving/mod.rs"]
mod serving;
mod world;

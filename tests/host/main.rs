//! A real Debian host, from bare to provisioned over the channel; then again, when nothing changes.

#![allow(clippy::unwrap_used, reason = "a test may fail")]
#![allow(clippy::disallowed_methods, reason = "a test starts processes")]

mod arrival;
mod bare;
mod doctor;
mod install;
#[path = "../lab/mod.rs"]
mod lab;
mod lockout;
mod many;
mod power;
mod reboot;
mod runs;
mod sealed;
mod site;
mod units;
mod upgrade;
mod users;

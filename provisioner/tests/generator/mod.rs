//! Random configs, for hosts in memory and for real ones: a host is described by the names on it.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test takes a part of it"
)]

mod accounts;
mod edits;
mod files;
pub mod judge;
mod random;
mod system;
mod trees;
mod units;

pub use random::Random;

/// The names that blocks may say, so that some of them are on the host and some are not.
pub struct World {
    /// Of users, groups and hosts.
    pub names: &'static [&'static str],
    /// Files, directories and links, and paths below them.
    pub paths: &'static [&'static str],
    pub packages: &'static [&'static str],
    /// A package, and a version that it can have.
    pub versions: &'static [(&'static str, &'static str)],
    pub sysctls: &'static [&'static str],
    pub modules: &'static [&'static str],
    /// Services without their `.service`.
    pub units: &'static [&'static str],
    /// Timers, and the services that they start.
    pub timers: &'static [&'static str],
    /// What a service may run, so that it starts.
    pub programs: &'static [&'static str],
    /// Where git finds working trees.
    pub repositories: &'static [&'static str],
    /// Kinds that cannot work on these hosts.
    pub without: &'static [&'static str],
}

/// How often a kind comes, its word, and what stands in a block of it.
type Kind = (u64, &'static str, fn(&mut Random, &World) -> String);

const KINDS: &[Kind] = &[
    (10, "package", system::package),
    (10, "group", accounts::group),
    (20, "user", accounts::user),
    (10, "service", units::service),
    (10, "exec", files::exec),
    (20, "clone", files::clone),
    (50, "file", files::file),
    (10, "unit", units::unit),
    (10, "dropin", units::dropin),
    (10, "timer", units::timer),
    (11, "line", edits::line),
    (11, "edit", edits::edit),
    (11, "hosts", edits::hosts),
    (11, "sudoers", edits::sudoers),
    (11, "cron", edits::cron),
    (11, "limits", edits::limits),
    (11, "authorized_key", edits::authorized_key),
    (5, "sysctl", system::sysctl),
    (2, "hostname", system::hostname),
    (2, "kmod", system::kmod),
    (5, "mount", system::mount),
    (2, "swap", system::swap),
    (2, "timezone", system::timezone),
    (2, "firewall", system::firewall),
    (6, "archive", trees::archive),
    (6, "sync", trees::sync),
];

/// One to ten blocks, each a text of its own.
pub fn blocks(r: &mut Random, world: &World) -> Vec<String> {
    (0..=r.below(10)).map(|id| block(r, world, id)).collect()
}

fn block(r: &mut Random, world: &World, id: u64) -> String {
    let kinds = || KINDS.iter().filter(|kind| !world.without.contains(&kind.1));
    let mut left = r.below(kinds().map(|kind| kind.0).sum());
    let (_, kind, fields) = kinds()
        .find(|kind| {
            let found = left < kind.0;
            left = left.saturating_sub(kind.0);
            found
        })
        .unwrap();
    format!("[[{kind}]]\nid = \"{kind}-{id}\"\n{}", fields(r, world))
}

//! Logs: to stderr, or to the journal where stderr is the journal.

use std::io;
use std::os::fd::AsFd as _;
use std::str::FromStr as _;

use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::time::Uptime;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::env::{Variable, env};

/// Starts logging as `HPT_LOG` says, or `-v`. A verb is silent without either, and a daemon tells
/// what happens.
pub(crate) fn start(verbose: u8, is_daemon: bool) {
    let usual = match (verbose, is_daemon) {
        (0 | 1, false) => None,
        (0, true) => Some(Level::INFO),
        (1, true) | (2, _) => Some(Level::DEBUG),
        _ => Some(Level::TRACE),
    };
    let named = env(Variable::HPT_LOG);
    match named.as_deref().map(filter) {
        Some(Some(wanted)) => install(wanted),
        Some(None) => {
            install(ours(usual.unwrap_or(Level::WARN)));
            tracing::warn!(target: "hpt", "HPT_LOG is not a level: error, warn, info, debug or trace");
        }
        None => usual.map(ours).into_iter().for_each(install),
    }
}

/// A lone level is about hpt's own code: what libraries log of the wire is not for every eye.
fn ours(level: Level) -> Targets {
    Targets::new().with_target("hpt", level)
}

/// A level, or `TARGET=LEVEL,...`. A lone word that is no level would be taken for a target, and
/// silence all others: it is a level mistyped.
fn filter(text: &str) -> Option<Targets> {
    if let Ok(level) = Level::from_str(text) {
        return Some(ours(level));
    }
    let is_meant = |part: &str| part.contains('=') || Level::from_str(part).is_ok();
    let is_meant = text.split(',').all(|part| is_meant(part.trim()));
    is_meant.then(|| Targets::from_str(text).ok()).flatten()
}

fn install(wanted: Targets) {
    let registry = tracing_subscriber::registry().with(wanted);
    if let Some(journal) = is_journal()
        .then(tracing_journald::layer)
        .and_then(Result::ok)
    {
        let _ = registry.with(journal).try_init();
        return;
    }
    let colour = anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never;
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(colour)
        .with_timer(Uptime::default());
    let _ = registry.with(lines).try_init();
}

/// systemd says by device and inode which stream it has connected to the journal.
fn is_journal() -> bool {
    let Some(named) = env(Variable::JOURNAL_STREAM) else {
        return false;
    };
    let Ok(stat) = rustix::fs::fstat(io::stderr().as_fd()) else {
        return false;
    };
    named == format!("{}:{}", stat.st_dev, stat.st_ino)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lone_level_is_about_our_own_code() {
        let trace = filter("trace").unwrap();
        assert!(trace.would_enable("hpt_transport::record", &Level::TRACE));
        assert!(!trace.would_enable("h2::codec", &Level::TRACE));
        let named = filter("hpt_agent=info,h2=debug").unwrap();
        assert!(named.would_enable("h2::codec", &Level::DEBUG));
        assert!(!named.would_enable("hpt_transport", &Level::INFO));
    }

    #[test]
    fn a_mistyped_level_is_no_name_of_a_target() {
        for odd in ["debgu", "hpt_agent=info,debgu", "hpt=loud", ""] {
            assert!(filter(odd).is_none(), "{odd}");
        }
        assert!(filter("info,h2=debug").is_some());
    }
}

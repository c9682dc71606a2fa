//! Logs: to stderr, or to the journal where stderr is the journal.

use std::io;
use std::os::fd::AsFd as _;
use std::str::FromStr as _;

use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::time::Uptime;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::context::env;

/// Starts logging as `HPT_LOG` says, or `-v`. Silent without either.
pub(crate) fn start(verbose: u8) {
    let by_flag = match verbose {
        0 | 1 => None,
        2 => Some(Level::DEBUG),
        _ => Some(Level::TRACE),
    };
    let named = env("HPT_LOG").map(|text| filter(&text));
    let is_odd = matches!(named, Some(None));
    if let Some(wanted) = named.flatten().or(by_flag.map(ours)) {
        install(wanted);
    } else if is_odd {
        install(ours(Level::WARN));
        tracing::warn!(target: "hpt", "HPT_LOG is not a level: error, warn, info, debug or trace");
    }
}

/// As [`start`], for a daemon: what happens is told unless `HPT_LOG` says otherwise.
pub(crate) fn start_daemon(verbose: u8) {
    if env("HPT_LOG").is_none() && verbose < 2 {
        install(ours(if verbose == 1 {
            Level::DEBUG
        } else {
            Level::INFO
        }));
    }
}

/// A lone level is about hpt's own code: what libraries log of the wire is not for every eye.
fn ours(level: Level) -> Targets {
    Targets::new().with_target("hpt", level)
}

fn filter(text: &str) -> Option<Targets> {
    match Level::from_str(text) {
        Ok(level) => Some(ours(level)),
        Err(_) => Targets::from_str(text).ok(),
    }
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
    let Some(named) = env("JOURNAL_STREAM") else {
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
}

//! A host: its keystore, what serves it, and what is kept of its runs.

use std::path::Path;

use hpt_agent::Places;
use hpt_agent::audit::Audit;
use hpt_agent::lock;
use hpt_agent::run::{RunError, Site};
use hpt_keystore::{ClientName, Own, target};

use super::finding::Findings;
use super::here::{is_ahead, unusable};
use super::target::{confirming, interrupted};
use super::unit::{Unit, Units, ports, program};
use crate::context::Context;
use crate::print::{listed, listed_up_to, moment, plural, size};

/// As many names are told.
const NAMED: usize = 5;
/// With less room than this on its disk a host is in danger, or can hardly record a run.
const SCARCE: u64 = 1 << 30;
const NONE: u64 = 64 << 20;

pub(super) fn look(path: &Path, context: &Context, found: &mut Findings) {
    match target::load(path) {
        Ok(keys) if keys.clients.is_empty() => found.fail(
            "keystore",
            format!("{} obeys nobody", path.display()),
            "`hpt gen-target-keys --target NAME --force` on the workstation makes one that does",
        ),
        Ok(keys) => {
            let names: Vec<&str> = keys
                .clients
                .iter()
                .map(|client| client.name.as_str())
                .collect();
            let names = listed_up_to(NAMED, &names);
            let sealed = match keys.own {
                Own::Open(_) => "",
                Own::Sealed(_) => ", sealed",
            };
            let words = format!("{}{sealed}, obeys {names}", path.display());
            found.ok("keystore", words);
            if keys.former.is_some() {
                let late: Vec<&str> = keys.late.iter().map(ClientName::as_str).collect();
                let late = listed_up_to(NAMED, &late);
                found.warn(
                    "own keys",
                    format!("the former ones hold until these have followed: {late}"),
                    "each does at its next contact; `hpt revoke NAME`, on a workstation, lets go of one",
                );
            }
        }
        Err(error) => unusable(path, error, found),
    }
    look_at_the_rest(context, found);
}

/// All but the keystore.
pub(super) fn look_at_the_rest(context: &Context, found: &mut Findings) {
    if !rustix::process::geteuid().is_root() {
        found.warn(
            "host",
            "only root can look at the rest",
            "`sudo hpt doctor`",
        );
        return;
    }
    let serving = if let Some(units) = Units::ask() {
        unit(&units, found)
    } else {
        let words = "systemd does not run here: nothing is known of `hpt serve`";
        found.warn("unit", words, "`hpt serve` must be started after each boot");
        None
    };
    match crate::local::places(context) {
        Ok(places) => kept(&places, serving, found),
        Err(error) => found.failed("state", error),
    }
}

/// Whether hpt serves, now and after a boot; the process that does.
fn unit(units: &Units, found: &mut Findings) -> Option<u32> {
    let Units { service, socket } = units;
    if !service.is_there() {
        let mend = "`hpt unit-file > /etc/systemd/system/hpt.service`, then \
                    `systemctl enable --now hpt.service`";
        found.fail("unit", "there is no hpt.service", mend);
        return None;
    }
    if units.start_at_boot() {
        found.ok("unit", "enabled: hpt serves after a boot");
    } else {
        let words = "not enabled: nobody serves after a boot";
        found.warn("unit", words, "`systemctl enable hpt.service`");
    }
    let serving = service.process().filter(|_| service.is_active());
    match serving {
        Some(pid) => process(pid, found),
        None => idle(service, socket, found),
    }
    serving
}

fn process(pid: u32, found: &mut Findings) {
    let words = "`journalctl -u hpt -n 20` says why; `systemctl restart hpt.service` tries again";
    let ports = ports(pid);
    if ports.is_empty() {
        found.fail(
            "port",
            format!("process {pid} serves, and listens nowhere"),
            words,
        );
    } else {
        found.ok(
            "port",
            format!("process {pid} listens on {}", listed(ports)),
        );
    }
}

/// Nobody serves just now.
fn idle(service: &Unit, socket: &Unit, found: &mut Findings) {
    if socket.is_active() {
        let listens = socket.listens();
        found.ok(
            "port",
            format!("systemd listens on {listens}, and starts hpt when it is called"),
        );
        return;
    }
    let words = format!("nobody listens: hpt.service is {}", service.state());
    let mend = "`systemctl start hpt.service`; `journalctl -u hpt -n 20` says why it ended";
    found.fail("port", words, mend);
}

/// What hpt keeps on the host.
fn kept(places: &Places, serving: Option<u32>, found: &mut Findings) {
    let state = places.state.display();
    if places.state.symlink_metadata().is_err() {
        let words = format!("{state} is not there: nothing was ever served or run here");
        found.warn("state", words, "`hpt serve` makes it");
        return;
    }
    let audit = match Audit::open(places) {
        Ok(audit) => audit,
        Err(why) => {
            let mend = format!("`chown root: {state}; chmod 0700 {state}`");
            return found.fail("state", why.to_string(), mend);
        }
    };
    found.ok("state", format!("{state}, for root alone"));
    room(&places.state, found);
    let served = records(&audit, found);
    version(serving, served.as_deref(), found);
    run(places, found);
}

fn room(path: &Path, found: &mut Findings) {
    let disk = match rustix::fs::statvfs(path) {
        Ok(disk) => disk,
        Err(why) => return found.fail("disk", format!("{}: {why}", path.display()), ""),
    };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let words = format!("{} free where {} is", size(free), path.display());
    let mend = format!(
        "`df -h {0}; du -xh --max-depth=2 /var | sort -h` shows what takes it",
        path.display()
    );
    // Some file systems have no table of files that could be full.
    if disk.f_files > 0 && disk.f_favail == 0 {
        let words = format!("no file can be made where {} is", path.display());
        let mend = format!("`df -i {}` shows it: remove files", path.display());
        found.fail("disk", words, mend);
    } else if free < NONE {
        found.fail("disk", words, mend);
    } else if free < SCARCE {
        found.warn("disk", words, mend);
    } else {
        found.ok("disk", words);
    }
}

/// Reads the audit; which version of hpt began to serve last.
fn records(audit: &Audit, found: &mut Findings) -> Option<String> {
    let (mut served, mut newest) = (None, 0);
    let verified = audit.verify(|record| {
        newest = newest.max(record.time);
        if record.kind == "served" {
            served = record.detail.get("version").cloned();
        }
    });
    match verified {
        Ok(head) => {
            let count = usize::try_from(head.seq).unwrap_or(usize::MAX);
            found.ok("audit", format!("{}, whole", plural(count, "record")));
        }
        Err(why) => found.fail(
            "audit",
            why.to_string(),
            "find out who has changed it; `hpt --target NAME audit accept` on the workstation goes on from here",
        ),
    }
    if is_ahead(newest) {
        let words = format!("the audit has a record of {} UTC", moment(newest));
        found.warn("clock", words, "`timedatectl` shows whether it is set");
    }
    served
}

/// Whether the program that serves is this one.
fn version(serving: Option<u32>, served: Option<&str>, found: &mut Findings) {
    let own = env!("CARGO_PKG_VERSION");
    let Some((path, is_replaced)) = serving.and_then(program) else {
        found.ok("version", format!("hpt {own}"));
        return;
    };
    let mend = "`systemctl restart hpt.service`; a run that goes on is not disturbed";
    match served {
        _ if is_replaced => {
            let words = format!("what serves is not {} as it is now", path.display());
            found.warn("version", words, mend);
        }
        Some(other) if other != own => {
            let path = path.display();
            let words = format!("hpt {other} serves ({path}), and this is {own}");
            found.warn("version", words, mend);
        }
        _ => found.ok("version", format!("hpt {own}, {}", path.display())),
    }
}

/// How the last run stands.
fn run(places: &Places, found: &mut Findings) {
    let site = Site::new(places.clone());
    let looked = lock::holder(places)
        .map_err(RunError::from)
        .and_then(|running| Ok((running, site.interrupted()?, site.confirming()?)));
    match looked {
        Err(why) => found.fail(
            "run",
            why.to_string(),
            "`hpt status` from the workstation says more",
        ),
        Ok((_, Some(broken), _)) => interrupted(&broken, found),
        Ok((_, None, Some(open))) => confirming(&open, "NAME", found),
        Ok((Some(running), None, None)) => {
            found.ok("run", format!("{} of {} goes on", running.run, running.by));
        }
        Ok((None, None, None)) => found.ok("run", "none goes on, none broke off"),
    }
}

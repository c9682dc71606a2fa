//! A run whose host was rebooted in its midst, taken up again when hpt serves again.

use std::io;

use hpt_proto::wire::RunRequest;

use crate::Places;
use crate::confirm::boot;
use crate::journal::{Journals, Standing};
use crate::orders::{Orders, Whose};
use crate::runner::Runner;
use crate::systemd::own_unit;

/// Starts the process of a run that has rebooted its host, if one has and the host is back. It holds the
/// host when this returns. `now` is in unix seconds.
pub(crate) async fn resume(places: &Places, runner: &Runner, now: u64) {
    match order(places, runner, now) {
        Ok(None) => {}
        Ok(Some((run, order))) => match runner.start(order, &run).await {
            Ok(_) => tracing::info!("run {run} goes on after the reboot"),
            Err(why) => tracing::error!("run {run} cannot go on after the reboot: {why}"),
        },
        Err(why) => tracing::error!("a run cannot go on after the reboot: {why}"),
    }
}

/// The run that is to go on, and what its process has to know.
fn order(places: &Places, runner: &Runner, now: u64) -> io::Result<Option<(String, RunRequest)>> {
    let journals = Journals::open(places).map_err(io::Error::other)?;
    let Some(open) = Standing::unfinished(&journals)? else {
        return Ok(None);
    };
    let is_back = match open.ends_boot() {
        Some(ended) => ended != boot()?,
        None => false,
    };
    if !is_back {
        return Ok(None);
    }
    let run = open.running().run;
    let orders = Orders::open(places).map_err(io::Error::other)?;
    let kept = orders.read(Whose::Run(&run))?;
    let kept = kept.and_then(|kept| kept.order);
    let kept = kept.ok_or_else(|| io::Error::other(format!("nothing is kept of run {run}")))?;
    let order = RunRequest {
        apply: kept.apply,
        exec: kept.exec,
        key: kept.key,
        grants: kept.grants,
        unit: matches!(runner, Runner::Unit { .. }),
        serving: own_unit(),
        resumed: now.max(1),
        ..places.order(&open.running(), &crate::audit::Asked::default())
    };
    Ok(Some((run, order)))
}

//! What a host says of itself: what serves there, what goes on, what is not decided.

use std::fs;
use std::io;

use hpt_proto::wire::{Doing, StatusReply};
use hpt_provisioner::host::Hash;
use tonic::Status;

use crate::Places;
use crate::journal::{Journals, Standing, cancel_path};
use crate::lock;
use crate::program;
use crate::refusal::{blocking, failed};
use crate::run::RunError;
use crate::service::TargetService;

impl TargetService {
    pub(crate) async fn describe(&self) -> Result<StatusReply, Status> {
        self.see_to_guardians().await?;
        let service = self.clone();
        let described = blocking(move || service.look_about()).await?;
        described.map_err(|error| failed(&error))
    }

    /// May block.
    fn look_about(&self) -> Result<StatusReply, RunError> {
        let (site, places) = (&self.0.site, &self.0.places);
        let running = lock::holder(places)?;
        let doing = match &running {
            Some(running) => doing(places, &running.run)?,
            None => None,
        };
        let facts = site.facts();
        // A status says what it can.
        let program = self.program().map(|hash| hash.as_bytes().to_vec());
        Ok(StatusReply {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            hostname: facts.hostname,
            system: facts.os_name,
            uptime: self.0.started.elapsed().as_secs(),
            running: running.map(Into::into),
            interrupted: site.interrupted()?,
            confirming: site.confirming()?,
            doing,
            program: program.unwrap_or_default(),
        })
    }

    /// The hash of the program that runs. May block.
    pub(crate) fn program(&self) -> io::Result<Hash> {
        if let Some(hash) = self.0.program.get() {
            return Ok(*hash);
        }
        let hash = program::own_hash()?;
        Ok(*self.0.program.get_or_init(|| hash))
    }
}

/// What the run does that goes on.
fn doing(places: &Places, run: &str) -> Result<Option<Doing>, RunError> {
    let standing = Standing::read(&Journals::open(places)?, run)?;
    let cancelled_by = fs::read_to_string(cancel_path(&places.run, run));
    Ok(standing.map(|standing| Doing {
        cancelled_by: cancelled_by.unwrap_or_default(),
        ..standing.doing()
    }))
}

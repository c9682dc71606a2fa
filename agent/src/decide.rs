//! What a client decides about a run that waits to be confirmed, or cannot be undone.

use std::io;
use std::time::{Duration, Instant};

use hpt_keystore::PublicKey;
use hpt_proto::Undone;
use hpt_proto::wire::CancelReply;
use tonic::Status;

use crate::audit::{Entry, Kind};
use crate::confirm::{Confirmation, Unconfirmed};
use crate::grants::Caller;
use crate::journal::{Journals, Standing};
use crate::refusal::{blocking, failed};
use crate::run::RunError;
use crate::service::TargetService;

/// How long the note that a run has ended may take that has told its end, and from one look to the next.
const LINGERS: Duration = Duration::from_secs(2);
const SOON: Duration = Duration::from_millis(5);
/// The call by which a run is confirmed.
const CONFIRM: &str = "/hpt.v1.Target/Confirm";

impl TargetService {
    /// Confirms a run over a session that began then, of who has this key; or how it was undone.
    pub(crate) async fn decide(
        &self,
        run: &str,
        began: Instant,
        key: PublicKey,
    ) -> Result<Undone, Status> {
        let asked = Instant::now();
        let confirmed = loop {
            let (service, run) = (self.clone(), run.to_owned());
            let confirmed = blocking(move || service.confirm_run(&run, began, key)).await?;
            match confirmed {
                // Its end is told already, and noted in a moment.
                Err(Unconfirmed::GoesOn { told: true, .. }) if asked.elapsed() < LINGERS => {
                    tokio::time::sleep(SOON).await;
                }
                confirmed => break confirmed,
            }
        };
        match confirmed {
            Ok(()) => Ok(Undone::default()),
            Err(Unconfirmed::Reverted(_, undone)) => Ok(undone),
            Err(error @ Unconfirmed::NotAllowed) => {
                Err(Status::permission_denied(error.to_string()))
            }
            Err(error @ Unconfirmed::Unasked(_)) => Err(Status::not_found(error.to_string())),
            Err(error) => Err(failed(&error)),
        }
    }

    /// May block.
    fn confirm_run(&self, run: &str, began: Instant, key: PublicKey) -> Result<(), Unconfirmed> {
        // The run may have taken away what this session was let in by.
        let caller = self.0.pins.caller_now(key, &self.0.notes);
        let caller = caller.map_err(Unconfirmed::Keystore)?;
        let caller = caller.filter(|caller| caller.may(CONFIRM).is_ok());
        let caller = caller.ok_or(Unconfirmed::NotAllowed)?;
        let journals = self.journals()?;
        let confirmation = Confirmation::of(&journals, run);
        let confirmed = confirmation
            .ok_or_else(|| Unconfirmed::Unasked(run.to_owned()))?
            .confirm(began.elapsed());
        confirmed.map_err(|why| match why {
            Unconfirmed::GoesOn { run, .. } => {
                let told = journals.has_ended(&run);
                Unconfirmed::GoesOn { run, told }
            }
            why => why,
        })?;
        self.0.notes.add(Entry {
            run: run.to_owned(),
            ..caller.entry(self.0.notes.now(), Kind::Confirmed)
        });
        Ok(())
    }

    fn journals(&self) -> io::Result<Journals> {
        Journals::open(&self.0.places).map_err(io::Error::other)
    }

    /// Leaves a run as far as its undo has come, where that fails again and again and keeps all others
    /// from the host. Only one that is named: this is no cancelling in passing.
    pub(crate) async fn give_up(&self, caller: &Caller, run: &str) -> Result<CancelReply, Status> {
        let service = self.clone();
        if run.is_empty() {
            let fails = blocking(move || fails(&service.journals()?)).await?;
            return Err(match fails.map_err(|error| failed(&error))? {
                None => Status::not_found("no run goes on"),
                Some((run, why)) => Status::failed_precondition(format!(
                    "no run goes on; run {run} is being undone, which fails and is tried again: {why}; \
                     `cancel {run}` leaves it as it is"
                )),
            });
        }
        let (site, name, by) = (
            self.0.site.clone(),
            run.to_owned(),
            self.name_run(&caller.name),
        );
        let given_up = blocking(move || {
            let running = Standing::running_of(&service.journals()?, &name)?;
            let given_up = site.give_up(&name, &by)?;
            Ok::<_, RunError>((running, given_up))
        });
        let (running, given_up) = given_up.await?.map_err(|error| failed(&error))?;
        let undone = given_up.map_err(|holder| {
            let (holder, by) = (holder.run, holder.by);
            Status::failed_precondition(format!("run {holder} of {by} holds the host"))
        })?;
        let undone =
            undone.ok_or_else(|| Status::not_found(format!("run {run} does not go on")))?;
        let entry = Entry {
            run: run.to_owned(),
            ..caller.entry(self.0.notes.now(), Kind::Cancelled)
        };
        self.0.notes.add(entry.with("stays", undone.stays.len()));
        Ok(CancelReply {
            run: running.map(Into::into),
            undone_by: undone.by,
            stays: undone.stays,
        })
    }
}

/// The run that cannot be undone, and why.
fn fails(journals: &Journals) -> io::Result<Option<(String, String)>> {
    let open = Confirmation::open(journals)?;
    let fails = |of: &Confirmation| Some((of.run().to_owned(), of.trouble()?.why));
    Ok(open.iter().find_map(fails))
}

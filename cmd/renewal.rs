//! A target's new keys: believed if the former ones have signed for them, pinned when the target was reached by
//! them, and only then said to be (R6). Whatever breaks off is done again at the next contact.

use std::fs;

use hpt_keystore::target::Renewal;
use hpt_keystore::{Identity, client};
use hpt_proto::wire::{self, FollowedRequest, RenewRequest};

use crate::context::now;
use crate::error::{CommandError, Exit};
use crate::remote::Remote;
use crate::remote_audit::Watch;

impl Remote {
    /// Has the target make new keys. They, and the names of the other clients that are to follow.
    pub(crate) async fn renew(&mut self) -> Result<(Renewal, Vec<String>), CommandError> {
        let reply = self.client.renew(RenewRequest {}).await;
        let reply = reply.map_err(|status| self.refused(&status))?.into_inner();
        let renewal = reply.renewal.unwrap_or_default();
        Ok((self.parse_renewal(renewal)?, reply.late))
    }

    pub(crate) fn parse_renewal(&self, told: wire::Renewal) -> Result<Renewal, CommandError> {
        let parse = || {
            let identity = Identity::from_bytes(&told.identity.try_into().ok()?).ok()?;
            let signature = told.signature.try_into().ok()?;
            Some(Renewal {
                identity,
                signature,
            })
        };
        parse().ok_or_else(|| {
            let what = format!("{}: its new keys cannot be read", self.name());
            CommandError::new(Exit::Failed, what)
        })
    }

    /// Follows to the keys that a target says it has, and says so in words behind its name, unless
    /// they were pinned before.
    pub(crate) async fn heed_renewal(
        &mut self,
        told: wire::Renewal,
    ) -> Result<Option<String>, CommandError> {
        let renewal = self.parse_renewal(told)?;
        let before = self.identity;
        self.follow_renewal(&renewal).await?;
        let keys = self.identity.fingerprint();
        let words = format!("has new keys, for which the former ones have signed: {keys}");
        Ok((self.identity != before).then_some(words))
    }

    /// Pins a target's new keys in the place of those by which it was reached until now.
    pub(crate) async fn follow_renewal(&mut self, renewal: &Renewal) -> Result<(), CommandError> {
        let to = renewal.identity;
        if to != self.identity {
            renewal.verify(&self.identity).map_err(|_| {
                let what = format!(
                    "{}: it says that it has new keys, and the ones that are pinned here have not signed for them",
                    self.name()
                );
                CommandError::new(Exit::Unreachable, what).hint("do not go on before you know who that is")
            })?;
            let from = self.identity;
            self.reach_by(to).await?;
            // What was seen of its audit is as good as before.
            let before = Watch::of(&self.keystore, from.signing).kept;
            let _ = fs::hard_link(before.path(), self.audit.kept.path());
            // Before the former ones go: from then on they might be nobody's.
            client::renewed(&self.keystore, &self.name, &from, to, now())?;
            let _ = before.forget();
        }
        let told = self.client.followed(FollowedRequest {}).await;
        told.map(drop).map_err(|status| self.refused(&status))
    }
}

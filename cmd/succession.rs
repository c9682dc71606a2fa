//! This client's new keys, told to a target: over the old ones, then proved by a session of their own, and only
//! then instead of the old ones (R1). Whatever breaks off can be done again.

use std::path::Path;
use std::sync::Arc;

use hpt_keystore::{Identity, Psk, TargetName, client};
use hpt_transport::LocalKey;

use crate::context::now;
use crate::error::CommandError;

/// The keys that a target is to know.
pub(crate) struct Next {
    pub(crate) key: LocalKey,
    pub(crate) identity: Identity,
    /// What the pair is to share under them.
    pub(crate) psk: Arc<Psk>,
    /// By the keys that they follow.
    pub(crate) signature: [u8; 64],
}

/// A target, as far as it has a part in this.
pub(crate) trait Contact {
    /// Over a session of the old keys: it is to know these as well.
    async fn succeed(&mut self, next: &Next) -> Result<(), CommandError>;
    /// A session of the new keys, in which it answers.
    async fn prove(&mut self, next: &Next) -> Result<(), CommandError>;
    /// Over that session: it is to know the old ones no longer.
    async fn settle(&mut self) -> Result<(), CommandError>;
}

/// Has a target follow. Afterwards it is reached by the new keys, unless this fails before it has proved to
/// know them.
pub(crate) async fn follow(
    target: &mut impl Contact,
    keystore: &Path,
    name: &TargetName,
    next: &Next,
) -> Result<(), CommandError> {
    target.succeed(next).await?;
    target.prove(next).await?;
    // Before the old ones go: from here on they might be strangers.
    client::moved(keystore, name, now())?;
    settle(target, keystore, name).await
}

/// Has one that knows the new keys forget the old ones.
pub(crate) async fn settle(
    target: &mut impl Contact,
    keystore: &Path,
    name: &TargetName,
) -> Result<(), CommandError> {
    target.settle().await?;
    client::settled(keystore, name)?;
    Ok(())
}

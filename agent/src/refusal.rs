//! How what goes wrong on a target is told to a client.

use hpt_proto::BadMessage;
use tokio::task::spawn_blocking;
use tonic::Status;

use crate::put::PutError;
use crate::run::RunError;

/// Runs what may block, on a thread for such; a panic in it costs this call alone (C4).
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Status> {
    spawn_blocking(work).await.map_err(|error| {
        tracing::error!("a call panicked: {error}");
        bug()
    })
}

pub(crate) fn bug() -> Status {
    Status::internal("a bug in hpt on the target; its log says more")
}

pub(crate) fn bad(error: BadMessage) -> Status {
    Status::invalid_argument(error.to_string())
}

pub(crate) fn failed(error: &dyn std::error::Error) -> Status {
    Status::failed_precondition(error.to_string())
}

pub(crate) fn unplannable(error: &RunError) -> Status {
    match error {
        RunError::NoRun(_) | RunError::OtherBlocks(_) => Status::not_found(error.to_string()),
        RunError::NoExec { .. } => Status::permission_denied(error.to_string()),
        RunError::State(_)
        | RunError::Host(_)
        | RunError::NoGuardian(_)
        | RunError::Journal(_)
        | RunError::Ledger(_)
        | RunError::Program(_)
        | RunError::Audit(_) => Status::failed_precondition(error.to_string()),
    }
}

pub(crate) fn put_status(error: &PutError) -> Status {
    match error {
        PutError::BadSender(_) | PutError::WrongHash { .. } => {
            Status::invalid_argument(error.to_string())
        }
        PutError::TooMuch(_) => Status::resource_exhausted(error.to_string()),
        PutError::Io { .. } => Status::failed_precondition(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// C4.
    #[tokio::test]
    async fn a_panic_becomes_a_status() {
        let status = blocking::<()>(|| panic!("on purpose")).await.unwrap_err();
        assert_eq!(status.code(), tonic::Code::Internal);
        assert!(!status.message().contains("on purpose"));
    }
}

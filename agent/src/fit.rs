//! A plan that fits a message, however much it has to show.

use hpt_proto::wire;
use hpt_transport::grpc::MAX_MESSAGE;
use prost::Message as _;
use tonic::Status;

/// Leaves the longest answers' diffs out, so that a plan always fits a message.
pub(crate) fn fit(mut reply: wire::PlanReply) -> Result<wire::PlanReply, Status> {
    let length = reply.encoded_len();
    if let Some(wire::plan_reply::Result::Plan(plan)) = &mut reply.result {
        shorten(plan, length);
    }
    if reply.encoded_len() > MAX_MESSAGE {
        return Err(Status::resource_exhausted(
            "this plan is too long to send: split the config",
        ));
    }
    Ok(reply)
}

/// The same for what has moved since many configs were applied.
pub(crate) fn fit_drift(drifts: Vec<wire::Drift>) -> Result<wire::DriftReply, Status> {
    let mut reply = wire::DriftReply { drifts };
    for drift in 0..reply.drifts.len() {
        let length = reply.encoded_len();
        if let Some(plan) = &mut reply.drifts[drift].plan {
            shorten(plan, length);
        }
    }
    if reply.encoded_len() > MAX_MESSAGE {
        return Err(Status::resource_exhausted(
            "this is too long to send: ask for one config",
        ));
    }
    Ok(reply)
}

/// Leaves out diffs of a plan until the message that it is in, so long now, is short enough.
fn shorten(plan: &mut wire::Plan, mut length: usize) {
    let details = plan
        .blocks
        .iter_mut()
        .rev()
        .flat_map(|block| &mut block.details);
    for detail in details {
        if length <= MAX_MESSAGE {
            break;
        }
        if let Some(wire::detail::Kind::Diff(diff)) = &detail.kind {
            let words = format!("{}: content changes; too much to show", diff.path);
            let before = detail.encoded_len();
            detail.kind = Some(wire::detail::Kind::Text(words));
            length = length.saturating_sub(before) + detail.encoded_len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_plan_loses_its_diffs_and_fits() {
        let line = wire::Line {
            tag: 2,
            text: "x".repeat(1000),
        };
        let diff = wire::Diff {
            path: "/etc/motd".into(),
            lines: vec![line; 1000],
        };
        let detail = wire::Detail {
            kind: Some(wire::detail::Kind::Diff(diff)),
        };
        let block = wire::Planned {
            details: vec![detail],
            ..Default::default()
        };
        let plan = wire::Plan {
            blocks: vec![block; 6],
            ..Default::default()
        };
        let reply = wire::PlanReply {
            result: Some(wire::plan_reply::Result::Plan(plan)),
            ..Default::default()
        };
        let fitted = fit(reply).unwrap();
        let Some(wire::plan_reply::Result::Plan(plan)) = fitted.result else {
            panic!("a plan");
        };
        let is_diff = |block: &wire::Planned| {
            matches!(block.details[0].kind, Some(wire::detail::Kind::Diff(_)))
        };
        let shown: Vec<_> = plan.blocks.iter().map(is_diff).collect();
        assert_eq!(shown, [true, true, true, true, false, false]);
    }
}

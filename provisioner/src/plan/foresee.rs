//! What is known of the host once a block has run, as far as its decision tells.

use crate::block::{Action, Block, Decision};
use crate::host::overlay::{Base, Cause, Overlay};
use crate::host::{HostError, Key, Observe};

/// What is known of the host once a block has run.
pub(crate) fn foresee(
    overlay: &mut Overlay,
    block: &Block,
    decision: &Result<Decision, HostError>,
    host: &dyn Observe,
) {
    let cause = || Cause(block.id.clone());
    match decision {
        Ok(Decision::Act(action)) => foresee_action(overlay, block, action, host),
        Ok(Decision::Ask { action, .. }) => {
            for path in &action.touches {
                overlay.cast_shadow(path.clone(), cause());
            }
        }
        Ok(Decision::Maybe(_)) => {
            for key in block.reads() {
                match key {
                    Key::Path(path) | Key::Checkout(path) => overlay.cast_shadow(path, cause()),
                    Key::Setting(setting) => overlay.doubt_setting(setting, cause()),
                    _ => {}
                }
            }
        }
        Ok(Decision::Blocked(_)) | Err(_) => {
            let cause = Cause(format!("{}, which is blocked", block.id));
            if let Some(key) = block.about() {
                overlay.doubt_about(key, cause);
            }
        }
        _ => {}
    }
}

/// What is known of it once an action of the block has been taken.
pub(crate) fn foresee_action(
    overlay: &mut Overlay,
    block: &Block,
    action: &Action,
    host: &dyn Observe,
) {
    for effect in &action.effects {
        overlay.foresee(effect, &block.id, &Base(Some(host)));
    }
    for path in &action.touches {
        overlay.cast_shadow(path.clone(), Cause(block.id.clone()));
    }
}

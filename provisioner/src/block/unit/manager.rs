//! The systemd that a block's unit belongs to: the host's, or a user's, which may not run.

use crate::block::Decision;
use crate::host::HostError;
use crate::host::overlay::{Cause, Fate};
use crate::name::{AbsPath, UnitId, UnitScope, UserName};
use crate::view::View;

/// Where it is recorded that a user's systemd runs from boot on, and not from login to logout.
const LINGER: &str = "/var/lib/systemd/linger";

/// What becomes of a block if the systemd of its unit cannot be asked; `None` if it can.
pub(in crate::block) fn without(
    scope: &UnitScope,
    view: &View<'_>,
) -> Result<Option<Decision>, HostError> {
    if !view.powers().services {
        let why = "systemd cannot be asked: it does not run here, or hpt is not root";
        return Ok(Some(Decision::Blocked(why.to_owned())));
    }
    match scope {
        UnitScope::System => Ok(None),
        UnitScope::User(name) => without_users(name, view),
    }
}

fn without_users(name: &UserName, view: &View<'_>) -> Result<Option<Decision>, HostError> {
    if let Some(decision) = Decision::without_accounts(Some(name), None, view)? {
        return Ok(Some(decision));
    }
    let uid = match view.user(name)? {
        Fate::Is(user) => user.and_then(|user| user.uid),
        Fate::Unknown(cause) => return Ok(Some(Decision::Maybe(cause))),
    };
    let Some(uid) = uid else {
        return Ok(Some(Decision::Maybe(Cause(format!(
            "the number that {name} gets"
        )))));
    };
    match view.runs_units_of(uid)? {
        Fate::Is(true) => return Ok(None),
        Fate::Is(false) => {}
        Fate::Unknown(cause) => return Ok(Some(Decision::Maybe(cause))),
    }
    let linger = AbsPath::parse(&format!("{LINGER}/{name}")).expect("a plain name");
    Ok(Some(match view.path(&linger)? {
        // A command that says it makes this, such as `loginctl enable-linger`, starts it too.
        Fate::Unknown(cause) => Decision::Maybe(cause),
        Fate::Is(Some(_)) => Decision::Blocked(format!(
            "the systemd of {name} does not run, though it is to linger; a [[service]] block before this one starts it: name = \"{}\", status = \"started\"",
            UnitId::manager(uid).name
        )),
        Fate::Is(None) => Decision::Blocked(format!(
            "the systemd of {name} does not run; an [[exec]] block before this one has it run from boot on: script = \"loginctl enable-linger {name}\", creates = \"{linger}\""
        )),
    }))
}

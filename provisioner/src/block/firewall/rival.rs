//! Who else may filter what comes in: firewalld and ufw, which load rules of their own.

use crate::block::Decision;
use crate::host::overlay::Fate;
use crate::host::{HostError, Key, Unit};
use crate::name::{AbsPath, UnitId, UnitName};
use crate::view::View;

/// The services of those whose rules would stand beside hpt's.
const SERVICES: [&str; 2] = ["firewalld", "ufw"];

/// Where ufw says whether it is on: its service runs on a host where it is off, too.
const UFW: &str = "/etc/ufw/ufw.conf";

/// What the host must be asked to know that.
pub(super) fn reads() -> Vec<Key> {
    let mut keys: Vec<Key> = SERVICES.map(unit).map(Key::Unit).into();
    keys.extend([Key::Path(ufw()), Key::Content(ufw())]);
    keys
}

/// What becomes of the block because another one filters; `None` if none does, as far as a host
/// where systemd cannot be asked shows.
pub(super) fn decide(view: &View<'_>) -> Result<Option<Decision>, HostError> {
    if !view.powers().services {
        return Ok(None);
    }
    for service in SERVICES {
        match view.unit(&unit(service))? {
            Fate::Unknown(cause) => return Ok(Some(Decision::Maybe(cause))),
            Fate::Is(seen) if !seen.as_ref().is_some_and(Unit::is_running) => continue,
            Fate::Is(_) => {}
        }
        if service == "ufw" {
            match view.read(&ufw())? {
                Fate::Unknown(cause) => return Ok(Some(Decision::Maybe(cause))),
                Fate::Is(text) if !text.as_deref().is_some_and(is_on) => continue,
                Fate::Is(_) => {}
            }
        }
        let why = format!(
            "{service} filters on this host; stop and disable it with a [[service]] block before this one, or say backend = \"nft\" to filter beside it"
        );
        return Ok(Some(Decision::Blocked(why)));
    }
    Ok(None)
}

/// Whether the configuration of ufw turns it on: the last word counts, as in a shell.
fn is_on(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    let mut said = text.lines().filter_map(|line| {
        let value = line.trim().strip_prefix("ENABLED=")?;
        Some(value.trim_matches(['"', '\'', ' ']))
    });
    said.next_back()
        .is_some_and(|value| value.eq_ignore_ascii_case("yes"))
}

fn unit(service: &str) -> UnitId {
    UnitName::service(service).expect("a plain name").into()
}

fn ufw() -> AbsPath {
    AbsPath::parse(UFW).expect("a plain path")
}

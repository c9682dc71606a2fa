//! One file that installs hpt on a host: a shell script, and behind its last line what it brings.

use hpt_keystore::{Identity, TargetName};
use zeroize::Zeroizing;

use super::load::{HOST, Load, sha256};

const WAY: &str = include_str!("installer.sh");

/// The whole file.
pub(crate) fn file(name: &TargetName, identity: &Identity, load: &Load<'_>) -> Zeroizing<Vec<u8>> {
    let Load {
        program,
        keystore,
        unit,
    } = load;
    let parts = [&program.bytes, *keystore, unit.as_bytes()];
    let title = format!(
        "#!/bin/sh\n\
         # Installs hpt on the host that will be {name} ({}): `sh {name}.sh`, as root.\n\
         #\n\
         # SECRET. It holds the private keys of {name}: who has it can pose as {name}. Remove it when it has run.\n\n",
        identity.fingerprint()
    );
    let script = format!("{title}{HOST}{WAY}");
    let behind = script.lines().count() + 1;
    let script = script
        .replace("@LINE@", &behind.to_string())
        .replace("@MACHINE@", program.machine)
        .replace("@SHA256@", &sha256(parts))
        .replace("@SIZES@", &load.sizes())
        .replace("@NAME@", name.as_str());
    Zeroizing::new([&[script.as_bytes()], &parts[..]].concat().concat())
}

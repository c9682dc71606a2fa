//! `hpt seal-keystore`: a host's own keys under a passphrase that systemd alone can give (K8).

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use hpt_keystore::{Own, Passphrase, Role, set_passphrase, target};
use serde::Serialize;

use crate::context::Context;
use crate::credential::{decrypt, dropin, encrypt, has_tpm};
use crate::error::{CommandError, Exit};
use crate::systemd::systemctl;

/// The one that the unit serves.
const KEYSTORE: &str = "/etc/hpt/keystore.db";
/// Beside it.
const CREDENTIAL: &str = "passphrase.cred";
const DROPIN: &str = "/etc/systemd/system/hpt.service.d/passphrase.conf";
const UNIT: &str = "hpt.service";

#[derive(clap::Args)]
#[command(after_help = "\
On a host, as root: the private keys in its keystore are encrypted, and systemd
has what opens them, encrypted for this machine: by its TPM2 chip, if there is
one. hpt.service is given it when it starts, and nobody else. A keystore that
was copied is of no use without that.

Without such a chip it is a key of systemd's on the same disk: that is enough
for backups of /etc, not for a disk that somebody takes along.

Examples:
  hpt seal-keystore
  hpt seal-keystore --remove")]
pub(crate) struct Args {
    /// Have the keys open in the keystore again
    #[arg(long)]
    remove: bool,
}

#[derive(Serialize)]
struct Sealed {
    event: &'static str,
    keystore: &'static str,
    sealed: bool,
    /// Whether a chip has a part in it, if it was sealed just now.
    #[serde(skip_serializing_if = "Option::is_none")]
    tpm: Option<bool>,
}

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    let path = context.keystore()?;
    if path != Path::new(KEYSTORE) {
        let what = format!(
            "{}: systemd serves {KEYSTORE}, and no other",
            path.display()
        );
        return Err(CommandError::usage(what));
    }
    let is_sealed = matches!(target::load(&path)?.own, Own::Sealed(_));
    let credential = path.with_file_name(CREDENTIAL);
    let mut tpm = None;
    let words = match (is_sealed, args.remove) {
        (false, false) => {
            let by_tpm = has_tpm();
            tpm = Some(by_tpm);
            seal(&path, &credential, by_tpm)?;
            if by_tpm {
                "are sealed, by this machine's TPM2 and a key on its disk"
            } else {
                "are sealed, by a key on the same disk: this machine shows no TPM2"
            }
        }
        (true, true) => {
            let words = decrypt(&credential)?;
            set_passphrase(&path, Role::Target, Some(&words), None)?;
            clear(&credential)?;
            "are open"
        }
        (true, false) => "are sealed already",
        (false, true) => {
            clear(&credential)?;
            "are open already"
        }
    };
    context
        .terminal
        .note(format_args!("the keys in {KEYSTORE} {words}"));
    context.terminal.json(&Sealed {
        event: "seal-keystore",
        keystore: KEYSTORE,
        sealed: !args.remove,
        tpm,
    });
    Ok(Exit::Done)
}

/// At every moment hpt can be started: what opens the keys is there before they are sealed.
fn seal(path: &Path, credential: &Path, by_tpm: bool) -> Result<(), CommandError> {
    let words = Passphrase::random();
    encrypt(&words, credential, by_tpm)?;
    if decrypt(credential)?.expose() != words.expose() {
        let what = format!("{}: it does not open as what it was", credential.display());
        return Err(CommandError::new(Exit::Failed, what));
    }
    let (file, text) = (Path::new(DROPIN), dropin(credential)?);
    let dir = file.parent().expect("it is in a directory");
    fs::create_dir_all(dir).map_err(CommandError::io("make it", dir))?;
    fs::write(file, text).map_err(CommandError::io("write it", file))?;
    systemctl(&["daemon-reload"])?;
    // The keystore is durable as soon as it is sealed; so must be what opens it.
    rustix::fs::sync();
    set_passphrase(path, Role::Target, None, Some(&words))?;
    // What serves has got nothing that opens the keys, and would need it to make new ones.
    systemctl(&["try-restart", UNIT]).or_else(|error| {
        set_passphrase(path, Role::Target, Some(&words), None)?;
        clear(credential)?;
        let _ = systemctl(&["restart", UNIT]);
        Err(error.hint(format!(
            "the keys are open again; `journalctl -u {UNIT} -n 20` says why it did not start"
        )))
    })
}

/// Takes away what opened the keys, when they are open. Nothing needs it by then, systemd last.
fn clear(credential: &Path) -> Result<(), CommandError> {
    remove(Path::new(DROPIN))?;
    systemctl(&["daemon-reload"])?;
    remove(credential)
}

fn remove(file: &Path) -> Result<(), CommandError> {
    match fs::remove_file(file) {
        Err(why) if why.kind() != ErrorKind::NotFound => {
            Err(CommandError::io("remove it", file)(why))
        }
        _ => Ok(()),
    }
}

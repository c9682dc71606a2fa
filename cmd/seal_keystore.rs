//! `hpt seal-keystore`: a host's own keys under a passphrase that systemd alone can give (K8).

use std::fs;
use std::path::{Path, PathBuf};

use hpt_keystore::{Own, Passphrase, Role, set_passphrase, target};
use serde::Serialize;

use crate::context::Context;
use crate::credential::{decrypt, dropin, encrypt, has_tpm};
use crate::error::{CommandError, Exit};
use crate::systemd::systemctl;

/// Beside the keystore.
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
    keystore: String,
    sealed: bool,
    tpm: bool,
}

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    let path = context.keystore()?;
    let is_sealed = matches!(target::load(&path)?.own, Own::Sealed(_));
    let credential = path.with_file_name(CREDENTIAL);
    let words = match (is_sealed, args.remove) {
        (false, false) => {
            seal(&path, &credential)?;
            if has_tpm() {
                "are sealed: this machine's TPM2 has a part in what opens them"
            } else {
                "are sealed, by a key on the same disk: this machine shows no TPM2"
            }
        }
        (true, true) => {
            open(&path, &credential)?;
            "are open"
        }
        (true, false) => "are sealed already",
        (false, true) => "are open already",
    };
    let keystore = path.display().to_string();
    context
        .terminal
        .note(format_args!("the keys in {keystore} {words}"));
    context.terminal.json(&Sealed {
        event: "seal-keystore",
        keystore,
        sealed: !args.remove,
        tpm: has_tpm(),
    });
    Ok(Exit::Done)
}

/// At every moment hpt can be started: what opens the keys is there before they are sealed.
fn seal(path: &Path, credential: &Path) -> Result<(), CommandError> {
    let words = Passphrase::random();
    encrypt(&words, credential)?;
    if decrypt(credential)?.expose() != words.expose() {
        let what = format!("{}: it does not open as what it was", credential.display());
        return Err(CommandError::new(Exit::Failed, what));
    }
    let (file, text) = (PathBuf::from(DROPIN), dropin(credential)?);
    let dir = file.parent().expect("it is in a directory");
    fs::create_dir_all(dir).map_err(CommandError::io("make it", dir))?;
    fs::write(&file, text).map_err(CommandError::io("write it", &file))?;
    systemctl(&["daemon-reload"])?;
    set_passphrase(path, Role::Target, None, Some(&words))?;
    // What serves has got nothing that opens the keys, and would need it to make new ones.
    systemctl(&["try-restart", UNIT]).or_else(|error| {
        set_passphrase(path, Role::Target, Some(&words), None)?;
        let _ = fs::remove_file(&file);
        let _ = systemctl(&["daemon-reload"]);
        let _ = systemctl(&["restart", UNIT]);
        Err(error.hint(format!(
            "the keys are open again; `journalctl -u {UNIT} -n 20` says why it did not start"
        )))
    })
}

fn open(path: &Path, credential: &Path) -> Result<(), CommandError> {
    let words = decrypt(credential)?;
    set_passphrase(path, Role::Target, Some(&words), None)?;
    for file in [Path::new(DROPIN), credential] {
        fs::remove_file(file).map_err(CommandError::io("remove it", file))?;
    }
    systemctl(&["daemon-reload"])
}

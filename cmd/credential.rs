//! The passphrase over a host's own keys, which systemd keeps: encrypted for this machine, and given to `hpt serve`
//! alone when it starts (K8).

use std::fs;
use std::path::Path;

use hpt_keystore::Passphrase;
use zeroize::Zeroizing;

use crate::env::{Variable, env};
use crate::error::{CommandError, Exit};
use crate::systemd::systemd_creds;
use crate::terminal::text_of;

/// What systemd calls it.
const NAME: &str = "hpt.passphrase";

/// What this process was given when it was started, if it was.
pub(crate) fn given() -> Result<Option<Passphrase>, CommandError> {
    let Some(dir) = env(Variable::CREDENTIALS_DIRECTORY) else {
        return Ok(None);
    };
    let path = Path::new(&dir).join(NAME);
    if !path.exists() {
        return Ok(None);
    }
    let text = fs::read(&path).map_err(CommandError::io("read it", &path))?;
    passphrase(text).map(Some)
}

/// Encrypts a passphrase for this machine into a file: by its chip too, if it has one. What the machine has
/// booted has no part in it, or the next firmware would lock hpt out.
pub(crate) fn encrypt(words: &Passphrase, file: &Path, by_tpm: bool) -> Result<(), CommandError> {
    let name = format!("--name={NAME}");
    let keys: &[&str] = if by_tpm {
        &["--with-key=host+tpm2", "--tpm2-pcrs="]
    } else {
        &["--with-key=host"]
    };
    let path = path_of(file)?;
    let words_of = [&["encrypt", &name], keys, &["-", &path]].concat();
    creds(&words_of, words.expose().as_bytes()).map(drop)
}

/// What is in such a file, on this machine.
pub(crate) fn decrypt(file: &Path) -> Result<Passphrase, CommandError> {
    let name = format!("--name={NAME}");
    let text = creds(&["decrypt", &name, &path_of(file)?, "-"], b"")?;
    passphrase(text)
}

/// Whether a chip of this machine has a part in it, so that a copy of its disk is not enough.
pub(crate) fn has_tpm() -> bool {
    let asked = systemd_creds(&["has-tpm2", "--quiet"], b"");
    asked.is_ok_and(|asked| asked.status.success())
}

/// What the unit is told, so that systemd gives it what is in the file.
pub(crate) fn dropin(file: &Path) -> Result<String, CommandError> {
    let path = path_of(file)?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._+-".contains(c);
    if !path.starts_with('/') || !path.chars().all(is_plain) {
        let what = format!("{path} cannot stand in a unit");
        return Err(CommandError::usage(what).hint("keep the keystore in /etc/hpt"));
    }
    Ok(format!(
        "# written by `hpt seal-keystore`\n[Service]\nLoadCredentialEncrypted={NAME}:{path}\n"
    ))
}

fn path_of(file: &Path) -> Result<String, CommandError> {
    let path = std::path::absolute(file).map_err(CommandError::io("find it", file))?;
    Ok(path.display().to_string())
}

fn passphrase(text: Vec<u8>) -> Result<Passphrase, CommandError> {
    let text = String::from_utf8(text).ok().map(Zeroizing::new);
    text.and_then(|text| Passphrase::new(text).ok())
        .ok_or_else(|| {
            CommandError::new(
                Exit::Keystore,
                format!("the credential {NAME} is no passphrase"),
            )
        })
}

/// What it prints.
fn creds(words: &[&str], input: &[u8]) -> Result<Vec<u8>, CommandError> {
    let ended = systemd_creds(words, input).map_err(|why| {
        let what = format!("cannot start systemd-creds: {why}");
        CommandError::new(Exit::Failed, what).hint("it comes with systemd 250 and newer")
    })?;
    if ended.status.success() {
        return Ok(ended.stdout);
    }
    let why = text_of(&ended.stderr);
    let what = format!("`systemd-creds {}` failed: {}", words[0], why.trim());
    Err(CommandError::new(Exit::Failed, what))
}

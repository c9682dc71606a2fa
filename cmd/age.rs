//! Secrets in age files, opened by the `age` of whoever starts the run: its keys, plugins and
//! questions are not hpt's business.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use hpt_provisioner::config::resource::AgeFile;
use hpt_provisioner::secret::Secret;
use zeroize::Zeroizing;

use crate::context::env;
use crate::error::{CommandError, Exit};
use crate::secrets::{LONGEST, from_text};
use crate::terminal::{text_of, visible};

/// The programs that open such a file, all with the same options.
const PROGRAMS: [&str; 2] = ["age", "rage"];

/// What encryption and armour may add to a value, at the most.
const LARGEST: usize = 4 * LONGEST;

/// Where the encrypted file is, once it is there.
pub(crate) fn file(name: &str, dir: &Path, age: &AgeFile) -> Result<PathBuf, CommandError> {
    let path = dir.join(&age.file);
    let cannot = |why: &dyn std::fmt::Display| {
        let what = format!("[secret.{name}]: cannot read {}: {why}", path.display());
        CommandError::new(Exit::Config, what)
    };
    // Never an option of the program, whatever the config's directory is called.
    let whole = std::path::absolute(&path).map_err(|why| cannot(&why))?;
    let meta = whole.metadata().map_err(|why| cannot(&why))?;
    if !meta.is_file() || usize::try_from(meta.len()).map_or(true, |length| length > LARGEST) {
        return Err(cannot(&"it is no file of at most 256 KiB"));
    }
    Ok(whole)
}

/// The value, without one line feed at its end.
pub(crate) fn open(name: &str, dir: &Path, age: &AgeFile) -> Result<Vec<Secret>, CommandError> {
    let bad = |what: String| CommandError::new(Exit::Config, format!("[secret.{name}]: {what}"));
    let file = file(name, dir, age)?;
    let identity = match age.identity.strip_prefix("~/") {
        Some(rest) => {
            let home = env("HOME").ok_or_else(|| bad("there is no HOME for `~/`".to_owned()))?;
            Path::new(&home).join(rest)
        }
        None => dir.join(&age.identity),
    };
    let identity = std::path::absolute(identity)
        .map_err(|why| bad(format!("cannot find {}: {why}", visible(&age.identity))))?;
    let (program, output) = decrypt(&identity, &file)
        .map_err(|why| bad(format!("cannot start age: {why}")))?
        .ok_or_else(|| {
            bad("neither age nor rage is installed".to_owned()).hint("Debian: `apt install age`")
        })?;
    let value = Zeroizing::new(output.stdout);
    if !output.status.success() {
        let said = text_of(&output.stderr);
        let said: Vec<_> = said.lines().take(3).map(visible).collect();
        let shown = visible(&age.file);
        return Err(bad(format!(
            "{program} cannot open {shown}: {}",
            said.join("; ")
        )));
    }
    from_text(&value).ok_or_else(|| bad("its value is no UTF-8 of at most 64 KiB".to_owned()))
}

/// What the first of the programs that is there comes to.
#[allow(
    clippy::disallowed_methods,
    reason = "a program of the workstation, with fixed arguments and no shell"
)]
fn decrypt(identity: &Path, file: &Path) -> io::Result<Option<(&'static str, Output)>> {
    for program in PROGRAMS {
        let mut command = Command::new(program);
        command
            .arg("--decrypt")
            .arg("--identity")
            .args([identity, file]);
        match command.stdin(Stdio::null()).output() {
            Err(why) if why.kind() == io::ErrorKind::NotFound => {}
            output => return output.map(|output| Some((program, output))),
        }
    }
    Ok(None)
}

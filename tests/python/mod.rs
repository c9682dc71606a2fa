//! Tools from Python packages, which are installed for the tests alone.

#![allow(clippy::disallowed_methods, reason = "a test starts processes")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// A Python that has what `tests/FOLDER/requirements.txt` asks for.
pub(crate) fn with(folder: &str) -> Result<PathBuf, String> {
    let wanted = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(folder)
        .join("requirements.txt");
    let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder);
    let python = venv.join("bin/python");
    let stamp = venv.join("requirements.txt");
    if std::fs::read(&stamp).ok() == std::fs::read(&wanted).ok() {
        return Ok(python);
    }
    let run = |command: &mut Command, what: &str| match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!(
            "{what}: {}",
            String::from_utf8_lossy(&output.stderr)
        )),
        Err(why) => Err(format!("{what}: {why}")),
    };
    run(
        Command::new("python3").args(["-m", "venv"]).arg(&venv),
        "a Python venv is missing (apt install python3-venv)",
    )?;
    run(
        Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "-r"])
            .arg(&wanted),
        "pip cannot install what the test needs",
    )?;
    std::fs::copy(&wanted, &stamp).map_err(|why| why.to_string())?;
    Ok(python)
}

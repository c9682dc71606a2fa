//! What a host is given when hpt arrives on it: program, keystore and unit.

use std::fs;
use std::path::Path;

use hpt_agent::unit_file::service;
use sha2::{Digest as _, Sha256};

use crate::error::CommandError;
use crate::sources::hex;

/// Where the program goes on the host.
pub(super) const PROGRAM: &str = "/usr/local/bin/hpt";
/// How a shell begins on the host, before what is particular to the way.
pub(super) const HOST: &str = include_str!("host.sh");

/// What a host is given.
pub(crate) struct Load<'a> {
    pub(crate) program: &'a [u8],
    pub(crate) keystore: &'a [u8],
    pub(crate) unit: &'a str,
}

impl Load<'_> {
    /// The length of each in bytes, as `arrive` of host.sh wants them.
    pub(super) fn sizes(&self) -> String {
        let Self {
            program,
            keystore,
            unit,
        } = self;
        format!("{} {} {}", program.len(), keystore.len(), unit.len())
    }
}

/// This very program.
pub(crate) fn own_program() -> Result<Vec<u8>, CommandError> {
    let path = Path::new("/proc/self/exe");
    fs::read(path).map_err(CommandError::io("read it", path))
}

pub(crate) fn unit() -> String {
    service(Path::new(PROGRAM)).expect("a plain path")
}

/// As sha256sum prints it.
pub(super) fn sha256<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut sha = Sha256::new();
    parts.into_iter().for_each(|part| sha.update(part));
    hex(&sha.finalize())
}

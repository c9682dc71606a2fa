//! What a host is given when hpt arrives on it: program, keystore and unit.

use std::fs;
use std::path::Path;

use hpt_agent::unit_file::service;
use sha2::{Digest as _, Sha256};

use crate::error::{CommandError, Exit};
use crate::sources::hex;

/// Where the program goes on the host.
pub(super) const PROGRAM: &str = "/usr/local/bin/hpt";
/// How a shell begins on the host, before what is particular to the way.
pub(super) const HOST: &str = include_str!("host.sh");

/// What a host is given.
pub(crate) struct Load<'a> {
    pub(crate) program: &'a Program,
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
        let program = program.bytes.len();
        format!("{program} {} {}", keystore.len(), unit.len())
    }
}

/// A program of hpt, and on which machines it runs.
pub(crate) struct Program {
    pub(super) bytes: Vec<u8>,
    /// As `uname -m` has it.
    pub(super) machine: &'static str,
}

impl Program {
    /// The one in this file, or else this very program.
    pub(crate) fn read(file: Option<&Path>) -> Result<Self, CommandError> {
        let path = file.unwrap_or(Path::new("/proc/self/exe"));
        let bytes = fs::read(path).map_err(CommandError::io("read it", path))?;
        let Some(machine) = machine(&bytes) else {
            let what = format!(
                "{}: it is no program of a machine that hpt is for, by how it begins",
                path.display()
            );
            return Err(CommandError::new(Exit::Failed, what));
        };
        Ok(Self { bytes, machine })
    }
}

/// On what the ELF file runs that begins so; `None` if it is none, or of a machine that hpt is not for.
pub(super) fn machine(head: &[u8]) -> Option<&'static str> {
    const WIDE: u8 = 2;
    const NARROW: u8 = 1;
    const LITTLE: u8 = 1;
    const BIG: u8 = 2;
    let is_elf = head.starts_with(b"\x7fELF");
    let (class, order) = (*head.get(4)?, *head.get(5)?);
    let number: [u8; 2] = head.get(18..20)?.try_into().ok()?;
    let number = if order == BIG {
        u16::from_be_bytes(number)
    } else {
        u16::from_le_bytes(number)
    };
    let machine = match (class, order, number) {
        (NARROW, LITTLE, 3) => "i686",
        (WIDE, LITTLE, 21) => "ppc64le",
        (WIDE, BIG, 22) => "s390x",
        (NARROW, LITTLE, 40) => "armv7l",
        (WIDE, LITTLE, 62) => "x86_64",
        (WIDE, LITTLE, 183) => "aarch64",
        (WIDE, LITTLE, 243) => "riscv64",
        (WIDE, LITTLE, 258) => "loongarch64",
        _ => return None,
    };
    is_elf.then_some(machine)
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

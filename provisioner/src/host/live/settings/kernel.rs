//! Kernel parameters below `/proc/sys`, and the host's name.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use rustix::fs::StatVfsMountFlags;

use crate::host::HostError;
use crate::name::SysctlKey;

/// A parameter's value, with single spaces for whatever the kernel puts between its words.
pub(super) fn sysctl(key: &SysctlKey) -> Result<Option<String>, HostError> {
    match fs::read_to_string(path(key)) {
        Ok(text) => Ok(Some(text.split_whitespace().collect::<Vec<_>>().join(" "))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(HostError::io("cannot read the parameter", key, &error)),
    }
}

pub(super) fn set_sysctl(key: &SysctlKey, value: &str) -> Result<(), HostError> {
    // One write: the kernel takes each for a whole value.
    let file = OpenOptions::new().write(true).open(path(key));
    file.and_then(|mut file| file.write_all(format!("{value}\n").as_bytes()))
        .map_err(|error| HostError::io("the kernel refuses this value of", key, &error))
}

/// Whether what holds the parameter is mounted read-only.
pub(in super::super) fn is_read_only(key: &SysctlKey) -> bool {
    let mount = rustix::fs::statvfs(path(key));
    mount.is_ok_and(|mount| mount.f_flag.contains(StatVfsMountFlags::RDONLY))
}

fn path(key: &SysctlKey) -> PathBuf {
    Path::new("/proc/sys").join(key.below_proc_sys())
}

pub(super) fn hostname() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

pub(super) fn set_hostname(name: &str) -> Result<(), HostError> {
    rustix::system::sethostname(name.as_bytes())
        .map_err(|errno| HostError::io("cannot name the running host", name, &errno.into()))
}

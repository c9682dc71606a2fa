//! What a running kernel or host is set to, beyond its files: one name and one value each.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::name::{AbsPath, LocaleName, ModuleName, SysctlKey};

/// A setting of a running host. Its value is a text, or `None` where the host has no such thing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Setting {
    /// A kernel parameter; its value with single spaces between words. `None`: the kernel has none.
    Sysctl(SysctlKey),
    /// A kernel module: [`Setting::LOADED`] or [`Setting::UNLOADED`]; `None`: the kernel has none.
    Module(ModuleName),
    /// The name that the kernel calls the host.
    Hostname,
    /// What is mounted at a path: `SOURCE FSTYPE`; `None`: nothing is.
    Mounted(AbsPath),
    /// A file that is in use as swap: its length in bytes; `None`: it is not in use.
    Swap(AbsPath),
    /// A locale of the C library: [`Setting::GENERATED`], or `None`.
    Locale(LocaleName),
    /// The mark of the packet filter's table `inet hpt`; `None`: there is no such table.
    Ruleset,
    /// Whether a process listens on a TCP port: [`Setting::LISTENING`], or `None`. It is only read.
    Port(u16),
    /// Why the host must be rebooted, in a few words; `None` if nothing says so. It is only read.
    Reboot,
}

impl Setting {
    /// The module is part of the running kernel.
    pub const LOADED: &str = "loaded";
    /// The module is there to be loaded.
    pub const UNLOADED: &str = "not loaded";
    /// The locale can be used.
    pub const GENERATED: &str = "generated";
    /// A process listens on the port.
    pub const LISTENING: &str = "listening";
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sysctl(key) => write!(f, "the running {key}"),
            Self::Module(name) => write!(f, "the module {name}"),
            Self::Hostname => f.write_str("the running host's name"),
            Self::Mounted(path) => write!(f, "the mount at {path}"),
            Self::Swap(path) => write!(f, "the swap space {path}"),
            Self::Locale(name) => write!(f, "the locale {name}"),
            Self::Ruleset => f.write_str("the loaded rules"),
            Self::Port(port) => write!(f, "TCP port {port}"),
            Self::Reboot => f.write_str("the need of a reboot"),
        }
    }
}

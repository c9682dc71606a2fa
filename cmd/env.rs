//! The environment: each variable that hpt looks at, and the one place where it looks.

/// Declares the variables, each with its text for the reference.
macro_rules! variables {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// A variable that hpt, or what it is made of, looks at.
        #[derive(Clone, Copy)]
        #[expect(non_camel_case_types, clippy::upper_case_acronyms, reason = "as the environment spells them")]
        pub(crate) enum Variable {
            $($(#[doc = $doc])+ $name),+
        }

        impl Variable {
            /// Each with its text.
            #[cfg(test)]
            pub(crate) const ALL: &[(Self, &str)] = &[$((Self::$name, concat!($($doc),+))),+];

            /// Its name in the environment.
            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name)),+
                }
            }
        }
    };
}

variables! {
    /// The keystore, if `--keystore` does not name one; `/etc/hpt/keystore.db` for root, else
    /// `hpt/keystore.db` in `XDG_CONFIG_HOME`.
    HPT_KEYSTORE,
    /// The inventory, if `--inventory` does not name one; `targets.toml` beside the config, or
    /// beside the keystore.
    HPT_INVENTORY,
    /// The shell that asks how a word may go on; what `hpt completion` prints sets it.
    HPT_COMPLETE,
    /// What is logged, on stderr or in the journal: `error`, `warn`, `info`, `debug` or `trace` of
    /// hpt's own code, or `TARGET=LEVEL`; nothing, but `info` for `hpt serve`.
    HPT_LOG,
    /// The key to buckets without `credentials`, with `DO_SECRET_ACCESS_KEY`.
    DO_ACCESS_KEY,
    /// The secret of `DO_ACCESS_KEY`.
    DO_SECRET_ACCESS_KEY,
    /// A session's token that goes with `DO_ACCESS_KEY`; none.
    DO_SESSION_TOKEN,
    /// The key to buckets without `credentials` if there is no `DO_ACCESS_KEY`, with
    /// `AWS_SECRET_ACCESS_KEY`.
    AWS_ACCESS_KEY_ID,
    /// The secret of `AWS_ACCESS_KEY_ID`.
    AWS_SECRET_ACCESS_KEY,
    /// A session's token that goes with `AWS_ACCESS_KEY_ID`; none.
    AWS_SESSION_TOKEN,
    /// A file of certificates, PEM, that are trusted when sources are fetched; the system's.
    SSL_CERT_FILE,
    /// A proxy for whatever is fetched over https, such as `http://10.0.0.1:3128`; none. For buckets
    /// and https sources, `HTTPS_PROXY` and `ALL_PROXY` are as good.
    https_proxy,
    /// Hosts that are reached without a proxy, such as `git.example.org,.internal`; none.
    no_proxy,
    /// The agent that holds ssh keys, for the git that reads `[repo.NAME]`.
    SSH_AUTH_SOCK,
    /// Where git and ssh are looked for.
    PATH,
    /// Where the user's own directories are, if no `XDG_` variable says.
    HOME,
    /// The user's name, for the name that new client keys have; `user`.
    USER,
    /// The directory of the user's own configuration; `~/.config`.
    XDG_CONFIG_HOME,
    /// The directory of what runs without root leave behind; `~/.local/state`.
    XDG_STATE_HOME,
    /// The directory of the locks of runs without root; that of the state.
    XDG_RUNTIME_DIR,
    /// Set by systemd: where `hpt serve` finds what opens a keystore that `hpt seal-keystore` has sealed.
    CREDENTIALS_DIRECTORY,
    /// Set by systemd where stderr is the journal; logs go there with their fields.
    JOURNAL_STREAM,
}

/// What libraries look at by themselves.
#[cfg(test)]
pub(crate) const OF_LIBRARIES: &[(&str, &str)] = &[
    ("NO_COLOR", "No colours, if it is not empty."),
    (
        "CLICOLOR_FORCE",
        "Colours also where no terminal is, if it is not `0`.",
    ),
    ("TERM", "`dumb` has no colours."),
    (
        "COLUMNS",
        "The width of the help, where no terminal tells it; at most 80.",
    ),
    (
        "TMPDIR",
        "Where `hpt` keeps what it fetches while it does; `/tmp`.",
    ),
    (
        "LISTEN_FDS",
        "Set by systemd: the sockets of a `.socket` unit that `hpt serve` takes over. `LISTEN_PID` goes with it.",
    ),
    (
        "NOTIFY_SOCKET",
        "Set by systemd: where `hpt serve` says that it is ready.",
    ),
];

/// The value of a variable; empty counts as not set.
pub(crate) fn env(variable: Variable) -> Option<String> {
    named(variable.name())
}

/// The value of a variable that a config names.
#[allow(
    clippy::disallowed_methods,
    reason = "cmd/ reads the environment, here alone"
)]
pub(crate) fn named(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

//! Keys that are made here, and the files that a `[[package_repo]]` makes of them.

use super::*;
use crate::config::scope::Scope;
use crate::config::{self, File};
use crate::host::Observe as _;
use crate::host::facts::Facts;
use crate::host::memory::Memory;
use crate::name::AbsPath;
use crate::run::apply;

/// Whether programs are there that a test cannot do without. The test passes unseen without them,
/// unless all must run.
#[allow(
    clippy::disallowed_methods,
    reason = "a test is asked for by its environment"
)]
pub(super) fn has(tools: &[&str]) -> bool {
    let missing: Vec<&&str> = tools
        .iter()
        .filter(|tool| !Path::new("/usr/bin").join(tool).exists())
        .collect();
    assert!(
        missing.is_empty() || std::env::var("HPT_REQUIRE_ALL").is_err(),
        "this test needs {missing:?}"
    );
    missing.is_empty()
}

/// A pair of keys of somebody called lab.
pub(super) struct Keys(TempDir);

impl Keys {
    pub(super) fn new() -> Self {
        let keys = Self(tempfile::tempdir().unwrap());
        let options = ["--batch", "--quiet", "--passphrase", "", "--quick-gen-key"];
        keys.gpg(&[&options[..], &["lab", "ed25519", "sign", "never"]].concat());
        keys
    }

    pub(super) fn home(&self) -> String {
        self.0.path().display().to_string()
    }

    /// The public key, armoured.
    pub(super) fn public(&self) -> String {
        self.gpg(&["--batch", "--quiet", "--armor", "--export"])
    }

    pub(super) fn gpg(&self, args: &[&str]) -> String {
        let call = Spawn::tool("gpg", args.iter().copied()).env("GNUPGHOME", &self.home());
        let mut out = Vec::new();
        let end = call.run(&mut |stream, bytes| {
            if stream == crate::host::Stream::Stdout {
                out.extend_from_slice(bytes);
            }
        });
        assert_eq!(end.unwrap(), End::Exit(0), "gpg {args:?}");
        String::from_utf8(out).unwrap()
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        // gpg leaves an agent behind, which ends when it is told so.
        let end = Spawn::tool("gpgconf", ["--kill", "all"]).env("GNUPGHOME", &self.home());
        let _ = end.run(&mut |_, _| {});
    }
}

/// Files by path, as a block makes them.
pub(super) struct Files(Vec<(&'static str, String)>);

impl Files {
    /// What `[[package_repo]]` with these fields and this key makes of a host.
    pub(super) fn of(manager: &str, fields: &str, key: &str) -> Self {
        let text = format!("[[package_repo]]\nname = \"lab\"\nkey = '''\n{key}'''\n{fields}");
        let name = "lab.toml".to_owned();
        let scope = Scope {
            facts: Some(Facts::default()),
            secrets: Some([].into()),
            ..Scope::default()
        };
        let config = config::parse(vec![File { name, text }], scope);
        let config = config.unwrap_or_else(|faults| panic!("{faults:#?}"));
        let mut host = Memory::new(Facts {
            package_manager: manager.to_owned(),
            ..Facts::default()
        });
        let report = apply(&config, &mut host, &mut ());
        assert!(report.succeeded(), "{report:?}");
        let paths = [
            "/etc/apt/sources.list.d/lab.sources",
            "/etc/apt/keyrings/lab.asc",
            "/etc/yum.repos.d/lab.repo",
            "/etc/pki/rpm-gpg/RPM-GPG-KEY-hpt-lab",
        ];
        let read = |path| {
            let bytes = host.read(&AbsPath::parse(path).unwrap()).unwrap()?;
            Some((path, String::from_utf8(bytes.to_vec()).unwrap()))
        };
        Self(paths.into_iter().filter_map(read).collect())
    }

    /// Writes them below a root, whose paths they then name.
    pub(super) fn write(&self, root: &Path) {
        let key_in_root = |text: &str| {
            let root = root.display();
            text.replace("file:///etc/pki", &format!("file://{root}/etc/pki"))
                .replace("Signed-By: ", &format!("Signed-By: {root}"))
        };
        for (path, text) in &self.0 {
            let at = root.join(path.trim_start_matches('/'));
            fs::create_dir_all(at.parent().unwrap()).unwrap();
            fs::write(at, key_in_root(text)).unwrap();
        }
    }
}

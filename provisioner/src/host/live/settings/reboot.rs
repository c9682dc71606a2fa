//! Whether the host says that it must be rebooted. No process is started.

use std::cmp::Ordering;
use std::fs;
use std::path::Path;

/// Why it must be rebooted, if something says so.
pub(super) fn needed() -> Option<String> {
    if Path::new("/run/reboot-required").exists() {
        return Some("/run/reboot-required is there".to_owned());
    }
    let running = rustix::system::uname()
        .release()
        .to_string_lossy()
        .into_owned();
    let names = |dir: &str| -> Vec<String> {
        let entries = fs::read_dir(dir).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.collect()
    };
    let installed = names("/lib/modules").into_iter().filter(|release| {
        let files = [
            format!("/boot/vmlinuz-{release}"),
            format!("/lib/modules/{release}/vmlinuz"),
        ];
        files.iter().any(|file| Path::new(file).exists())
    });
    newer(&running, installed)
        .map(|newer| format!("kernel {newer} is installed, and {running} runs"))
}

/// The newest of these kernels that is of the kind that runs, if that is not the one that does.
fn newer(running: &str, installed: impl Iterator<Item = String>) -> Option<String> {
    let of_kind = installed.filter(|release| flavour(release) == flavour(running));
    let newest = of_kind.max_by(|a, b| compare(a, b))?;
    (compare(&newest, running) == Ordering::Greater).then_some(newest)
}

/// What tells kernels apart that are installed side by side: the letters of `6.1.0-30-cloud-amd64`.
fn flavour(release: &str) -> String {
    release.chars().filter(char::is_ascii_alphabetic).collect()
}

/// Numbers by their value, and all else by its letters.
fn compare(a: &str, b: &str) -> Ordering {
    let parts = |text: &str| -> Vec<(u64, String)> {
        let pieces = text.split(['.', '-', '_', '+']);
        let piece = |piece: &str| match piece.parse() {
            Ok(number) => (number, String::new()),
            Err(_) => (0, piece.to_owned()),
        };
        pieces.map(piece).collect()
    };
    parts(a).cmp(&parts(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_kernel_of_the_same_kind_asks_for_a_reboot() {
        let among = |running: &str, installed: &[&str]| {
            newer(running, installed.iter().map(ToString::to_string))
        };
        let newest = |running, installed| among(running, installed).unwrap_or_default();
        let debian = ["6.1.0-9-amd64", "6.1.0-30-amd64", "6.12.9-cloud-amd64"];
        assert_eq!(newest("6.1.0-9-amd64", &debian), "6.1.0-30-amd64");
        assert_eq!(newest("6.1.0-30-amd64", &debian), "");
        let fedora = ["6.5.6-300.fc39.x86_64", "6.11.4-301.fc41.x86_64"];
        assert_eq!(newest(fedora[0], &fedora), fedora[1]);
        let enterprise = ["5.14.0-427.el9.x86_64", "5.14.0-427.13.1.el9_4.x86_64"];
        assert_eq!(newest(enterprise[1], &enterprise), "");
        // A container runs a kernel that is not its own.
        assert_eq!(newest("6.18.1-lab", &debian), "");
        assert_eq!(newest("6.1.0-9-amd64", &[]), "");
    }
}

//! User-data by which cloud-init installs hpt on a host at its first boot.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use hpt_keystore::{Identity, TargetName};
use zeroize::Zeroizing;

use super::load::{HOST, Load, sha256};

const WAY: &str = include_str!("cloud_init.sh");
/// As far as the script is indented in the user-data.
const INDENT: &str = "      ";
/// A line of base64.
const WIDTH: usize = 76;

/// From where a host fetches the program, at its first boot.
#[derive(Clone, Debug)]
pub(crate) struct ProgramUrl(String);

impl ProgramUrl {
    /// Checks that it is one, and a word to a shell.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/?#[]@!$&()*+,;=%".contains(c);
        let begins = ["https://", "http://"];
        if !begins.iter().any(|begin| text.starts_with(begin)) || !text.chars().all(is_plain) {
            return Err("it begins with https:// or http://, and has what else is allowed in a URL (%27 is a quote)".into());
        }
        Ok(Self(text.to_owned()))
    }
}

/// The user-data.
pub(crate) fn user_data(
    name: &TargetName,
    identity: &Identity,
    url: &ProgramUrl,
    load: &Load<'_>,
) -> Zeroizing<Vec<u8>> {
    let ProgramUrl(url) = url;
    let mut text = format!(
        "#cloud-config\n\
         # At its first boot a host becomes {name} ({}):\n\
         # it fetches hpt from {url},\n\
         # takes it only if it has the sha256 below, and serves with the keys that are in here.\n\
         #\n\
         # SECRET. These are the private keys of {name}: who reads them can pose as {name}. User-data stays with the\n\
         # cloud, and whoever on the host can reach its metadata service can read it there: any user and any program,\n\
         # where nothing keeps them from it. cloud-init keeps a copy in /var/lib/cloud, for root alone.\n\
         runcmd:\n\
         - - sh\n  - -c\n  - |\n",
        identity.fingerprint()
    );
    let way = WAY
        .replace("@MACHINE@", load.program.machine)
        .replace("@URL@", url)
        .replace("@SHA256@", &sha256([&load.program.bytes[..]]))
        .replace("@KEYSTORE@", &packed(load.keystore))
        .replace("@UNIT@\n", load.unit)
        .replace("@SIZES@", &load.sizes())
        .replace("@NAME@", name.as_str());
    for line in HOST.lines().chain(way.lines()) {
        let indent = if line.is_empty() { "" } else { INDENT };
        text += &format!("{indent}{line}\n");
    }
    Zeroizing::new(text.into_bytes())
}

/// A keystore is mostly empty, and user-data is at most 16 KiB on some clouds.
fn packed(keystore: &[u8]) -> String {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(keystore).expect("a vector takes all");
    let text = STANDARD.encode(gzip.finish().expect("a vector takes all"));
    let lines: Vec<&str> = (0..text.len())
        .step_by(WIDTH)
        .map(|begin| &text[begin..text.len().min(begin + WIDTH)])
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_a_word_to_a_shell() {
        for good in [
            "https://dl.example.org/hpt",
            "http://10.0.0.1:8000/a?b=c&d=%20",
        ] {
            assert!(ProgramUrl::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "dl.example.org/hpt",
            "ftp://x/hpt",
            "https://x/'$(id)'",
            "https://x/a b",
            "http://x/\n",
        ] {
            assert!(ProgramUrl::parse(bad).is_err(), "{bad}");
        }
    }
}

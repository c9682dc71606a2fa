//! How git proves who it is and whom it talks to: keys and passwords in private files, host keys
//! pinned, nothing in an argument (X5, S1).

use std::path::Path;

use super::private::PrivateDir;
use crate::effect::CloneJob;
use crate::host::HostError;

/// Refuses a URL that is neither https nor ssh, or that could be taken for an option or two lines.
pub(super) fn check_url(url: &str) -> Result<(), HostError> {
    let refused = |why: &str| Err(HostError::Refused(format!("the repository's URL {why}")));
    if url.contains(|c: char| c.is_control() || c.is_whitespace()) {
        return refused("holds a space or a control character");
    }
    let rest = match url.split_once("://") {
        Some(("https" | "ssh", rest)) => rest,
        // The short form of ssh: user@host:path.
        None if url.contains('@') && url.contains(':') => url,
        _ => return refused("begins with neither https:// nor ssh://"),
    };
    let authority = rest.split(['/', ':']).next().unwrap_or_default();
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    if host.is_empty() || host.starts_with('-') || user.starts_with('-') || url.starts_with('-') {
        return refused("has no proper host");
    }
    if url.starts_with("https://") && rest.split('/').next().is_some_and(|a| a.contains('@')) {
        return refused("holds a user or password; `user` and `password` are for that");
    }
    Ok(())
}

/// The setting that makes git ask our file for the password, on this server alone.
///
/// A snippet for git's shell with a path in it that is our own; the password itself is in the file.
pub(super) fn credential(
    job: &CloneJob,
    private: &PrivateDir,
) -> Result<Option<(String, String)>, HostError> {
    let Some(password) = &job.password else {
        return Ok(None);
    };
    let Some((_, rest)) = job.url.split_once("https://") else {
        return Err(HostError::Refused(
            "a password is for https; ssh takes a deploy key".into(),
        ));
    };
    let user = job.user.as_deref().unwrap_or("git");
    if user.contains(char::is_control) || password.expose().contains(char::is_control) {
        let why = "the user or password for the repository holds a control character";
        return Err(HostError::Refused(why.into()));
    }
    let text =
        zeroize::Zeroizing::new(format!("username={user}\npassword={}\n", password.expose()));
    let file = private.file("credential", text.as_bytes(), false)?;
    let server = rest.split('/').next().unwrap_or_default();
    let key = format!("credential.https://{server}.helper");
    Ok(Some((key, format!("!cat {}; :", quoted(&file)))))
}

/// The ssh command: no questions, no configuration, no agent; host keys must be known already.
pub(super) fn ssh(job: &CloneJob, private: &PrivateDir) -> Result<String, HostError> {
    let mut command = "ssh -F /dev/null -o BatchMode=yes -o StrictHostKeyChecking=yes \
                       -o IdentitiesOnly=yes -o IdentityAgent=none -o ForwardAgent=no \
                       -o ConnectTimeout=30"
        .to_owned();
    if let Some(hosts) = &job.known_hosts {
        let file = private.file("known_hosts", format!("{hosts}\n").as_bytes(), false)?;
        command.push_str(" -o GlobalKnownHostsFile=/dev/null -o UserKnownHostsFile=");
        command.push_str(&quoted(&file));
    }
    if let Some(key) = &job.deploy_key {
        let text = zeroize::Zeroizing::new(format!("{}\n", key.expose().trim_end()));
        let file = private.file("key", text.as_bytes(), false)?;
        command.push_str(" -i ");
        command.push_str(&quoted(&file));
    }
    Ok(command)
}

/// A path of our own as one word of a shell; it holds no quote.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// X5.
    #[test]
    fn only_https_and_ssh_urls_with_a_proper_host_pass() {
        for good in [
            "https://git.foo.com/p",
            "ssh://git@host/p",
            "git@host:p.git",
            "ssh://host:22/p",
            "https://h:8443/x",
        ] {
            assert!(check_url(good).is_ok(), "{good}");
        }
        let bad = [
            "",
            "http://h/p",
            "git://h/p",
            "file:///etc",
            "/srv/git",
            "ext::sh -c id",
            "ssh://-oProxyCommand=id/p",
            "-oProxyCommand=id@h:p",
            "ssh://-x@h/p",
            "https://",
            "https:///p",
            "https://u:p@h/p",
            "https://h/p\r",
            "https://h/a b",
            "https://h/p\nx",
            "ssh://git@-h/p",
            "HTTPS://h/p",
            "fd::17",
            "user@-h:p",
        ];
        for url in bad {
            assert!(check_url(url).is_err(), "{url:?}");
        }
    }
}

//! Sources in git repositories: one file of one commit, without a working tree (X5).

use std::path::Path;
use std::process::{Command, Stdio};

use hpt_provisioner::config::resource::Repo;

use super::tree::Tree;
use super::{Found, keep};
use crate::env::{Variable, env};
use crate::error::{CommandError, Exit};
use crate::terminal::{text_of, visible};

/// Fetches a repository's file.
pub(super) fn show(repo: &Repo, path: &str, sha256: Option<&str>) -> Found {
    let path = argument(path)?;
    let dir = fetch(repo)?;
    let name = format!("{path} of {}", repo.url);
    let blob = format!("FETCH_HEAD:{path}");
    read(repo, dir.path(), &["cat-file", "blob", &blob], |out| {
        keep(out, &name, sha256)
    })
}

/// Fetches all that a repository has below a directory.
pub(super) fn tree(repo: &Repo, path: &str) -> Result<Tree, CommandError> {
    let path = argument(path.trim_end_matches('/'))?;
    let dir = fetch(repo)?;
    let of = format!("{path} of {}", repo.url);
    let below = format!("FETCH_HEAD:{path}");
    // What `export-ignore` and the like say in a repository is not about its use here.
    let attributes = dir.path().join("info/attributes");
    std::fs::write(&attributes, "* -export-ignore -export-subst\n")
        .map_err(|why| failed(repo, &why))?;
    read(
        repo,
        dir.path(),
        &["archive", "--format=tar", &below],
        |out| {
            let mut tree = Tree::default();
            let mut archive = tar::Archive::new(out);
            for entry in archive.entries().map_err(|why| failed(repo, &why))? {
                let mut entry = entry.map_err(|why| failed(repo, &why))?;
                let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
                match entry.header().entry_type() {
                    tar::EntryType::Directory | tar::EntryType::XGlobalHeader => {}
                    tar::EntryType::Regular => {
                        let mode = entry.header().mode().map_err(|why| failed(repo, &why))?;
                        tree.fetch(&name, mode & 0o100 != 0, &mut entry, &of)?;
                    }
                    _ => {
                        let why = format!(
                            "`{}` is a link, which a [[sync]] does not copy",
                            visible(&name)
                        );
                        return Err(failed(repo, &why));
                    }
                }
            }
            Ok(tree)
        },
    )
}

fn failed(repo: &Repo, why: &dyn std::fmt::Display) -> CommandError {
    let what = format!("cannot fetch {}: {why}", visible(&repo.url));
    CommandError::new(Exit::Failed, what)
}

/// A bare repository that has the one commit.
fn fetch(repo: &Repo) -> Result<tempfile::TempDir, CommandError> {
    let rev = repo.rev.as_deref().unwrap_or("HEAD");
    let (url, rev) = (argument(&repo.url)?, argument(rev)?);
    if !(url.starts_with("https://") || url.starts_with("ssh://") || is_scp_like(url)) {
        let what = format!(
            "[repo] {}: a repository is reached by https or ssh",
            visible(url)
        );
        return Err(CommandError::new(Exit::Config, what));
    }
    let failed = |why: &dyn std::fmt::Display| failed(repo, why);
    let dir = tempfile::tempdir().map_err(|why| failed(&why))?;
    run(dir.path(), &["init", "--quiet", "--bare", "."]).map_err(|why| failed(&why))?;
    let fetch = [
        "fetch",
        "--quiet",
        "--depth=1",
        "--no-tags",
        "--no-recurse-submodules",
        "--",
        url,
        rev,
    ];
    run(dir.path(), &fetch).map_err(|why| failed(&why))?;
    Ok(dir)
}

/// Reads what git writes.
fn read<T>(
    repo: &Repo,
    dir: &Path,
    args: &[&str],
    take: impl FnOnce(&mut std::process::ChildStdout) -> Result<T, CommandError>,
) -> Result<T, CommandError> {
    let failed = |why: &dyn std::fmt::Display| failed(repo, why);
    let mut child = git(dir, args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|why| failed(&why))?;
    let mut out = child.stdout.take().expect("it was piped");
    let taken = take(&mut out);
    drop(out);
    let end = child.wait_with_output().map_err(|why| failed(&why))?;
    if end.status.success() || taken.is_err() && end.stderr.is_empty() {
        taken
    } else {
        Err(failed(&last_line(&end.stderr)))
    }
}

/// A text that git cannot take for an option, nor read otherwise than it stands.
fn argument(text: &str) -> Result<&str, CommandError> {
    if text.is_empty() || text.starts_with('-') || text.chars().any(char::is_control) {
        let what = format!(
            "[repo] `{}` begins with a dash or holds control characters",
            visible(text)
        );
        return Err(CommandError::new(Exit::Config, what));
    }
    Ok(text)
}

/// `git@host:path`, as people write ssh URLs.
fn is_scp_like(url: &str) -> bool {
    !url.contains("://")
        && url
            .split_once(':')
            .is_some_and(|(host, _)| host.contains('@') && !host.contains('/'))
}

fn run(dir: &Path, args: &[&str]) -> Result<(), String> {
    let output = git(dir, args).output().map_err(|why| match why.kind() {
        std::io::ErrorKind::NotFound => "git is not installed here".to_owned(),
        _ => why.to_string(),
    })?;
    if output.status.success() {
        Ok(())
    } else {
        Err(last_line(&output.stderr))
    }
}

/// git without hooks, prompts, or configuration of the machine; what lets it in stays: the agent,
/// and ssh's own configuration.
#[allow(
    clippy::disallowed_methods,
    reason = "a process of the workstation; fixed arguments"
)]
fn git(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new("git");
    command.current_dir(dir).stdin(Stdio::null()).env_clear();
    for name in [
        Variable::PATH,
        Variable::HOME,
        Variable::SSH_AUTH_SOCK,
        Variable::SSL_CERT_FILE,
        Variable::https_proxy,
        Variable::no_proxy,
    ] {
        if let Some(value) = env(name) {
            command.env(name.name(), value);
        }
    }
    // git's own word for it: not every libcurl looks at the other.
    if let Some(bundle) = env(Variable::SSL_CERT_FILE) {
        command.env("GIT_SSL_CAINFO", bundle);
    }
    command
        .env("GIT_ALLOW_PROTOCOL", "https:ssh")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_ASKPASS", "/bin/false")
        .env("GIT_SSH_COMMAND", "ssh -oBatchMode=yes")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("LC_ALL", "C")
        .args([
            "-c",
            "core.hooksPath=/dev/null",
            "-c",
            "protocol.file.allow=never",
        ])
        .args(args);
    command
}

fn last_line(stderr: &[u8]) -> String {
    let text = text_of(stderr);
    let line = text
        .lines()
        .rfind(|line| !line.trim().is_empty())
        .unwrap_or("git failed");
    visible(line.trim()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repo(url: &str, rev: Option<&str>) -> Repo {
        Repo {
            url: url.into(),
            rev: rev.map(Into::into),
        }
    }

    #[test]
    fn what_could_be_an_option_or_another_protocol_is_refused() {
        for (url, rev, path) in [
            ("--upload-pack=touch /tmp/x", None, "a"),
            ("ext::sh -c touch% /tmp/x", None, "a"),
            ("file:///etc", None, "a"),
            ("/etc", None, "a"),
            ("http://example.org/x", None, "a"),
            ("https://example.org/x", Some("--output=/tmp/x"), "a"),
            ("https://example.org/x\r", None, "a"),
            ("https://example.org/x", None, "-a"),
        ] {
            let error = show(&repo(url, rev), path, None).err().unwrap();
            assert_eq!(error.exit, Exit::Config, "{url}");
        }
        assert!(is_scp_like("git@example.org:x/y.git") && !is_scp_like("/a:b@c"));
    }
}

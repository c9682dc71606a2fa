//! `[[clone]]`: a git repository's working tree.

use serde::Deserialize;

use crate::block::{Action, Decision, Holding, Kind, Verb};
use crate::effect::{CloneJob, Effect};
use crate::host::overlay::Fate;
use crate::host::{Checkout, EntryKind, HostError, Key};
use crate::name::{AbsPath, UserName, is_hidden};
use crate::secret::Secret;
use crate::source::{holds_password, without_password};
use crate::view::View;

/// A git repository's working tree, cloned by https or ssh. Once it is there it stays as it is, unless
/// `rev` is another commit or `update` is said.
///
/// ```toml
/// [[clone]]
/// url = "https://git.example.org/app"
/// dest = "/opt/app"
/// rev = "v2.4.1"
/// owner = "app"
/// ```
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clone {
    /// Where it comes from: an https or ssh URL, or `git@host:path`, such as
    /// `"https://git.example.org/app"`. It holds no password.
    url: String,
    /// Where the working tree is, such as `"/opt/app"`.
    dest: AbsPath,
    /// A branch, tag or commit, such as `"v2.4.1"`; the branch that the server names.
    rev: Option<String>,
    /// Only so many commits of history, 1 or more; all of them.
    depth: Option<u32>,
    /// Whether submodules are cloned too; false.
    #[serde(default)]
    submodules: bool,
    /// The user who runs git and owns what it makes; root.
    owner: Option<UserName>,
    /// Whether every run fetches, and follows the branch; false.
    #[serde(default)]
    update: bool,
    /// Whether local changes that stand in the way are thrown away; false.
    #[serde(default)]
    force: bool,
    /// A private key for ssh: the key itself, such as `"{{ secret.deploy }}"`, and not its path; the
    /// keys of `owner`.
    key: Option<Secret>,
    /// Lines of `known_hosts` with the server's key; the host's own files if it is not given.
    known_hosts: Option<String>,
    /// The name to log in with over https, such as `"git"`; none.
    user: Option<String>,
    /// The password or token for https, such as `"{{ secret.token }}"`; none.
    password: Option<Secret>,
}

impl Kind for Clone {
    const NAME: &'static str = "clone";

    fn primary(&self) -> String {
        self.dest.to_string()
    }

    fn check(&self, complain: &mut dyn FnMut(&'static str, String)) {
        if let Err(why) = check_url(&self.url) {
            complain("url", why.to_owned());
        }
        if let Some(rev) = &self.rev
            && !is_rev(rev)
        {
            let what = "a rev is a branch, tag or commit: letters, digits and `. _ - / +`, not beginning with `-`";
            complain("rev", what.to_owned());
        }
        if self.depth == Some(0) {
            complain("depth", "a depth is at least 1".to_owned());
        }
        if let Some(user) = &self.user
            && (user.is_empty() || user.chars().any(|c| c.is_control() || c == '@' || c == ':'))
        {
            complain(
                "user",
                "a name to log in with has no `@`, `:` or control characters".to_owned(),
            );
        }
        if let Some(key) = &self.key
            && !key.expose().trim_start().starts_with("-----BEGIN ")
        {
            let what = "`key` is the private key itself: give its path to a [secret.NAME] as `file`, and write \"{{ secret.NAME }}\" here";
            complain("key", what.to_owned());
        }
        if self
            .password
            .as_ref()
            .is_some_and(|p| p.expose().contains(['\n', '\r', '\0']))
        {
            complain("password", "a password is one line".to_owned());
        }
    }

    fn reads(&self) -> Vec<Key> {
        let dest = [
            Key::Checkout(self.dest.clone()),
            Key::Path(self.dest.clone()),
        ];
        dest.into_iter()
            .chain(self.owner.clone().map(Key::User))
            .collect()
    }

    fn secrets(&self) -> Vec<&Secret> {
        self.key.iter().chain(&self.password).collect()
    }

    fn holdings(&self) -> Vec<Holding> {
        vec![Holding::of([Key::Path(self.dest.clone())])]
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, HostError> {
        if !view.powers().exec {
            let why = "git runs on a host that runs; this is a directory";
            return Ok(Decision::Blocked(why.to_owned()));
        }
        if let Some(owner) = &self.owner {
            match view.has_user(owner)? {
                Fate::Is(true) => {}
                Fate::Unknown(cause) => return Ok(Decision::Maybe(cause)),
                Fate::Is(false) => return Ok(Decision::without_user(owner)),
            }
        }
        let checkout = match view.checkout(&self.dest)? {
            Fate::Is(checkout) => checkout,
            Fate::Unknown(cause) => return Ok(Decision::Maybe(cause)),
        };
        if let Some(checkout) = checkout {
            let decision = self.judge(&checkout);
            if matches!(decision, Decision::Act(_)) {
                let own = self.dest.join(".git").ok();
                for place in own.iter().chain([&self.dest]) {
                    if let Some(stop) = self.foreign(place, view)? {
                        return Ok(stop);
                    }
                }
            }
            return Ok(decision);
        }
        match view.path(&self.dest)? {
            Fate::Unknown(cause) => Ok(Decision::Maybe(cause)),
            Fate::Is(Some(entry)) if entry.kind != EntryKind::Dir => Ok(Decision::Blocked(
                format!("{} is there and is no directory", self.dest),
            )),
            // A directory that is empty is given to the `owner` who is named.
            Fate::Is(entry) if self.owner.is_none() => match self.foreign(&self.dest, view)? {
                Some(stop) => Ok(stop),
                None => self.judge_place(entry.is_some(), view),
            },
            Fate::Is(entry) => self.judge_place(entry.is_some(), view),
        }
    }
}

impl Clone {
    /// What stops git where what is there is not its user's: such a tree could name programs to run.
    fn foreign(&self, place: &AbsPath, view: &View<'_>) -> Result<Option<Decision>, HostError> {
        let root = UserName::parse("root").expect("a valid name");
        let runs = match &self.owner {
            Some(owner) => owner,
            None if view.powers().accounts => &root,
            None => return Ok(None), // whoever hpt runs as
        };
        let entry = match view.path(place)? {
            Fate::Is(Some(entry)) => entry,
            Fate::Is(None) => return Ok(None),
            Fate::Unknown(cause) => return Ok(Some(Decision::Maybe(cause))),
        };
        let why = || {
            format!(
                "{place} is not {runs}'s, and git, which runs as {runs}, refuses what is somebody else's; give it to {runs}, or name its owner as `owner`"
            )
        };
        let own = view.owned_by(&entry, runs)?;
        Ok((!own).then(|| Decision::Blocked(why())))
    }

    /// Whether a working tree can be made where there is none, in a directory that is there or not.
    fn judge_place(&self, is_there: bool, view: &View<'_>) -> Result<Decision, HostError> {
        match view.holds(&self.dest)? {
            Fate::Is(false) => {}
            Fate::Unknown(cause) => return Ok(Decision::Maybe(cause)),
            Fate::Is(true) => {
                return Ok(Decision::Blocked(format!(
                    "{} holds files and is no git working tree; empty it first, or choose another `dest`",
                    self.dest
                )));
            }
        }
        if !is_there {
            match view.has_parent(&self.dest)? {
                Fate::Is(true) => {}
                Fate::Unknown(cause) => return Ok(Decision::Maybe(cause)),
                Fate::Is(false) => return Ok(Decision::without_parent(&self.dest)),
            }
        }
        let at = self.rev.as_deref().map(|rev| format!(" at {rev}"));
        let at = at.unwrap_or_default();
        Ok(self.act(Verb::Create, format!("{}{at}", self.url)))
    }

    fn judge(&self, now: &Checkout) -> Decision {
        if now.origin.as_deref() != Some(self.url.as_str()) {
            let was = now.origin.as_deref().map(without_password);
            let was = was.as_deref().unwrap_or("no remote");
            return Decision::Blocked(format!(
                "{} is a clone of {was}; remove it first, or choose another `dest`",
                self.dest
            ));
        }
        let Some(rev) = &self.rev else {
            return self.follow(now);
        };
        let head = now.head.as_deref().unwrap_or_default();
        let there = now.branch.as_deref() == Some(rev)
            || head == rev
            || now.rev.as_deref() == Some(rev)
            || (rev.len() >= 7 && is_hex(rev) && head.starts_with(rev.as_str()));
        if there {
            return if now.branch.as_deref() == Some(rev) {
                self.follow(now)
            } else {
                Decision::InPlace
            };
        }
        let was = now
            .branch
            .clone()
            .unwrap_or_else(|| head.chars().take(12).collect());
        self.act(Verb::Update, format!("{was} -> {rev}"))
    }

    /// A branch is followed only if asked to, since only the server knows where it is now.
    fn follow(&self, now: &Checkout) -> Decision {
        if !self.update {
            return Decision::InPlace;
        }
        let branch = now.branch.as_deref().unwrap_or("its branch");
        match self.act(Verb::Run, format!("fetch, and follow {branch}")) {
            Decision::Act(action) => Decision::Act(Action {
                repeats: true,
                ..action
            }),
            other => other,
        }
    }

    fn act(&self, verb: Verb, words: String) -> Decision {
        let job = CloneJob {
            url: self.url.clone(),
            dest: self.dest.clone(),
            rev: self.rev.clone(),
            depth: self.depth,
            submodules: self.submodules,
            owner: self.owner.clone(),
            force: self.force,
            deploy_key: self.key.clone(),
            known_hosts: self.known_hosts.clone(),
            user: self.user.clone(),
            password: self.password.clone(),
        };
        Decision::Act(Action::new(verb, words, vec![Effect::Clone(Box::new(job))]))
    }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|c| c.is_ascii_hexdigit())
}

/// Whether a text can name a revision and can be nothing else to git (X5).
fn is_rev(text: &str) -> bool {
    let good = |c: u8| c.is_ascii_alphanumeric() || b"._-/+".contains(&c);
    !text.is_empty()
        && text.len() <= 256
        && text.bytes().all(good)
        && !text.starts_with(['-', '/', '.'])
        && !text.contains("..")
        && !text.ends_with(['/', '.'])
        && text.strip_suffix(".lock").is_none()
}

/// What is wrong with a repository's URL (X5).
fn check_url(url: &str) -> Result<(), &'static str> {
    const FORMS: &str =
        "a repository's URL is https://host/path, ssh://user@host/path or user@host:path";
    if url.len() > 2048 || url.chars().any(|c| is_hidden(c) || c.is_whitespace()) {
        return Err("a URL holds no spaces and no control characters");
    }
    let (host, path) = if let Some(rest) = url.strip_prefix("https://") {
        let (authority, path) = rest.split_once('/').ok_or(FORMS)?;
        if authority.contains('@') {
            return Err("a URL holds no name and no password; use `user` and `password`");
        }
        (authority, path)
    } else if let Some(rest) = url.strip_prefix("ssh://") {
        if holds_password(url) {
            return Err("a URL holds no password; ssh takes a `key`");
        }
        rest.split_once('/').ok_or(FORMS)?
    } else if url.contains("://") || url.starts_with('/') {
        return Err(FORMS);
    } else {
        let (host, path) = url.split_once(':').ok_or(FORMS)?;
        if !host.contains('@') || path.starts_with(':') {
            return Err(FORMS); // `ext::...` runs a command
        }
        (host, path)
    };
    let good = |c: u8| c.is_ascii_alphanumeric() || b".-_:@[]".contains(&c);
    let parts_safe = host
        .split('@')
        .all(|part| !part.is_empty() && !part.starts_with('-'));
    if !parts_safe || !host.bytes().all(good) || path.is_empty() || path.starts_with('-') {
        return Err(FORMS);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_git_would_run_or_misread_are_refused() {
        for bad in [
            "",
            "file:///etc",
            "/srv/git",
            "ext::sh -c id",
            "git://h/p",
            "http://h/p",
            "ssh://-oProxyCommand=id/p",
            "-u@h:p",
            "git@-h:p",
            "git@h:-p",
            "https://u:p@h/x",
            "https://h",
            "https:///x",
            "a\nb",
            "https://h/a b",
            "h:p",
            "https://h/\u{7f}",
        ] {
            assert!(check_url(bad).is_err(), "{bad:?}");
        }
        for good in [
            "https://git.foo.com/project",
            "ssh://git@h:2222/srv/x.git",
            "git@github.com:a/b.git",
        ] {
            assert_eq!(check_url(good), Ok(()), "{good:?}");
        }
    }

    #[test]
    fn revisions_are_names_and_nothing_else() {
        for bad in [
            "",
            "-x",
            "--upload-pack=id",
            "a..b",
            "a b",
            "a\n",
            "x.lock",
            "/a",
            "a~1",
            "a^",
            "a:b",
            "@{-1}",
        ] {
            assert!(!is_rev(bad), "{bad:?}");
        }
        for good in [
            "main",
            "v2.4.1",
            "feature/x",
            "0123456789abcdef0123456789abcdef01234567",
        ] {
            assert!(is_rev(good), "{good:?}");
        }
    }
}

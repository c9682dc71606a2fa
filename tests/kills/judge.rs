//! What a run may leave behind that died or failed at some call, and what the next one must make of it.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use super::host::{Host, Ran};
use super::tree::{Entry, Tree, What};

/// What a whole run does, one block after the other.
pub struct Reference {
    /// The host before it, and after each block.
    steps: Vec<Tree>,
    /// The ids of each block's blocks.
    ids: Vec<Vec<String>>,
    /// How each block stands in a plan after it: "ok", but for what runs every time.
    verdicts: HashMap<String, String>,
    state: Vec<String>,
    /// The exit code of a plan after it.
    rest: Option<i32>,
}

type Verdict = Result<(), String>;

impl Reference {
    pub fn of(host: &Host<'_>) -> Self {
        host.reset();
        let (mut steps, mut ids, mut known) = (vec![host.tree()], Vec::new(), BTreeSet::new());
        for count in 1..=host.case.blocks.len() {
            host.reset();
            host.write_config(&host.case.blocks[..count]);
            let ran = host.provision(&[]);
            assert_eq!(ran.code, Some(0), "{}: {}", host.case.name, ran.said);
            steps.push(host.tree());
            let mut new: Vec<_> = verdicts(&ran.out).into_keys().collect();
            new.retain(|id| known.insert(id.clone()));
            ids.push(new);
        }
        let plan = host.plan();
        Self {
            steps,
            ids,
            verdicts: verdicts(&plan.out),
            state: host.state(),
            rest: plan.code,
        }
    }

    fn before(&self) -> &Tree {
        &self.steps[0]
    }

    fn after(&self) -> &Tree {
        &self.steps[self.steps.len() - 1]
    }

    /// After a run that was killed: nothing is torn, what the next run says of it is right, and it
    /// and the one after it bring about what the whole run would have.
    pub fn judge_killed(&self, host: &Host<'_>, ran: &Ran) -> Verdict {
        let now = host.tree();
        self.whole(&now)?;
        host.settle();
        let next = host.provision(&[]);
        self.true_words(ran, &now, &next)?;
        self.converges(host, next)
    }

    /// After a host came up again that had lost its power: as after a kill, and nothing is gone that
    /// somebody was told of.
    pub fn judge_lost(&self, host: &Host<'_>, ran: &Ran) -> Verdict {
        let now = host.tree();
        self.whole(&now)?;
        let plan = host.plan();
        let rest = verdicts(&plan.out);
        for id in told_changed(&ran.out) {
            if rest.get(&id) != self.verdicts.get(&id) {
                return Err(format!(
                    "{id} was told as changed and is gone: {}",
                    plan.said
                ));
            }
        }
        host.settle();
        let next = host.provision(&[]);
        self.true_words(ran, &now, &next)?;
        self.converges(host, next)
    }

    /// After a run in which a call failed: it says why, unless it could do without.
    pub fn judge_failed(&self, host: &Host<'_>, ran: &Ran, cause: &str) -> Verdict {
        let now = host.tree();
        self.whole(&now)?;
        match ran.code {
            Some(0) => self.reached(&now)?,
            Some(_) if !ran.said.contains(cause) => {
                return Err(format!("it does not name the cause: {}", ran.said));
            }
            Some(101 | 70) => return Err(format!("it is called a bug: {}", ran.said)),
            Some(_) => {}
            None => return Err(format!("it dies: {}", ran.said)),
        }
        host.settle();
        let next = host.provision(&[]);
        let verdicts = verdicts(&next.out);
        for id in told_changed(&ran.out) {
            // A handler is due again for what comes after it.
            let holds = self.verdicts.get(&id) == verdicts.get(&id) || id.starts_with("handler:");
            if !holds {
                return Err(format!(
                    "{id} was told as changed and is not: {}",
                    next.said
                ));
            }
        }
        if interrupted(&next.out).is_some() {
            self.true_words(ran, &now, &next)?;
        }
        self.converges(host, next)
    }

    /// Whether every entry is as it was or as it will be, and what is unfinished is private.
    fn whole(&self, now: &Tree) -> Verdict {
        let known = self.steps.iter().flat_map(Tree::names);
        let names: BTreeSet<_> = now.names().chain(known).collect();
        for name in names {
            let there = now.get(name);
            let fits = match there {
                Some(entry) if is_temp(name) => self.is_private(name, entry),
                Some(entry) if is_account_file(name) => self.has_whole_lines(name, entry),
                None if is_account_file(name) => true,
                _ => self
                    .steps
                    .iter()
                    .any(|step| is_on_its_way(step.get(name), there, self.before().get(name))),
            };
            if !fits {
                return Err(format!("{name} is torn or too open: {}", shown(there)));
            }
        }
        Ok(())
    }

    /// A temporary entry is its owner's alone until it is a final one, or a part of one that the disk
    /// has not got whole.
    fn is_private(&self, name: &str, entry: &Entry) -> bool {
        let dir = |name: &str| {
            name.rsplit_once('/')
                .map_or(String::new(), |(dir, _)| dir.into())
        };
        let beside = |other: &&str| dir(other) == dir(name);
        let is_of = |last: &Entry| {
            last.mode == entry.mode
                && last.owner == entry.owner
                && entry.what.is_part_of(&last.what)
        };
        let finals = |step: &Tree| {
            let mut all = step
                .names()
                .filter(beside)
                .filter_map(|name| step.get(name));
            all.any(is_of)
        };
        match &entry.what {
            What::Link(_) => true,
            What::File(_) | What::Dir => {
                entry.mode.trailing_zeros() >= 6 || self.steps.iter().any(finals)
            }
        }
    }

    /// The tools of accounts write several files, each of them whole.
    fn has_whole_lines(&self, name: &str, entry: &Entry) -> bool {
        let What::File(bytes) = &entry.what else {
            return false;
        };
        let base = name.trim_end_matches(['-', '+']);
        let of = |step: &Tree| match step.get(base).map(|entry| &entry.what) {
            Some(What::File(bytes)) => bytes.clone(),
            _ => Vec::new(),
        };
        let known: Vec<u8> = self.steps.iter().flat_map(of).collect();
        let known: BTreeSet<_> = known.split(|b| *b == b'\n').collect();
        let is_main = name == base && self.after().get(name).is_some();
        let first = of(self.before());
        let lines: BTreeSet<_> = bytes.split(|b| *b == b'\n').collect();
        !is_main
            || lines.iter().all(|line| known.contains(line))
                && first
                    .split(|b| *b == b'\n')
                    .all(|line| lines.contains(line))
    }

    /// Whether what the next run says of the one that died is what the host shows.
    fn true_words(&self, ran: &Ran, now: &Tree, next: &Ran) -> Verdict {
        let wrong = |what: &str| Err(format!("{what}\nfirst: {}\nthen: {}", ran.said, next.said));
        let verdicts = verdicts(&next.out);
        let changed: Vec<_> = self.before().differing(now);
        let Some(broken) = interrupted(&next.out) else {
            let untouched = changed.iter().all(|name| is_temp(name));
            return if untouched || self.reached(now).is_ok() {
                Ok(())
            } else {
                wrong(&format!("nobody says that {changed:?} has changed"))
            };
        };
        for id in broken.done.iter().chain(&told_changed(&ran.out)) {
            if !broken.done.contains(id) {
                return wrong(&format!("{id} was told as done and is not known to be"));
            }
            if verdicts.get(id) != self.verdicts.get(id) {
                return wrong(&format!("{id} is said to be done and is not"));
            }
        }
        let all = broken.done.len() + broken.in_doubt.len() + broken.not_started;
        if all != verdicts.len() {
            return wrong("the blocks do not add up");
        }
        let begun: BTreeSet<_> = broken.done.iter().chain(&broken.in_doubt).collect();
        for name in changed {
            let owners: Vec<_> = self
                .ids
                .iter()
                .zip(self.steps.windows(2))
                .filter(|(_, step)| step[0].get(name) != step[1].get(name))
                .flat_map(|(ids, _)| ids)
                .collect();
            let known = owners.is_empty() || owners.iter().any(|id| begun.contains(id));
            if !known {
                return wrong(&format!(
                    "{name} has changed, and {owners:?} is said not to have begun"
                ));
            }
        }
        Ok(())
    }

    /// The next run brings the config about, and the one after it has nothing to do.
    fn converges(&self, host: &Host<'_>, mut next: Ran) -> Verdict {
        if next.code == Some(10) {
            let in_doubt = interrupted(&next.out).map(|broken| broken.in_doubt);
            let rerun: Vec<_> = in_doubt
                .unwrap_or_default()
                .into_iter()
                .flat_map(|id| ["--rerun".to_owned(), id])
                .collect();
            next = host.provision(&rerun.iter().map(String::as_str).collect::<Vec<_>>());
        }
        if next.code != Some(0) {
            return Err(format!("the next run fails: {}", next.said));
        }
        self.reached(&host.tree())
            .map_err(|why| format!("{why}\nafter {}", next.said))?;
        let orphans: Vec<_> = host
            .state()
            .into_iter()
            .filter(|name| !self.state.contains(name) && !is_kept_content(name))
            .collect();
        if !orphans.is_empty() {
            return Err(format!("left in the state directory: {orphans:?}"));
        }
        let rest = host.plan();
        if rest.code != self.rest || interrupted(&rest.out).is_some() {
            return Err(format!("the third run is not empty: {}", rest.said));
        }
        Ok(())
    }

    /// Whether it is as after the whole run; of accounts, the files that count.
    fn reached(&self, now: &Tree) -> Verdict {
        for name in self.after().differing(now) {
            let aside = is_account_file(name) && self.before().get(name).is_none();
            if !aside {
                let (is, wanted) = (shown(now.get(name)), shown(self.after().get(name)));
                return Err(format!("{name} is {is} and not {wanted}"));
            }
        }
        Ok(())
    }
}

/// Whether an entry is as some step has it, or half-way there without being too open.
fn is_on_its_way(step: Option<&Entry>, now: Option<&Entry>, old: Option<&Entry>) -> bool {
    if step == now {
        return true;
    }
    let (Some(step), Some(now)) = (step, now) else {
        return false;
    };
    match old {
        // Owner and mode of what is there change one after the other.
        Some(old) => {
            let mode = now.mode == step.mode || now.mode == old.mode;
            let owner = [step.owner, old.owner, (step.owner.0, old.owner.1)].contains(&now.owner);
            now.what == step.what && now.what == old.what && mode && owner
        }
        None => now.what == What::Dir && step.what == What::Dir && now.mode & !step.mode == 0,
    }
}

fn is_temp(name: &str) -> bool {
    let last = name.rsplit('/').next().unwrap_or_default();
    let digits = last.strip_prefix(".hpt-").unwrap_or_default();
    digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_hexdigit())
}

/// A content that was replaced, or a blob; what of one was sent when a run died is an old blob.
fn is_kept_content(name: &str) -> bool {
    let last = name.rsplit('/').next().unwrap_or_default();
    let is_hash = last.len() == 64 && last.bytes().all(|b| b.is_ascii_hexdigit());
    is_hash || name == "pre-images" || name.starts_with("blobs")
}

/// Of a file of accounts, or of one that their tools put beside it.
fn is_account_file(name: &str) -> bool {
    let files = ["passwd", "group", "shadow", "gshadow", "subuid", "subgid"];
    let last = name.strip_prefix("etc/").unwrap_or_default();
    last.starts_with(".pwd.lock") || files.iter().any(|file| last.starts_with(file))
}

fn shown(entry: Option<&Entry>) -> String {
    let Some(entry) = entry else {
        return "not there".to_owned();
    };
    let what = match &entry.what {
        What::Dir => "a directory".to_owned(),
        What::Link(to) => format!("-> {to}"),
        What::File(bytes) => format!(
            "{:?}",
            String::from_utf8_lossy(&bytes[..bytes.len().min(80)])
        ),
    };
    format!("{what} {:o} {:?}", entry.mode, entry.owner)
}

struct Interrupted {
    done: Vec<String>,
    in_doubt: Vec<String>,
    not_started: usize,
}

fn events<'a>(out: &'a str, event: &'a str) -> impl Iterator<Item = Value> + 'a {
    let parsed = out
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    parsed.filter(move |value| value["event"] == event)
}

fn texts(value: &Value) -> Vec<String> {
    let all = value.as_array().into_iter().flatten();
    all.filter_map(|text| text.as_str().map(str::to_owned))
        .collect()
}

fn interrupted(out: &str) -> Option<Interrupted> {
    let value = events(out, "interrupted").next()?;
    Some(Interrupted {
        done: texts(&value["done"]),
        in_doubt: texts(&value["in_doubt"]),
        not_started: value["not_started"].as_u64()?.try_into().ok()?,
    })
}

fn verdicts(out: &str) -> HashMap<String, String> {
    let plan = events(out, "plan").next().unwrap_or_default();
    let blocks = plan["blocks"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    blocks
        .map(|block| (text(&block["id"]), text(&block["verdict"])))
        .collect()
}

/// The blocks that somebody was told have changed.
fn told_changed(out: &str) -> Vec<String> {
    let ended = events(out, "finished").filter(|end| end["outcome"] == "changed");
    ended
        .filter_map(|end| end["id"].as_str().map(str::to_owned))
        .collect()
}

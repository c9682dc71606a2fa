//! One config on one host: planned, applied, compared, planned again.

use std::collections::HashMap;
use std::fmt;

use hpt_provisioner::config::scope::Scope;
use hpt_provisioner::config::{self, Config, File};
use hpt_provisioner::host::facts::Facts;
use hpt_provisioner::plan::Verdict;
use hpt_provisioner::report::Outcome;
use serde_json::Value;

use crate::fleet::Host;
use crate::generator::judge::{contradicts_itself, is_settled, keeps};
use crate::touches;

/// What was seen, so that a run which proves little says so.
#[derive(Default)]
pub struct Count {
    pub configs: usize,
    pub blocks: usize,
    pub changed: usize,
    pub in_place: usize,
    pub maybe: usize,
    pub blocked: usize,
    /// Found in place when it was to be made: a package or command had done it already.
    pub less: usize,
    /// Second plans that left nothing.
    pub empty: usize,
}

/// A block as a plan has it.
struct Planned {
    id: String,
    verdict: Verdict,
    summary: String,
}

impl Host<'_> {
    /// Whether a plan says what its apply does, in the apply's own words and in the host's; the blocks
    /// that cannot be applied, as was planned.
    ///
    /// # Errors
    /// Where it does not, in words.
    pub fn check(&self, blocks: &[String], count: &mut Count) -> Result<Vec<String>, String> {
        let text = blocks.concat();
        let at_first = self.snapshot();
        let first = plan_of(&self.hpt(&["plan"], &text))?;
        let before = self.snapshot();
        if let Some((name, how)) = at_first.changes(&before).first() {
            return Err(format!("a plan changed something\n{name}: {how}"));
        }
        let told = self.hpt(&["provision", "--yes"], &text);
        let after = self.snapshot();
        let ended = outcomes(&told, &first);
        count.configs += 1;
        let context = || {
            let line = |b: &Planned| {
                let (outcome, words) = &ended[&b.id];
                format!(
                    "  {}: {:?} ({}), then {outcome:?} ({words})\n",
                    b.id, b.verdict, b.summary
                )
            };
            first.iter().map(line).collect::<String>()
        };
        let undone = ended
            .values()
            .any(|end| end.1.contains("a later block undid it"));

        let mut allowed = Vec::new();
        let mut opaque = false;
        for (block, text) in first.iter().zip(blocks) {
            let (outcome, words) = &ended[&block.id];
            if undone || *outcome == Outcome::NotRun {
                break;
            }
            count.blocks += 1;
            let lie = |what: &str| {
                let kind = block.id.split('-').next().unwrap_or_default();
                Err(format!("{what}: {kind}\n{}", context()))
            };
            if block.verdict == Verdict::Maybe && !has_cause(block, &first) {
                return lie("maybe without a cause");
            }
            let pending = block.verdict.is_pending();
            let less = pending && opaque && *outcome == Outcome::Ok;
            if !keeps(block.verdict, *outcome) && !less {
                let verdict = block.verdict;
                return lie(&format!("{verdict:?} and then {outcome:?}"));
            }
            opaque |= pending
                && ["package", "exec", "clone"]
                    .iter()
                    .any(|k| text.contains(&format!("[[{k}]]")));
            if *outcome == Outcome::Failed && words.is_empty() {
                return lie("no word why it failed");
            }
            count.less += usize::from(less);
            count.changed += usize::from(*outcome == Outcome::Changed);
            count.in_place += usize::from(*outcome == Outcome::Ok && !less);
            count.maybe += usize::from(block.verdict == Verdict::Maybe);
            count.blocked += usize::from(block.verdict == Verdict::Blocked);
            if pending {
                allowed.extend(touches::of(text));
            }
        }
        if !undone {
            let linked = allowed
                .iter()
                .flat_map(|at| [before.resolved(at), after.resolved(at)]);
            let linked: Vec<_> = linked.collect();
            allowed.extend(linked);
            for (name, how) in before.changes(&after) {
                if !touches::covers(&allowed, &name) {
                    let head = name.split_once(':').map_or("a file", |(kind, _)| kind);
                    return Err(format!("elsewhere: {head}\n{name}: {how}\n{}", context()));
                }
            }
        }

        let stopped = |end: &(Outcome, String)| matches!(end.0, Outcome::Failed | Outcome::NotRun);
        if ended.values().any(stopped) {
            let is_stuck = |(block, _): &(&Planned, _)| {
                block.verdict == Verdict::Blocked || ended[&block.id].0 == Outcome::Failed
            };
            let stuck = first.iter().zip(blocks).filter(is_stuck);
            return Ok(stuck.map(|(_, text)| text.clone()).collect());
        }
        self.is_over(&text, count)
            .map_err(|what| format!("{what}\n{}", context()))?;
        Ok(Vec::new())
    }

    /// Whether a second plan has nothing left to do.
    fn is_over(&self, text: &str, count: &mut Count) -> Result<(), String> {
        let second = plan_of(&self.hpt(&["plan"], text))?;
        let left: Vec<usize> = (0..second.len())
            .filter(|i| !is_settled(second[*i].verdict))
            .collect();
        if contradicts_itself(&parse(text), &left) {
            return Ok(());
        }
        if let Some(i) = left.first() {
            let Planned {
                id,
                verdict,
                summary,
            } = &second[*i];
            let kind = id.split('-').next().unwrap_or_default();
            return Err(format!(
                "left by an apply: {kind}\n{id}: {verdict:?} ({summary})"
            ));
        }
        count.empty += 1;
        Ok(())
    }
}

/// `maybe` names a block before it that will act, or perhaps.
fn has_cause(block: &Planned, plan: &[Planned]) -> bool {
    let before = plan.iter().take_while(|other| other.id != block.id);
    let mut acting = before.filter(|other| other.verdict.is_pending());
    let Some(cause) = block
        .summary
        .strip_prefix("known when applied: depends on ")
    else {
        return false;
    };
    acting.any(|other| cause.contains(&other.id))
}

/// The blocks of the plan among what `hpt --json` said.
fn plan_of(told: &[Value]) -> Result<Vec<Planned>, String> {
    let plan = told.iter().find(|object| object["event"] == "plan");
    let plan = plan.ok_or_else(|| format!("no plan\n{told:?}"))?;
    let text = |block: &Value, key: &str| block[key].as_str().unwrap_or_default().to_owned();
    let planned = |block: &Value| Planned {
        id: text(block, "id"),
        summary: text(block, "summary"),
        verdict: match text(block, "verdict").as_str() {
            "ok" => Verdict::Ok,
            "create" => Verdict::Create,
            "update" => Verdict::Update,
            "delete" => Verdict::Delete,
            "run" => Verdict::Run,
            "maybe" => Verdict::Maybe,
            "blocked" => Verdict::Blocked,
            "skip" => Verdict::Skip,
            other => panic!("{other} is no verdict"),
        },
    };
    Ok(plan["blocks"]
        .as_array()
        .unwrap()
        .iter()
        .map(planned)
        .collect())
}

/// How each block ended, and a word why. Where all was in place there was no run to tell of it.
fn outcomes(told: &[Value], plan: &[Planned]) -> HashMap<String, (Outcome, String)> {
    let usual = plan.iter().map(|block| {
        let end = match block.verdict {
            _ if plan.iter().any(|b| b.verdict.is_pending()) => Outcome::NotRun,
            Verdict::Skip => Outcome::Skipped,
            _ => Outcome::Ok,
        };
        (block.id.clone(), (end, String::new()))
    });
    let mut all: HashMap<_, _> = usual.collect();
    for event in told.iter().filter(|object| object["event"] == "finished") {
        let outcome = match event["outcome"].as_str().unwrap() {
            "ok" => Outcome::Ok,
            "changed" => Outcome::Changed,
            "skipped" => Outcome::Skipped,
            "failed" => Outcome::Failed,
            "not run" => Outcome::NotRun,
            other => panic!("{other} is no outcome"),
        };
        let words = event["text"].as_str().unwrap_or_default().to_owned();
        all.insert(event["id"].as_str().unwrap().to_owned(), (outcome, words));
    }
    all
}

fn parse(text: &str) -> Config {
    let file = File {
        name: "random.toml".to_owned(),
        text: text.to_owned(),
    };
    let scope = Scope {
        facts: Some(Facts::default()),
        secrets: Some([].into()),
        ..Scope::default()
    };
    config::parse(vec![file], scope).unwrap_or_else(|faults| panic!("{faults:#?}\n{text}"))
}

impl Count {
    pub fn add(&mut self, other: &Self) {
        let Self {
            configs,
            blocks,
            changed,
            in_place,
            maybe,
            blocked,
            less,
            empty,
        } = other;
        self.configs += configs;
        self.blocks += blocks;
        self.changed += changed;
        self.in_place += in_place;
        self.maybe += maybe;
        self.blocked += blocked;
        self.less += less;
        self.empty += empty;
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            configs,
            blocks,
            changed,
            in_place,
            maybe,
            blocked,
            less,
            empty,
        } = self;
        write!(
            f,
            "{configs} configs, {blocks} blocks: {changed} changed, {in_place} in place, {maybe} maybe, \
             {blocked} blocked, {less} found done; {empty} second plans empty"
        )
    }
}

//! A story that shows a plan to lie, made as short as it can be.

use crate::compare::Count;
use crate::fleet::Host;
use crate::story::{Step, Story};

/// As many tries are worth it: each is a few seconds of a host.
const TRIES: usize = 60;

/// The shortest story that fails in the same way, and what it showed; as a case is written.
pub fn words(host: &Host<'_>, name: &str, story: &Story, why: &str) -> String {
    let (mut story, mut why, mut tries) = (story.clone(), why.to_owned(), 0);
    while let Some((shorter, words)) = shorter(host, &story, &why, &mut tries) {
        (story, why) = (shorter, words);
    }
    format!("{name}: {why}\nAs a case:\n\n{story}")
}

/// The first of the next shorter stories that fails in the same way.
fn shorter(
    host: &Host<'_>,
    story: &Story,
    why: &str,
    tries: &mut usize,
) -> Option<(Story, String)> {
    candidates(story).into_iter().find_map(|candidate| {
        *tries += 1;
        let found = (*tries <= TRIES)
            .then(|| last(host, &candidate))
            .flatten()?;
        (found.lines().next() == why.lines().next()).then_some((candidate, found))
    })
}

/// Tells a story of which the last chapter alone is compared.
fn last(host: &Host<'_>, story: &Story) -> Option<String> {
    host.reset();
    let (end, before) = story.0.split_last()?;
    for step in before {
        host.take(step);
    }
    let Step::Apply(blocks) = end else {
        return None;
    };
    host.check(blocks, &mut Count::default()).err()
}

/// Stories with one piece less, the large pieces first.
fn candidates(story: &Story) -> Vec<Story> {
    let mut all = Vec::new();
    let last = story.0.len() - 1;
    for first in (1..=last).rev() {
        all.push(Story(story.0[first..].to_vec()));
    }
    for step in 0..last {
        let mut shorter = story.clone();
        shorter.0.remove(step);
        all.push(shorter);
    }
    for (step, of) in story.0.iter().enumerate().rev() {
        let (Step::Do(lines) | Step::Apply(lines)) = of;
        for line in 0..lines.len() {
            let mut shorter = story.clone();
            let (Step::Do(lines) | Step::Apply(lines)) = &mut shorter.0[step];
            lines.remove(line);
            if step < last || !lines.is_empty() {
                all.push(shorter);
            }
        }
    }
    all
}

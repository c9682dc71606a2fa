//! What happens to one host: configs that are applied, and what plain tools do in between.

use std::collections::VecDeque;
use std::fmt;
use std::fs;

use crate::generator::{self, Random, World};
use crate::mischief;

/// One after another, from a host's first boot on.
#[derive(Clone)]
pub struct Story(pub Vec<Step>);

#[derive(Clone)]
pub enum Step {
    /// Lines of a shell, which may fail; none of them knows of hpt.
    Do(Vec<String>),
    /// The blocks of a config that is planned, applied and planned again.
    Apply(Vec<String>),
}

const DO: &str = "--- do\n";
const APPLY: &str = "--- apply\n";

impl Story {
    pub fn random(r: &mut Random, world: &World, chapters: usize) -> Self {
        // Blocks lean on accounts and directories: on a bare host most of them would be blocked.
        let there = mischief::GROUND.iter().filter(|_| r.chance(85));
        let there = there.map(|line| (*line).to_owned()).collect();
        let mut steps = vec![Step::Do(there)];
        let chapter = |_| {
            let lines = (0..r.below(8)).map(|_| mischief::line(r, world)).collect();
            [Step::Do(lines), Step::Apply(generator::blocks(r, world))]
        };
        steps.extend((0..chapters).flat_map(chapter));
        Self(steps)
    }

    fn parse(text: &str) -> Self {
        let mut steps = Vec::new();
        for line in text.lines() {
            let step = steps.last_mut();
            match (line, step) {
                ("--- do", _) => steps.push(Step::Do(Vec::new())),
                ("--- apply", _) => steps.push(Step::Apply(Vec::new())),
                (_, None) => {} // what it is about
                (line, Some(Step::Do(lines))) => lines.push(line.to_owned()),
                (line, Some(Step::Apply(blocks))) => {
                    if line.starts_with("[[") {
                        blocks.push(String::new());
                    }
                    let block = blocks.last_mut().expect("a block begins with its head");
                    *block += &format!("{line}\n");
                }
            }
        }
        Self(steps)
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.0 {
            match step {
                Step::Do(lines) => {
                    f.write_str(DO)?;
                    lines.iter().try_for_each(|line| writeln!(f, "{line}"))?;
                }
                Step::Apply(blocks) => write!(f, "{APPLY}{}", blocks.concat())?,
            }
        }
        Ok(())
    }
}

/// The stories that have once shown a plan to lie, by the names of their files.
pub fn cases() -> VecDeque<(String, Story)> {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/properties/cases");
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
        .into_iter()
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let story = Story::parse(&fs::read_to_string(path).unwrap());
            assert!(!story.0.is_empty(), "{name} tells nothing");
            (name, story)
        })
        .collect()
}

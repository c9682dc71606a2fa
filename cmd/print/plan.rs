//! A plan, as a person reads it.

use std::fmt::Write as _;

use anstyle::Style;
use hpt_provisioner::block::UNTAGGED;
use hpt_provisioner::describe::Detail;
use hpt_provisioner::diff::{Line, Tag};
use hpt_provisioner::plan::{Plan, Planned, Verdict};

use super::style::{BOLD, CHANGED, CREATED, DIM, FAILED, PERHAPS, REMOVED, RUNS};
use crate::terminal::visible;

/// Lines of one diff that are shown without `--all`: of a change, and of a text that is all new.
const DIFF: usize = 60;
const NEW: usize = 12;

/// So many blocks in a row that look the same are shown as a few and a number.
const ROW: usize = 20;
const SHOWN_OF_ROW: usize = 3;

/// The widest column of ids; a longer one pushes its summary to the right.
const ID: usize = 44;

const ELSEWHERE: &str = "not for this host";

/// Whose plan it is.
pub(crate) struct Heading<'a> {
    pub(crate) name: &'a str,
    /// Address and system, as far as they are known.
    pub(crate) about: &'a [String],
}

/// A plan in words.
pub(crate) struct Words {
    /// Whose and which it is; empty if nothing is to be done.
    pub(crate) heading: String,
    /// A line and more for each block that is shown; each ends in a line feed.
    pub(crate) blocks: String,
    /// What it comes to.
    pub(crate) counts: String,
}

/// The whole plan.
pub(crate) fn plan(heading: &Heading<'_>, plan: &Plan, all: bool) -> Words {
    let name = heading.name;
    if plan.is_empty() && !all {
        return Words {
            heading: String::new(),
            blocks: orphans_of(plan),
            counts: nothing(plan),
        };
    }
    let mut text = format!("{BOLD}{name}{BOLD:#}");
    if !heading.about.is_empty() {
        let about = super::listed(heading.about.iter().map(|words| visible(words)));
        write!(text, " ({about})").expect("a string takes what is written");
    }
    text += &format!("  plan {}", plan.digest);
    Words {
        heading: text,
        blocks: blocks(plan, all),
        counts: counts(plan),
    }
}

/// A line and more for each block, and how many there are of what is not shown.
fn blocks(plan: &Plan, all: bool) -> String {
    let mut text = String::new();
    let shown = plan.blocks.iter();
    let shown: Vec<_> = shown
        .filter(|block| all || block.verdict.is_pending() || block.verdict == Verdict::Orphan)
        .collect();
    let column = column(&shown);
    for row in shown.chunk_by(|a, b| alike(a, b)) {
        let few = if all || row.len() < ROW {
            row.len()
        } else {
            SHOWN_OF_ROW
        };
        for block in &row[..few] {
            entry(&mut text, block, column, all);
        }
        if few < row.len() {
            let (mark, style) = mark(row[0].verdict);
            let words = format!("{} more {}", row.len() - few, kind(&row[0].id));
            text += &format!(
                "{style}{mark}{style:#} {words:column$}  {DIM}(--all shows them){DIM:#}\n"
            );
        }
    }
    let (elsewhere, untagged) = left_out(plan);
    for (count, words) in [
        (plan.count(Verdict::Ok), "in place"),
        (elsewhere, ELSEWHERE),
        (untagged, UNTAGGED),
    ] {
        if count > 0 && !all {
            let words = format!("{count} {words}");
            text += &format!("{DIM}= {words:column$}  (--all shows them){DIM:#}\n");
        }
    }
    text
}

/// How wide the column of ids is.
fn column(shown: &[&Planned]) -> usize {
    let widths = shown.iter().map(|b| visible(&b.id).chars().count());
    let widest = widths.filter(|&n| n <= ID).max();
    widest.unwrap_or_default().max(20)
}

/// One line: everything is as it should be.
fn nothing(plan: &Plan) -> String {
    let mut words = format!("{} in place", plan.count(Verdict::Ok));
    let (elsewhere, untagged) = left_out(plan);
    for (count, what) in [(elsewhere, ELSEWHERE), (untagged, UNTAGGED)] {
        if count > 0 {
            words += &format!(", {count} {what}");
        }
    }
    match plan.count(Verdict::Orphan) {
        0 => {}
        count => words += &format!(", {count} {}", orphans(count)),
    }
    words + ", nothing to do"
}

/// A line for each orphan.
fn orphans_of(plan: &Plan) -> String {
    let orphans = plan.blocks.iter();
    let orphans: Vec<_> = orphans
        .filter(|block| block.verdict == Verdict::Orphan)
        .collect();
    let column = column(&orphans);
    let mut words = String::new();
    for block in orphans {
        entry(&mut words, block, column, false);
    }
    words
}

/// `2 to create, 1 to change, 17 in place`.
fn counts(plan: &Plan) -> String {
    let words = [
        (Verdict::Create, "to create"),
        (Verdict::Update, "to change"),
        (Verdict::Delete, "to remove"),
        (Verdict::Run, "to run"),
        (Verdict::Maybe, "perhaps"),
        (Verdict::Blocked, "blocked"),
        (Verdict::Ok, "in place"),
        (Verdict::Orphan, orphans(plan.count(Verdict::Orphan))),
    ];
    let (elsewhere, untagged) = left_out(plan);
    let counted = words
        .into_iter()
        .map(|(verdict, words)| (plan.count(verdict), words))
        .chain([(elsewhere, ELSEWHERE), (untagged, UNTAGGED)]);
    super::listed(
        counted
            .filter(|(count, _)| *count > 0)
            .map(|(count, words)| format!("{count} {words}")),
    )
}

/// The word for so many blocks that left the config.
fn orphans(count: usize) -> &'static str {
    if count == 1 { "orphan" } else { "orphans" }
}

/// How many blocks are for other hosts, and how many the chosen tags leave out.
fn left_out(plan: &Plan) -> (usize, usize) {
    let untagged = plan.blocks.iter().filter(|block| block.is_untagged());
    let untagged = untagged.count();
    let unseen = plan.blocks.iter().filter(|block| block.is_unseen());
    let elsewhere = plan.count(Verdict::Skip) - unseen.count() - untagged;
    (elsewhere, untagged)
}

/// The mark of a verdict, and its colour.
fn mark(verdict: Verdict) -> (char, Style) {
    match verdict {
        Verdict::Ok | Verdict::Skip => ('=', DIM),
        Verdict::Orphan => ('o', PERHAPS),
        Verdict::Create => ('+', CREATED),
        Verdict::Update => ('~', CHANGED),
        Verdict::Delete => ('-', REMOVED),
        Verdict::Run => ('!', RUNS),
        Verdict::Maybe => ('?', PERHAPS),
        Verdict::Blocked => ('x', FAILED),
    }
}

/// The kind of a block, by its id.
fn kind(id: &str) -> String {
    let kind = id.split_once(':').map_or(id, |(kind, _)| kind);
    visible(kind).into_owned()
}

/// Whether two blocks need not be told apart in a long list.
fn alike(a: &Planned, b: &Planned) -> bool {
    a.verdict == b.verdict && a.summary == b.summary && kind(&a.id) == kind(&b.id)
}

fn entry(text: &mut String, block: &Planned, column: usize, all: bool) {
    let (mark, style) = mark(block.verdict);
    let (id, summary) = (visible(&block.id), visible(&block.summary));
    if summary.is_empty() {
        *text += &format!("{style}{mark}{style:#} {id}\n");
    } else {
        *text += &format!("{style}{mark}{style:#} {id:column$}  {summary}\n");
    }
    for part in &block.details {
        detail(text, part, all);
    }
}

/// A detail of a block, in lines.
pub(crate) fn detail(text: &mut String, part: &Detail, all: bool) {
    match part {
        Detail::Text(words) => *text += &format!("      {}\n", visible(words)),
        Detail::Diff { lines, .. } => {
            let is_new = lines.iter().all(|line| line.tag == Tag::New);
            let most = if is_new { NEW } else { DIFF };
            // A rest of one or two lines is shown rather than counted.
            let few = if all || lines.len() <= most + 2 {
                lines.len()
            } else {
                most
            };
            for line in &lines[..few] {
                diff_line(text, line);
            }
            if few < lines.len() {
                let rest = lines.len() - few;
                *text += &format!("      {DIM}... {rest} more lines (--all shows them){DIM:#}\n");
            }
        }
    }
}

fn diff_line(text: &mut String, line: &Line) {
    let shown = line_text(&line.text);
    *text += &match line.tag {
        Tag::Same => format!("      {shown}\n"),
        Tag::Old => format!("    {REMOVED}- {shown}{REMOVED:#}\n"),
        Tag::New => format!("    {CREATED}+ {shown}{CREATED:#}\n"),
        Tag::Gap => format!("      {DIM}...{DIM:#}\n"),
    };
}

/// A line of a file, from the target: harmless, and not wider than output may be.
fn line_text(text: &str) -> String {
    crate::terminal::output_line(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use hpt_provisioner::plan::{Digest, Mark};

    use super::*;

    fn block(id: &str, verdict: Verdict, summary: &str) -> Planned {
        Planned {
            id: id.into(),
            file: "site.toml".into(),
            line: 1,
            verdict,
            summary: summary.into(),
            details: Vec::new(),
            mark: Mark::default(),
        }
    }

    fn show(blocks: Vec<Planned>, all: bool) -> String {
        let heading = Heading {
            name: "web1",
            about: &["10.0.0.5".into(), "Debian 12".into()],
        };
        let digest = Digest([0x7f; 32]);
        let missing = Vec::new();
        let plan = Plan {
            digest,
            blocks,
            missing,
        };
        let words = super::plan(&heading, &plan, all);
        let text = format!("{}\n\n{}\n{}", words.heading, words.blocks, words.counts);
        anstream::adapter::strip_str(&text).to_string()
    }

    #[test]
    fn a_plan_reads_as_the_design_shows_it() {
        let mut conf = block(
            "file:/etc/nginx/conf.d/app.conf",
            Verdict::Update,
            "0644 root:root",
        );
        let line = |tag, text: &str| Line {
            tag,
            text: text.into(),
        };
        conf.details.push(Detail::Diff {
            path: "/etc/nginx/conf.d/app.conf".into(),
            lines: vec![
                line(Tag::Same, "worker_processes auto;"),
                line(Tag::Old, "worker_connections 512;"),
                line(Tag::New, "worker_connections 1024;"),
            ],
        });
        let mut blocks = vec![block("package:nginx", Verdict::Create, "1.22.1-9"), conf];
        blocks.push(block("exec:migrate", Verdict::Maybe, "known when applied"));
        blocks.extend((0..17).map(|i| block(&format!("file:/{i}"), Verdict::Ok, "")));
        let expected = "\
web1 (10.0.0.5, Debian 12)  plan 7f7f-7f7f

+ package:nginx                    1.22.1-9
~ file:/etc/nginx/conf.d/app.conf  0644 root:root
      worker_processes auto;
    - worker_connections 512;
    + worker_connections 1024;
? exec:migrate                     known when applied
= 17 in place                      (--all shows them)

1 to create, 1 to change, 1 perhaps, 17 in place";
        assert_eq!(show(blocks, false), expected);
    }

    #[test]
    fn nothing_to_do_is_one_line() {
        let blocks = vec![
            block("file:/a", Verdict::Ok, ""),
            block("file:/b", Verdict::Skip, "not here"),
        ];
        let text = show(blocks.clone(), false);
        assert!(
            text.ends_with("1 in place, 1 not for this host, nothing to do"),
            "{text}"
        );
        assert_eq!(text.trim().lines().count(), 1, "{text}");
        assert!(show(blocks, true).contains("= file:/b"), "--all shows them");
    }

    #[test]
    fn many_alike_are_grouped() {
        let many = || {
            (0..100).map(|i| block(&format!("file:/srv/{i}"), Verdict::Create, "0644 root:root"))
        };
        let text = show(many().collect(), false);
        assert!(
            text.contains("+ file:/srv/2 ") && !text.contains("+ file:/srv/3 "),
            "{text}"
        );
        assert!(text.contains("+ 97 more file"), "{text}");
        assert_eq!(show(many().collect(), true).matches("+ file:").count(), 100);
    }

    #[test]
    fn a_hostile_target_cannot_write_lines_of_its_own() {
        let mut evil = block(
            "file:/a\n+ file:/etc/shadow",
            Verdict::Create,
            "\x1b[2J\u{202e}",
        );
        evil.details.push(Detail::Text("a\rb".into()));
        let text = show(vec![evil], false);
        assert!(!text.contains('\x1b') && !text.contains('\r') && !text.contains('\u{202e}'));
        assert_eq!(
            text.lines().filter(|line| line.starts_with('+')).count(),
            1,
            "{text}"
        );
    }
}

//! Faults of a config, shown in the lines that they are about.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use hpt_provisioner::config::File;
use hpt_provisioner::fault::{Fault, Place, Severity};

use super::veil::veiled;
use crate::terminal::visible;

/// Faults shown of one config; whoever has more mends these first.
const MOST: usize = 20;

/// All faults, each as a person reads it.
pub(crate) fn faults(files: &[File], faults: &[Fault]) -> String {
    let files: Vec<File> = files
        .iter()
        .map(|file| File {
            name: file.name.clone(),
            text: veiled(&file.text),
        })
        .collect();
    let shown = faults.iter().take(MOST).map(|fault| one(&files, fault));
    let mut text = shown.collect::<Vec<_>>().join("\n\n");
    if faults.len() > MOST {
        text += &format!("\n\nand {} more", faults.len() - MOST);
    }
    text
}

fn one(files: &[File], fault: &Fault) -> String {
    let level = match fault.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(level.primary_title(visible(&fault.what).into_owned()));
    if let Some(place) = &fault.place {
        let label = fault
            .label
            .as_deref()
            .map(|label| visible(label).into_owned());
        let here = AnnotationKind::Primary
            .span(span(files, place))
            .label(label);
        let mut snippet = snippet(files, place).annotation(here);
        match &fault.other {
            Some((other, words)) if other.file == place.file => {
                let there = AnnotationKind::Context.span(span(files, other));
                snippet = snippet.annotation(there.label(visible(words).into_owned()));
                group = group.element(snippet);
            }
            Some((other, words)) => {
                let there = AnnotationKind::Context.span(span(files, other));
                let there = self::snippet(files, other)
                    .annotation(there.label(visible(words).into_owned()));
                group = group.element(snippet).element(there);
            }
            None => group = group.element(snippet),
        }
    }
    let mut text = Renderer::styled()
        .decor_style(DecorStyle::Ascii)
        .render(&[group]);
    if let Some(hint) = &fault.hint {
        text += &format!("\nhint: {}", visible(hint));
    }
    text
}

fn snippet<'a>(files: &'a [File], place: &Place) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let file = &files[place.file];
    Snippet::source(file.text.as_str())
        .path(file.name.as_str())
        .line_start(1)
}

/// The place, kept to its first line: a whole block is not drawn along its side.
fn span(files: &[File], place: &Place) -> std::ops::Range<usize> {
    let text = &files[place.file].text;
    let start = place.span.start.min(text.len());
    let end = place.span.end.clamp(start, text.len());
    let line = text
        .get(start..end)
        .and_then(|part| part.find('\n'))
        .map(|at| start + at);
    start..line.unwrap_or(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(text: &str, fault: Fault) -> String {
        let files = [File {
            name: "site.toml".into(),
            text: text.into(),
        }];
        anstream::adapter::strip_str(&faults(&files, &[fault])).to_string()
    }

    #[test]
    fn a_fault_shows_its_line() {
        let text = "[[service]]\nname = \"nginx\"\nstat = \"started\"\n";
        let fault = Fault::error(
            "unknown field `stat` in [[service]]",
            Place {
                file: 0,
                span: 27..31,
            },
        )
        .label("did you mean `status`?")
        .hint("`hpt explain service` lists its fields");
        let expected = "\
error: unknown field `stat` in [[service]]
 --> site.toml:3:1
  |
3 | stat = \"started\"
  | ^^^^ did you mean `status`?
hint: `hpt explain service` lists its fields";
        assert_eq!(show(text, fault), expected);
    }

    #[test]
    fn two_places_are_both_shown() {
        let text = "a = 1\nb = 2\na = 3\n";
        let fault = Fault::error(
            "`a` twice",
            Place {
                file: 0,
                span: 12..13,
            },
        )
        .other(
            Place {
                file: 0,
                span: 0..1,
            },
            "first here",
        );
        let shown = show(text, fault);
        assert!(shown.contains("1 | a = 1\n  | - first here"), "{shown}");
        assert!(shown.contains("3 | a = 3\n  | ^"), "{shown}");
    }

    #[test]
    fn hostile_texts_and_odd_places_are_harmless() {
        let text = "a = \"\x1b]0;pwned\x07 \u{202e}\"";
        for span in [0..text.len(), text.len()..text.len(), 900..9000] {
            let shown = show(text, Fault::error("bad \x1b[2J", Place { file: 0, span }));
            assert!(
                !shown.contains('\x1b') && !shown.contains('\x07'),
                "{shown:?}"
            );
        }
    }
}

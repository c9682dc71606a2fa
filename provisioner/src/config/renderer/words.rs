//! The errors of templates in the words of a config's.

use minijinja::ErrorKind;

use crate::config::scope::RenderError;

/// What is wrong with a template, as an error of the config says it.
pub(super) fn words(error: &minijinja::Error) -> RenderError {
    let said = error.detail();
    let said = said.map_or_else(|| error.kind().to_string(), ToOwned::to_owned);
    let (what, hint) = match error.kind() {
        ErrorKind::OutOfFuel => (
            "the template does not come to an end".to_owned(),
            Some("it may take a million steps: a `{% for %}` over less"),
        ),
        ErrorKind::UndefinedError => match error.detail() {
            Some(detail) if detail.ends_with("is not defined") => (detail.to_owned(), None),
            Some(detail) => (format!("undefined value: {detail}"), None),
            None => ("a name in the template is not defined".to_owned(), None),
        },
        ErrorKind::SyntaxError => (
            said.replace("end of variable block", "`}}`")
                .replace("end of block", "`%}` or the end of what it opens")
                .replace("end of input", "end of the text"),
            None,
        ),
        ErrorKind::UnknownFilter => (
            said,
            Some("filters are those of Jinja, such as `upper`, `join(', ')` and `tojson`"),
        ),
        ErrorKind::InvalidOperation => (
            said,
            Some("`| int` makes a number of a text, `~` joins two values as texts"),
        ),
        _ => (said, None),
    };
    RenderError {
        what,
        line: error.line(),
        quotes: true,
        hint: hint.map(ToOwned::to_owned),
    }
}

/// The same without any detail, which could quote a secret.
pub(super) fn hidden(error: &minijinja::Error) -> RenderError {
    RenderError {
        what: format!("{} in a template that uses a secret", error.kind()),
        line: error.line(),
        quotes: false,
        hint: Some("a secret is a text: `{{ secret.NAME }}` is all that it needs".to_owned()),
    }
}

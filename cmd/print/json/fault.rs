//! What programs read of configs and commands that are wrong, or are not.

use hpt_provisioner::config::File;
use hpt_provisioner::fault::{self, Severity};
use serde::Serialize;

use crate::error::Exit;

/// Why a command failed.
#[derive(Serialize)]
pub(crate) struct Error<'a> {
    event: &'static str,
    /// Which of many it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) target: Option<&'a str>,
    exit: u8,
    what: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    hints: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    faults: Vec<Fault<'a>>,
}

impl<'a> Error<'a> {
    pub(crate) fn words(exit: Exit, what: &'a str, hints: &'a [String]) -> Self {
        Self {
            event: "error",
            target: None,
            exit: exit.code(),
            what,
            hints,
            faults: Vec::new(),
        }
    }

    pub(crate) fn faults(exit: Exit, files: &'a [File], faults: &'a [fault::Fault]) -> Self {
        let what = "the config is invalid";
        Self {
            event: "error",
            target: None,
            exit: exit.code(),
            what,
            hints: &[],
            faults: Fault::all(files, faults),
        }
    }
}

/// What is wrong with a config.
#[derive(Serialize)]
pub(crate) struct Fault<'a> {
    severity: &'static str,
    what: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
}

impl<'a> Fault<'a> {
    pub(crate) fn all(files: &'a [File], faults: &'a [fault::Fault]) -> Vec<Self> {
        faults.iter().map(|fault| Self::new(files, fault)).collect()
    }

    fn new(files: &'a [File], fault: &'a fault::Fault) -> Self {
        let file = fault.place.as_ref().map(|place| &files[place.file]);
        let at = fault
            .place
            .as_ref()
            .zip(file)
            .map(|(place, file)| place.line_column(&file.text));
        Self {
            severity: match fault.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            },
            what: &fault.what,
            file: file.map(|file| file.name.as_str()),
            line: at.map(|(line, _)| line),
            column: at.map(|(_, column)| column),
            label: fault.label.as_deref(),
            hint: fault.hint.as_deref(),
        }
    }
}

/// That a config is valid.
#[derive(Serialize)]
pub(crate) struct Checked<'a> {
    event: &'static str,
    files: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Fault<'a>>,
}

impl<'a> Checked<'a> {
    pub(crate) fn new(files: &'a [File], warnings: &'a [fault::Fault]) -> Self {
        let names = files.iter().map(|file| file.name.as_str()).collect();
        Self {
            event: "checked",
            files: names,
            warnings: Fault::all(files, warnings),
        }
    }
}

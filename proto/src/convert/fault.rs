//! Faults of a config, whose places must lie in the files that were sent.

use hpt_provisioner::config::File;
use hpt_provisioner::fault::{Fault, Place, Severity};

use super::{BadMessage, index, number};
use crate::wire;

/// Reads faults that a target found in these files.
///
/// # Errors
/// A place outside of them.
pub fn faults(from: wire::Faults, files: &[File]) -> Result<Vec<Fault>, BadMessage> {
    from.faults
        .into_iter()
        .map(|fault| read(fault, files))
        .collect()
}

fn read(from: wire::Fault, files: &[File]) -> Result<Fault, BadMessage> {
    let place = |place: Option<wire::Place>| place.map(|p| read_place(&p, files)).transpose();
    Ok(Fault {
        severity: if from.warning {
            Severity::Warning
        } else {
            Severity::Error
        },
        what: from.what,
        place: place(from.place)?,
        label: some(from.label),
        other: place(from.other)?.map(|other| (other, from.other_label)),
        hint: some(from.hint),
    })
}

fn read_place(from: &wire::Place, files: &[File]) -> Result<Place, BadMessage> {
    let file = index(from.file, files.len())?;
    let text = &files[file].text;
    let outside = BadMessage("a place outside of its file");
    let start = usize::try_from(from.start).map_err(|_| outside)?;
    let end = usize::try_from(from.end).map_err(|_| outside)?;
    text.get(start..end).ok_or(outside)?;
    Ok(Place {
        file,
        span: start..end,
    })
}

fn some(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// Faults as they travel.
pub fn to_faults(faults: &[Fault]) -> wire::Faults {
    wire::Faults {
        faults: faults.iter().map(write).collect(),
    }
}

fn write(fault: &Fault) -> wire::Fault {
    let (other, other_label) = fault.other.clone().unzip();
    wire::Fault {
        warning: !fault.is_error(),
        what: fault.what.clone(),
        place: fault.place.as_ref().map(write_place),
        label: fault.label.clone().unwrap_or_default(),
        other: other.as_ref().map(write_place),
        other_label: other_label.unwrap_or_default(),
        hint: fault.hint.clone().unwrap_or_default(),
    }
}

fn write_place(place: &Place) -> wire::Place {
    wire::Place {
        file: number(place.file),
        start: number(place.span.start),
        end: number(place.span.end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> Vec<File> {
        vec![File {
            name: "a.toml".into(),
            text: "a = \"ü\"\n".into(),
        }]
    }

    #[test]
    fn faults_arrive_as_they_were_sent() {
        let place = |span| Place { file: 0, span };
        let sent = vec![
            Fault::error("unknown field", place(0..1))
                .label("did you mean b?")
                .hint("see b"),
            Fault::warning("odd", place(4..8)).other(place(0..9), "because of this"),
            Fault {
                place: None,
                ..Fault::error("too much", place(0..0))
            },
        ];
        assert_eq!(faults(to_faults(&sent), &files()), Ok(sent));
    }

    /// I5, T-2: a target cannot point outside of what it was sent, or into the middle of a character.
    #[test]
    fn places_outside_are_refused() {
        for (file, start, end) in [
            (1, 0, 0),
            (0, 0, 99),
            (0, 3, 2),
            (0, 6, 8),
            (0, u32::MAX, 0),
        ] {
            let place = Some(wire::Place { file, start, end });
            let fault = wire::Fault {
                place,
                ..wire::Fault::default()
            };
            let sent = wire::Faults {
                faults: vec![fault],
            };
            assert!(faults(sent, &files()).is_err(), "{file} {start}..{end}");
        }
    }
}

//! The names of runs.

use hpt_provisioner::name::Day;
use rustix::time::ClockId;

use super::Journals;
use crate::Places;

/// As many names there are of one second.
const NAMES: u32 = 36_u32.pow(4);
/// As many of one millisecond.
const EACH: u32 = NAMES / 1000;

/// A new id: the time in UTC, and four letters that go on with it, such as `20261121-171501-3f7a`. It
/// comes after those of all runs of this host, also where the clock was set back. `now` is in unix
/// seconds.
pub fn name_run(now: u64, places: &Places) -> String {
    let nanos = rustix::time::clock_gettime(ClockId::Realtime).tv_nsec;
    let millis = u32::try_from(nanos / 1_000_000).unwrap_or_default() % 1000;
    let mut random = [0; 2];
    getrandom::fill(&mut random).expect("the kernel has randomness after boot");
    let random = u32::from(u16::from_be_bytes(random)) % EACH;
    let name = name(now, millis * EACH + random);
    // Who cannot look there cannot run anything there either.
    let journals = Journals::open(places).ok();
    let last = journals.and_then(|journals| journals.last().ok()).flatten();
    match last {
        Some(last) if last >= name => next(&last).unwrap_or(name),
        _ => name,
    }
}

/// `count` is below [`NAMES`].
fn name(now: u64, count: u32) -> String {
    let (days, seconds) = (now / 86_400, now % 86_400);
    let days = u32::try_from(days).unwrap_or(u32::MAX);
    let day = Day::after_1970(days).to_string().replace('-', "");
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!(
        "{day}-{hours:02}{minutes:02}{seconds:02}-{}",
        letters(count)
    )
}

/// The name after this one; `None` after the last of its second, and after what is no name of today's.
fn next(last: &str) -> Option<String> {
    let (time, count) = last.rsplit_once('-')?;
    let count = u32::from_str_radix(count, 36).ok()? + 1;
    (count < NAMES).then(|| format!("{time}-{}", letters(count)))
}

/// A number in four digits and letters, in the order of numbers.
fn letters(count: u32) -> String {
    let digit = |at: u32| char::from_digit(count / 36_u32.pow(at) % 36, 36).unwrap_or('0');
    (0..4).rev().map(digit).collect()
}

/// Whether a name that came over the wire may be part of a path (K2).
pub(crate) fn is_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn places(dir: &std::path::Path) -> Places {
        Places {
            root: "/".into(),
            state: dir.join("state"),
            run: dir.join("run"),
        }
    }

    #[test]
    fn a_run_is_named_after_its_time() {
        let dir = tempfile::tempdir().unwrap();
        for (now, wanted) in [
            (0, "19700101-000000-"),
            (951_782_399, "20000228-235959-"),
            (951_782_400, "20000229-000000-"),
            (1_795_281_301, "20261121-171501-"),
        ] {
            let name = name_run(now, &places(dir.path()));
            assert!(name.starts_with(wanted), "{name}");
            assert!(name.len() == 20 && is_id(&name), "{name}");
        }
    }

    /// Runs are listed in the order of their names.
    #[test]
    fn later_names_come_after_earlier_ones() {
        let dir = tempfile::tempdir().unwrap();
        let places = places(dir.path());
        let runs = places.state.join("runs");
        let mut last = String::new();
        // The same second again and again, and then a clock that was set back.
        for now in [1_795_281_301; 200].into_iter().chain([1_795_281_000; 5]) {
            let name = name_run(now, &places);
            assert!(name > last, "{name} after {last}");
            fs::write(runs.join(format!("{name}.run")), "").unwrap();
            last = name;
        }
        assert!(name(7, 0) < name(7, 35) && name(7, 35) < name(7, 36));
        assert!(name(7, NAMES - 1).ends_with("-zzzz"));
        assert_eq!(next(&name(7, NAMES - 1)), None);
    }

    #[test]
    fn a_name_from_outside_leads_nowhere_else() {
        for bad in ["", ".", "..", "a/b", "a.open", "a\0", "é", &"x".repeat(65)] {
            assert!(!is_id(bad), "{bad:?}");
        }
    }
}

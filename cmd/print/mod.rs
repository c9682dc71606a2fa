//! What people and programs read: plans, faults, reports, keys, errors. Pure: texts come out.

pub(crate) mod error;
pub(crate) mod fault;
pub(crate) mod interrupted;
pub(crate) mod json;
pub(crate) mod keys;
pub(crate) mod plan;
pub(crate) mod report;
pub(crate) mod style;
mod veil;

use std::fmt::Display;
use std::time::Duration;

use crate::terminal::visible;

/// How wide a line is made where something stands at its right end.
const WIDTH: usize = 80;

/// A line with the time at its right end.
pub(crate) fn with_time(line: &str, time: Duration) -> String {
    let time = seconds(time);
    let room = WIDTH.saturating_sub(style::width(line) + time.len()).max(2);
    format!("{line}{:room$}{time}", "")
}

/// A duration as people say it: `0.04 s`, `2.1 s`, `3 min 20 s`.
pub(crate) fn seconds(time: Duration) -> String {
    let whole = time.as_secs();
    match whole {
        0 => format!("{:.2} s", time.as_secs_f64()),
        1..60 => format!("{:.1} s", time.as_secs_f64()),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

/// How long something has been so, roughly: `12 s`, `5 min`, `3 h`, `12 days`.
pub(crate) fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// `1 key`, `2 keys`.
pub(crate) fn plural(count: usize, noun: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{s}")
}

/// `7 KiB`, `1.5 GiB`.
pub(crate) fn size(bytes: u64) -> String {
    let unit = |shift: u32, unit: &str| {
        let tenths = (u128::from(bytes) * 10) >> shift;
        if tenths < 100 {
            format!("{}.{} {unit}", tenths / 10, tenths % 10)
        } else {
            format!("{} {unit}", tenths / 10)
        }
    };
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => unit(10, "KiB"),
        1_048_576..1_073_741_824 => unit(20, "MiB"),
        _ => unit(30, "GiB"),
    }
}

/// Words of one line, parted by commas.
pub(crate) fn listed(words: impl IntoIterator<Item = impl Display>) -> String {
    words
        .into_iter()
        .map(|word| word.to_string())
        .collect::<Vec<_>>()
        .join(", ")
}

/// The same of at most `most` of them: `a, b and 3 more`.
pub(crate) fn listed_up_to(most: usize, words: &[impl AsRef<str>]) -> String {
    let first = words.iter().take(most);
    let line = listed(first.map(|word| visible(word.as_ref())));
    match words.len().saturating_sub(most) {
        0 => line,
        more => format!("{line} and {more} more"),
    }
}

/// A word as a shell takes it.
pub(crate) fn word(text: &str) -> String {
    let text = visible(text);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.into_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A day, as `2026-11-21`, of a time in unix seconds, in UTC.
pub(crate) fn day(unix: u64) -> String {
    // Days to civil date, after the algorithm that Howard Hinnant has published.
    let days = unix / 86_400 + 719_468;
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// A moment, as `2026-11-21 18:50:03`, of a time in unix seconds, in UTC.
pub(crate) fn moment(unix: u64) -> String {
    let second = unix % 86_400;
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!("{} {hour:02}:{minute:02}:{:02}", day(unix), second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(seconds(Duration::from_millis(42)), "0.04 s");
        assert_eq!(seconds(Duration::from_millis(2140)), "2.1 s");
        assert_eq!(seconds(Duration::from_secs(200)), "3 min 20 s");
        assert_eq!(size(512), "512 B");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(1 << 30), "1.0 GiB");
        assert_eq!(size(50 << 20), "50 MiB");
        assert_eq!(plural(1, "key"), "1 key");
        assert_eq!(word("file:/etc/motd"), "file:/etc/motd");
        assert_eq!(word("it's"), r"'it'\''s'");
        assert_eq!(listed_up_to(2, &["a", "b"]), "a, b");
        assert_eq!(listed_up_to(2, &["a", "b", "c"]), "a, b and 1 more");
    }

    #[test]
    fn days() {
        assert_eq!(day(0), "1970-01-01");
        assert_eq!(day(951_782_400), "2000-02-29");
        assert_eq!(day(1_795_241_654), "2026-11-21");
        assert_eq!(moment(951_782_461), "2000-02-29 00:01:01");
    }

    #[test]
    fn the_time_stands_at_the_right() {
        let line = with_time("web1  17 in place", Duration::from_millis(10));
        assert_eq!(line.len(), 80);
        assert!(line.ends_with("  0.01 s"));
        assert!(with_time(&"x".repeat(90), Duration::ZERO).ends_with("x  0.00 s"));
    }
}

//! How a config spells a span of time.

use std::time::Duration;

use crate::number;

/// Seconds as a number, or a number with `s`, `m` or `h` behind it.
pub(crate) fn deserialize<'de, D: serde::Deserializer<'de>>(
    d: D,
) -> Result<Option<Duration>, D::Error> {
    let expected = "seconds, or a text such as \"90s\", \"5m\" or \"2h\"";
    number::or_text(d, expected, seconds, parse).map(Some)
}

fn seconds(number: i64) -> Result<Duration, &'static str> {
    let seconds = u64::try_from(number).map_err(|_| "a time is not negative")?;
    Ok(Duration::from_secs(seconds))
}

/// A number with `s`, `m` or `h` behind it.
///
/// # Errors
/// What a time is, in words.
pub fn parse(text: &str) -> Result<Duration, &'static str> {
    let wrong = "a time is a number with s, m or h behind it, such as \"5m\"";
    let unit = text.chars().last().ok_or(wrong)?;
    let factor = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        _ => return Err(wrong),
    };
    let number: u64 = text[..text.len() - 1].parse().map_err(|_| wrong)?;
    number
        .checked_mul(factor)
        .map(Duration::from_secs)
        .ok_or(wrong)
}

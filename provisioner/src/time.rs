//! How a config spells a span of time.

use std::time::Duration;

/// Seconds as a number, or a number with `s`, `m` or `h` behind it.
pub(crate) fn deserialize<'de, D: serde::Deserializer<'de>>(
    d: D,
) -> Result<Option<Duration>, D::Error> {
    struct Words;
    impl serde::de::Visitor<'_> for Words {
        type Value = Duration;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("seconds, or a text such as \"90s\", \"5m\" or \"2h\"")
        }

        fn visit_i64<E: serde::de::Error>(self, seconds: i64) -> Result<Duration, E> {
            let wrong = || E::custom("a time is not negative");
            u64::try_from(seconds)
                .map(Duration::from_secs)
                .map_err(|_| wrong())
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Duration, E> {
            let wrong = || E::custom("a time is a number with s, m or h behind it, such as \"5m\"");
            let unit = text.chars().last().ok_or_else(wrong)?;
            let factor = match unit {
                's' => 1,
                'm' => 60,
                'h' => 3600,
                _ => return Err(wrong()),
            };
            let number: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
            number
                .checked_mul(factor)
                .map(Duration::from_secs)
                .ok_or_else(wrong)
        }
    }
    d.deserialize_any(Words).map(Some)
}

//! Values that a config writes as a whole number or as a text.

use std::fmt;

use serde::Deserializer;
use serde::de::{Error, Visitor};

/// Reads a value by one rule or the other. `expected` says what may stand there, and a rule what
/// breaks it.
pub(crate) fn or_text<'de, T, W: fmt::Display, D: Deserializer<'de>>(
    d: D,
    expected: &'static str,
    number: fn(i64) -> Result<T, W>,
    text: fn(&str) -> Result<T, W>,
) -> Result<T, D::Error> {
    struct Either<T, W> {
        expected: &'static str,
        number: fn(i64) -> Result<T, W>,
        text: fn(&str) -> Result<T, W>,
    }

    impl<T, W: fmt::Display> Visitor<'_> for Either<T, W> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.expected)
        }

        fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
            (self.number)(number).map_err(E::custom)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            (self.text)(text).map_err(E::custom)
        }
    }

    d.deserialize_any(Either {
        expected,
        number,
        text,
    })
}

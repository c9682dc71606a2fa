//! Calendar expressions of systemd, such as `Mon..Fri *-*-* 03:15`: their form. What they mean, and
//! whether a number is too large, is for systemd to say.

use serde::Deserialize;

use crate::name::{self, BadName};

/// A calendar expression that has the form of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::block) struct Calendar(String);

const SHORT: [&str; 9] = [
    "minutely",
    "hourly",
    "daily",
    "weekly",
    "monthly",
    "quarterly",
    "semiannually",
    "yearly",
    "annually",
];

const DAYS: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];

impl Calendar {
    pub(in crate::block) fn parse(text: &str) -> Result<Self, BadName> {
        let wrong = BadName(
            "a time is a calendar expression of systemd, such as \"03:15\", \"daily\" or \"Mon..Fri *-*-* 18:00:00\"",
        );
        let words: Vec<&str> = text.split(' ').collect();
        let mut rest = words.as_slice();
        let mut take = |is: fn(&str) -> bool| match rest {
            [first, others @ ..] if is(first) => {
                rest = others;
                true
            }
            _ => false,
        };
        let found = take(is_short) || {
            let parts = [take(is_days), take(is_date), take(is_time)];
            parts.contains(&true)
        };
        let zone = take(is_zone);
        if text.len() <= 200 && found && rest.is_empty() && (!zone || words.len() > 1) {
            return Ok(Self(text.to_owned()));
        }
        Err(wrong)
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Calendar {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        name::deserialize(d, Self::parse)
    }
}

fn is_short(word: &str) -> bool {
    SHORT.contains(&word.to_ascii_lowercase().as_str())
}

/// `Mon`, `Mon,Wed` or `Mon..Fri`.
fn is_days(word: &str) -> bool {
    let is_day = |text: &str| {
        let text = text.to_ascii_lowercase();
        let long_enough = text.len() >= 3;
        long_enough && DAYS.iter().any(|day| *day == text || day[..3] == text)
    };
    let ends = |range: &str| match range.split_once("..").or_else(|| range.split_once('-')) {
        Some((from, to)) => is_day(from) && is_day(to),
        None => is_day(range),
    };
    word.split(',').all(ends)
}

/// `*-*-01`, `2026-11-21`, `*-02~03` or `12-24`.
fn is_date(word: &str) -> bool {
    let parts: Vec<&str> = word.split(['-', '~']).collect();
    (2..=3).contains(&parts.len()) && parts.iter().all(|part| is_numbers(part))
}

/// `03:15`, `*:0/15` or `18:00:00.5`.
fn is_time(word: &str) -> bool {
    let parts: Vec<&str> = word.split(':').collect();
    (2..=3).contains(&parts.len()) && parts.iter().all(|part| is_numbers(part))
}

/// `UTC` or `Europe/Berlin`.
fn is_zone(word: &str) -> bool {
    let plain = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic())
            && part
                .bytes()
                .all(|c| c.is_ascii_alphanumeric() || b"_+-".contains(&c))
    };
    !is_short(word) && !is_days(word) && word.split('/').all(plain)
}

/// `*`, `5`, `1,15`, `8..17`, `0/15` or `*/2`.
fn is_numbers(text: &str) -> bool {
    let digits = |text: &str| {
        let is_digit = |c: u8| c.is_ascii_digit();
        match text.split_once('.') {
            Some((whole, part)) => {
                !whole.is_empty()
                    && !part.is_empty()
                    && (whole.to_owned() + part).bytes().all(is_digit)
            }
            None => !text.is_empty() && text.bytes().all(is_digit),
        }
    };
    text.split(',').all(|item| {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, digits(step)),
            None => (item, true),
        };
        let from_to = range
            .split_once("..")
            .is_some_and(|(a, b)| digits(a) && digits(b));
        step && (range == "*" || digits(range) || from_to)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_of_systemds_manual_are_taken() {
        for good in [
            "Sat,Thu,Mon..Wed,Sat..Sun",
            "Mon,Sun 12-*-* 2,1:23",
            "Wed *-1",
            "Wed..Wed,Wed *-1",
            "Wed, 17:48",
            "Wed..Sat,Tue 12-10-15 1:2:3",
            "*-*-7 0:0:0",
            "10-15",
            "monday *-12-* 17:00",
            "Mon,Fri *-*-3,1,2 *:30:45",
            "12,14,13,12:20,10,30",
            "12..14:10,20,30",
            "mon,fri *-1/2-1,3 *:30:45",
            "03-05 08:05:40",
            "08:05:40",
            "05:40",
            "Sat,Sun 12-05 08:05:40",
            "Sat,Sun 08:05:40",
            "2003-03-05 05:40",
            "05:40:23.4200004/3.1700005",
            "2003-02..04-05",
            "2003-03-05 05:40 UTC",
            "2003-03-05",
            "03-05",
            "hourly",
            "daily UTC",
            "weekly Pacific/Auckland",
            "*:2/3",
            "*-02~03",
            "Mon *-05~07/1",
        ] {
            let good = good.replace("Wed, ", "Wed "); // systemd forgives this comma, and we do not
            assert!(Calendar::parse(&good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn everything_else_is_not() {
        for bad in [
            "",
            " ",
            "UTC",
            "daily ",
            " daily",
            "daily  UTC",
            "--help",
            "-x",
            "03:15\n",
            "03:15;id",
            "$(id)",
            "03:15 03:16",
            "Mon Tue",
            "funday",
            "3",
            "*",
            "03:",
            ":15",
            "1:2:3:4",
            "a:b",
            "daily UTC UTC",
            "daily ../../etc",
            "%i",
            "03:15 Europe//Berlin",
            "03:15\tUTC",
            "０3:15",
        ] {
            assert!(Calendar::parse(bad).is_err(), "{bad:?}");
        }
    }
}

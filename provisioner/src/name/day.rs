//! Days of the calendar.

use std::fmt;

use super::BadName;

/// A day from 1970-01-02 to 2199-12-31, written "2026-12-31".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day {
    /// Since 1970-01-01.
    since: u32,
}

const WRONG: BadName = BadName("a day is written as \"2026-12-31\"");

impl Day {
    /// Reads a day.
    ///
    /// # Errors
    /// If it is written otherwise, or there is none such.
    pub fn parse(text: &str) -> Result<Self, BadName> {
        let parts: Vec<&str> = text.split('-').collect();
        let fits = |(part, width): (&&str, usize)| {
            part.len() == width && part.bytes().all(|c| c.is_ascii_digit())
        };
        if parts.len() != 3 || !parts.iter().zip([4, 2, 2]).all(fits) {
            return Err(WRONG);
        }
        let numbers: Vec<u32> = parts.iter().filter_map(|part| part.parse().ok()).collect();
        let [year, month, day] = numbers[..] else {
            return Err(WRONG);
        };
        if !(1970..2200).contains(&year)
            || !(1..=12).contains(&month)
            || !(1..=month_of(year, month)).contains(&day)
        {
            return Err(WRONG);
        }
        let years: u32 = (1970..year).map(year_of).sum();
        let months: u32 = (1..month).map(|month| month_of(year, month)).sum();
        match years + months + day - 1 {
            0 => Err(WRONG), // what the files of accounts take for no day at all
            since => Ok(Self { since }),
        }
    }

    /// The day so many days after 1970-01-01.
    pub fn after_1970(since: u32) -> Self {
        Self { since }
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut year, mut left) = (1970, self.since);
        while left >= year_of(year) && year < 10_000 {
            left -= year_of(year);
            year += 1;
        }
        let mut month = 1;
        while month < 12 && left >= month_of(year, month) {
            left -= month_of(year, month);
            month += 1;
        }
        write!(f, "{year:04}-{month:02}-{:02}", left + 1)
    }
}

fn is_leap(year: u32) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn year_of(year: u32) -> u32 {
    365 + u32::from(is_leap(year))
}

fn month_of(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(is_leap(year)),
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_from_1970() {
        for (text, since) in [
            ("1970-01-02", 1),
            ("1972-02-29", 789),
            ("2000-03-01", 11_017),
            ("2026-12-31", 20_818),
            ("2199-12-31", 84_005),
        ] {
            assert_eq!(Day::parse(text), Ok(Day::after_1970(since)), "{text}");
            assert_eq!(Day::after_1970(since).to_string(), text);
        }
        for bad in [
            "",
            "2026",
            "2026-02-29",
            "2026-13-01",
            "2026-00-01",
            "2026-01-00",
            "2026-1-1",
            "1969-12-31",
            "1970-01-01",
            "2200-01-01",
            "26-01-01",
            "2026-01-01 ",
            "2026/01/01",
            "-2026-01-01",
            "tomorrow",
            "20818",
            "٢٠٢٦-01-01",
        ] {
            assert!(Day::parse(bad).is_err(), "{bad:?}");
        }
    }
}

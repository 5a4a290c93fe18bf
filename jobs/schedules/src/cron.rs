//! Cron expressions: which times of a wall clock they mean.

mod day;
mod error;
mod field;

use std::{fmt, str::FromStr};

use jiff::civil::{Date, DateTime};

use self::{day::Days, error::Reason};
pub use self::{error::CronError, field::Field};

/// A cron expression with the meaning of Unix: five fields (minute, hour, day of month, month, day of week), or six with seconds
/// before them, or a name such as `@daily`.
///
/// | field | values | names | also |
/// | --- | --- | --- | --- |
/// | second, minute | 0-59 | | |
/// | hour | 0-23 | | |
/// | day of month | 1-31 | | `L` the last one, `L-2` two before it, `?` as `*` |
/// | month | 1-12 | `JAN`-`DEC` | |
/// | day of week | 0-7, 0 and 7 are Sunday | `SUN`-`SAT` | `FRI#2` the second of the month, `FRIL` the last, `?` as `*` |
///
/// Each field is a list of values, ranges (`1-5`) and steps (`*/15`, `10-50/20`, and `5/15` for 5 up to the end). When both fields
/// of days are restricted, a day matches that satisfies either of them; a field that begins with `*` does not restrict, as in Vixie's
/// cron, so `0 0 */2 * MON` means Mondays with an odd number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    text: String,
    seconds: u64,
    minutes: u64,
    hours: u64,
    months: u64,
    days: Days,
}

/// The expressions that names stand for.
const NAMED: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];
/// A text that is longer than this is no expression that a person wrote.
const LONGEST: usize = 512;
const ALL_HOURS: u64 = (1 << 24) - 1;
/// The calendar repeats itself after 400 years: what is not found in so many is never.
const ONE_CYCLE: (i16, i16) = (2000, 2399);

impl FromStr for Cron {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, CronError> {
        if text.len() > LONGEST {
            return Err(CronError::whole(Reason::TooLong { most: LONGEST }));
        }
        let trimmed = text.trim();
        if trimmed.starts_with('@') {
            let named = NAMED.iter().find(|(name, _)| trimmed.eq_ignore_ascii_case(name));
            let (_, expression) = named.ok_or_else(|| CronError::whole(Reason::UnknownName(trimmed.to_owned())))?;
            return Ok(Self { text: trimmed.to_ascii_lowercase(), ..Self::parse(expression)? });
        }
        Self::parse(text)
    }
}

impl Cron {
    fn parse(text: &str) -> Result<Self, CronError> {
        let words = words(text);
        let (second, rest) = match words.len() {
            5 => (None, &words[..]),
            6 => (Some(words[0]), &words[1..]),
            count => return Err(CronError::whole(Reason::Fields { count })),
        };
        let seconds = second.map_or(Ok(1), |word| Field::Second.values(word))?;
        let minutes = Field::Minute.values(rest[0])?;
        let hours = Field::Hour.values(rest[1])?;
        let months = Field::Month.values(rest[3])?;
        let days = Days::parse(rest[2], rest[4])?;
        let joined = words.iter().map(|(_, word)| *word).collect::<Vec<_>>().join(" ").to_ascii_uppercase();
        let cron = Self { text: joined, seconds, minutes, hours, months, days };
        let (first, last) = ONE_CYCLE;
        match cron.day_from(Date::constant(first, 1, 1), last) {
            Some(_) => Ok(cron),
            None => Err(CronError::whole(Reason::Never)),
        }
    }

    /// The expression names hours. One that does not (`*/5 * * * *`) is about time that passes rather than about times of a day.
    pub(crate) fn names_hours(&self) -> bool {
        self.hours != ALL_HOURS
    }

    /// The first time from `from` on, itself included, whatever the zone. `None` beyond the year 9999.
    pub(crate) fn from(&self, from: DateTime) -> Option<DateTime> {
        let date = from.date();
        if self.has(date)
            && let Some(time) = self.time_from(from)
        {
            return Some(time);
        }
        let day = self.day_from(date.tomorrow().ok()?, Date::MAX.year())?;
        Some(day.at(lowest(self.hours), lowest(self.minutes), lowest(self.seconds), 0))
    }

    fn has(&self, date: Date) -> bool {
        let is_month = self.months >> date.month() & 1 == 1;
        is_month && self.days.of(date.year(), date.month()) >> date.day() & 1 == 1
    }

    /// The first time on the day of `from`, from it on.
    fn time_from(&self, from: DateTime) -> Option<DateTime> {
        let date = from.date();
        let (hour, minute, second) = (from.hour(), from.minute(), from.second());
        // The hour of `from` is special, and in it the minute of `from`: what follows them starts from the lowest.
        if self.hours >> hour & 1 == 1 {
            if self.minutes >> minute & 1 == 1
                && let Some(second) = at_least(self.seconds, second)
            {
                return Some(date.at(hour, minute, second, 0));
            }
            if let Some(minute) = at_least(self.minutes, minute + 1) {
                return Some(date.at(hour, minute, lowest(self.seconds), 0));
            }
        }
        let hour = at_least(self.hours, hour + 1)?;
        Some(date.at(hour, lowest(self.minutes), lowest(self.seconds), 0))
    }

    /// The first day from `from` on, up to the end of the year `last`.
    fn day_from(&self, from: Date, last: i16) -> Option<Date> {
        let (mut year, mut month, mut day) = (from.year(), from.month(), from.day());
        while year <= last {
            if self.months >> month & 1 == 1
                && let Some(day) = at_least(self.days.of(year, month), day)
            {
                return Date::new(year, month, day).ok();
            }
            day = 1;
            (year, month) = if month == 12 { (year.checked_add(1)?, 1) } else { (year, month + 1) };
        }
        None
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Words with the column, from 1, where they begin.
fn words(text: &str) -> Vec<(usize, &str)> {
    let start = |word: &str| word.as_ptr() as usize - text.as_ptr() as usize;
    text.split_ascii_whitespace().map(|word| (text[..start(word)].chars().count() + 1, word)).collect()
}

/// The lowest member of `set` that is `value` or more.
fn at_least(set: u64, value: i8) -> Option<i8> {
    let left = set.checked_shr(u32::from(value.unsigned_abs()))?;
    (left != 0).then(|| value + lowest(left))
}

fn lowest(set: u64) -> i8 {
    // A set holds numbers below 64.
    i8::try_from(set.trailing_zeros()).unwrap_or(i8::MAX)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn next(cron: &str, from: DateTime) -> String {
        cron.parse::<Cron>().unwrap().from(from).unwrap().to_string()
    }

    fn said(cron: &str) -> String {
        cron.parse::<Cron>().unwrap_err().to_string()
    }

    #[test]
    fn the_next_time_is_found_across_every_border() {
        let from = date(2024, 2, 28).at(23, 59, 59, 0);
        let table = [
            ("* * * * *", "2024-02-29T00:00:00"),
            ("* * * * * *", "2024-02-28T23:59:59"),
            ("59 59 23 * * *", "2024-02-28T23:59:59"),
            ("0 0 29 2 *", "2024-02-29T00:00:00"),
            ("0 0 30 * *", "2024-03-30T00:00:00"),
            ("30 4 1,15 * *", "2024-03-01T04:30:00"),
            ("0 0 1 1 *", "2025-01-01T00:00:00"),
            ("@weekly", "2024-03-03T00:00:00"),
            ("0 12 * * 7", "2024-03-03T12:00:00"),
            ("0 12 * * sun", "2024-03-03T12:00:00"),
            ("15 10 * * MON-FRI", "2024-02-29T10:15:00"),
            ("0 9 L * *", "2024-02-29T09:00:00"),
            ("0 9 L-1 * *", "2024-03-30T09:00:00"),
            ("0 9 * * FRI#2", "2024-03-08T09:00:00"),
            ("0 9 * * FRIL", "2024-03-29T09:00:00"),
            ("0 9 * * 5L", "2024-03-29T09:00:00"),
        ];
        for (cron, expected) in table {
            assert_eq!(next(cron, from), expected, "{cron}");
        }
        assert_eq!(next("0 0 29 2 *", date(2096, 3, 1).at(0, 0, 0, 0)), "2104-02-29T00:00:00");
    }

    #[test]
    fn two_restricted_fields_of_days_mean_either() {
        let from = date(2024, 9, 1).at(0, 0, 1, 0);
        // Friday the 6th comes before the 13th.
        assert_eq!(next("0 0 13 * FRI", from), "2024-09-06T00:00:00");
        // A star does not restrict, also with a step: both must hold.
        assert_eq!(next("0 0 13 * *", from), "2024-09-13T00:00:00");
        assert_eq!(next("0 0 */2 * MON", from), "2024-09-09T00:00:00");
        assert_eq!(next("0 0 2 * */3", from), "2024-10-02T00:00:00");
        assert_eq!(next("0 0 ? * MON", from), "2024-09-02T00:00:00");
    }

    #[test]
    fn ranges_steps_and_lists_are_sets() {
        let minutes = |field: &str| {
            let cron: Cron = format!("{field} * * * *").parse().unwrap();
            (0..60).filter(|minute| cron.minutes >> minute & 1 == 1).collect::<Vec<_>>()
        };
        assert_eq!(minutes("*/20"), [0, 20, 40]);
        assert_eq!(minutes("5/20"), [5, 25, 45]);
        assert_eq!(minutes("10-30/10,59,0-1"), [0, 1, 10, 20, 30, 59]);
        assert_eq!(minutes("7-7"), [7]);
        let week = |field: &str| format!("0 0 * * {field}").parse::<Cron>().unwrap().days;
        assert_eq!(week("FRI-SUN"), week("5-7"));
        assert_eq!(week("5-7"), week("0,5,6"));
        assert_eq!(week("0-7"), week("0-6"));
        assert_eq!(week("1/2"), week("1,3,5"));
    }

    #[test]
    fn an_error_names_the_field_and_the_column() {
        let table = [
            ("60 * * * *", "minute, column 1: 60 is not within 0-59"),
            ("*  24 * * *", "hour, column 4: 24 is not within 0-23"),
            ("0 0 0 * *", "day of month, column 5: 0 is not within 1-31"),
            ("0 0 * 13 *", "month, column 7: 13 is not within 1-12"),
            ("0 0 * * 1,8", "day of week, column 11: 8 is not within 0-7"),
            ("0 0 * FOO *", "month, column 7: FOO is neither a number nor a name of this field"),
            ("0 0 * * *,", "day of week, column 11: a value is missing"),
            ("1-, * * * *", "minute, column 3: a value is missing"),
            ("10-5 * * * *", "minute, column 1: the range 10-5 runs backwards; write it as two, joined by a comma"),
            ("*/0 * * * *", "minute, column 3: a step of 0 goes nowhere"),
            (
                "*/90 * * * *",
                "minute, column 3: a step of 90 leaves the field at once; for other intervals there is every_ms",
            ),
            ("1-2-3 * * * *", "minute, column 3: 2-3 is neither a number nor a name of this field"),
            ("0 0 15W * *", "day of month, column 5: the nearest weekday (W) is not supported"),
            ("0 0 L-31 * *", "day of month, column 7: 31 is not within 1-30"),
            ("0 0 * * MON#6", "day of week, column 13: 6 is not within 1-5"),
            ("0 L * * *", "hour, column 3: L is neither a number nor a name of this field"),
            ("? * * * *", "minute, column 1: ? is neither a number nor a name of this field"),
            ("* * * *", "an expression has 5 fields, or 6 with seconds first; this has 4"),
            ("0 0 0 1 1 * 2025", "an expression has 5 fields, or 6 with seconds first; this has 7"),
            ("", "an expression has 5 fields, or 6 with seconds first; this has 0"),
            ("@reboot", "@reboot is not one of @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly"),
            ("0 0 30 2 *", "no day ever matches"),
            ("0 0 31 4,6,9,11 *", "no day ever matches"),
            ("+1 * * * *", "minute, column 1: +1 is neither a number nor a name of this field"),
            ("0 0 * * ①", "day of week, column 9: ① is neither a number nor a name of this field"),
        ];
        for (cron, expected) in table {
            assert_eq!(said(cron), expected, "{cron}");
        }
        assert!(said(&"0,".repeat(400)).contains("longer than 512"));
    }

    #[test]
    fn an_expression_is_shown_as_it_is_meant() {
        assert_eq!("  0\t9 * *   mon-fri ".parse::<Cron>().unwrap().to_string(), "0 9 * * MON-FRI");
        assert_eq!("@Daily".parse::<Cron>().unwrap().to_string(), "@daily");
    }
}

//! Which days of a month an expression means: two fields, and the law that joins them.

use jiff::civil::Date;

use super::{
    error::{CronError, Reason},
    field::{Field, Piece},
};

/// Day of month and day of week, together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Days {
    /// Bit `n`: the day `n`.
    of_month: u64,
    /// Bit `n`: `n` days before the last one.
    from_end: u64,
    /// Bit `n`: the weekday `n`, Sunday is 0.
    of_week: u64,
    /// Bit `7 * (nth - 1) + weekday`: its first, second, … in the month.
    nth: u64,
    /// Bit `n`: the last weekday `n` of the month.
    last: u64,
    /// Both fields restrict, and either suffices.
    either: bool,
}

impl Days {
    pub(super) fn parse(of_month: (usize, &str), of_week: (usize, &str)) -> Result<Self, CronError> {
        let either = restricts(of_month.1) && restricts(of_week.1);
        let mut days = Self { of_month: 0, from_end: 0, of_week: 0, nth: 0, last: 0, either };
        for item in (Piece { column: of_month.0, text: starred(of_month.1) }).items() {
            days.add_of_month(item)?;
        }
        for item in (Piece { column: of_week.0, text: starred(of_week.1) }).items() {
            days.add_of_week(item)?;
        }
        Ok(days)
    }

    fn add_of_month(&mut self, item: Piece<'_>) -> Result<(), CronError> {
        const FIELD: Field = Field::DayOfMonth;
        let (first, before) = item.split('-');
        if first.text.eq_ignore_ascii_case("L") {
            let before = before.map_or(Ok(0), |before| FIELD.number(before, 1, 30))?;
            self.from_end |= 1 << before;
            return Ok(());
        }
        if item.text.len() > 1 && item.text.ends_with(['W', 'w']) {
            return Err(CronError::at(FIELD, item.column, Reason::NearestWeekday));
        }
        self.of_month |= FIELD.item(item)?;
        Ok(())
    }

    fn add_of_week(&mut self, item: Piece<'_>) -> Result<(), CronError> {
        const FIELD: Field = Field::DayOfWeek;
        if let (weekday, Some(nth)) = item.split('#') {
            let weekday = FIELD.value(weekday)? % 7;
            let nth = FIELD.number(nth, 1, 5)?;
            self.nth |= 1 << (7 * (nth - 1) + weekday);
            return Ok(());
        }
        match item.text.strip_suffix(['L', 'l']) {
            Some(weekday) => self.last |= 1 << (FIELD.value(Piece { text: weekday, ..item })? % 7),
            None => self.of_week |= FIELD.item(item)?,
        }
        Ok(())
    }

    /// The days of a month: bit `n` for the day `n`.
    pub(super) fn of(&self, year: i16, month: i8) -> u64 {
        let Ok(first) = Date::new(year, month, 1) else {
            return 0;
        };
        let length = first.days_in_month().unsigned_abs().into();
        let weekday = first.weekday().to_sunday_zero_offset().unsigned_abs().into();
        let (by_month, by_week) = (self.by_month(length), self.by_week(length, weekday));
        if self.either { by_month | by_week } else { by_month & by_week }
    }

    fn by_month(&self, length: u32) -> u64 {
        let existing = (1 << (length + 1)) - 2;
        // Reversed and shifted, what is counted from the end is counted from the start.
        let from_end = self.from_end.reverse_bits() >> (u64::BITS - 1 - length);
        (self.of_month | from_end) & existing
    }

    /// `first`: the weekday of the first day.
    fn by_week(&self, length: u32, first: u32) -> u64 {
        let existing: u64 = (1 << (length + 1)) - 2;
        // Bit `n` of a week that begins as the month does: the weekday of the day `1 + n`.
        let turned = |week: u64| (week >> first | week << (7 - first)) & 0x7f;
        let mut days = (0..5).fold(0, |days, nth| {
            let week = self.of_week | self.nth >> (7 * nth) & 0x7f;
            days | turned(week) << (7 * nth + 1)
        });
        let last_week = 0x7f << (length - 6);
        let of_last = (0..5).fold(0, |days, nth| days | turned(self.last) << (7 * nth + 1));
        days |= of_last & last_week;
        days & existing
    }
}

/// As in Vixie's cron: a field that begins with a star does not restrict, even when it has a step.
fn restricts(field: &str) -> bool {
    !field.starts_with(['*', '?'])
}

/// Quartz demands `?` where the other field decides; it says what `*` says.
fn starred(field: &str) -> &str {
    if field == "?" { "*" } else { field }
}

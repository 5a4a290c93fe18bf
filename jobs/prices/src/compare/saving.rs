//! What a lower price saves in a month.

use rust_decimal::Decimal;

/// A month of a machine that is never switched off: 8,760 hours by twelve.
pub const HOURS_PER_MONTH: u32 = 730;

/// The hours of a month in which a machine runs so many hours a day.
#[must_use]
pub fn monthly_hours(hours_a_day: Decimal) -> Option<Decimal> {
    hours_a_day.checked_mul(Decimal::from(365))?.checked_div(Decimal::from(12))
}

/// What so many GPUs save in so many hours at `low` rather than `high`. Less than nothing, where `low` is the dearer one.
#[must_use]
pub fn monthly_saving(low: Decimal, high: Decimal, gpus: u32, hours: Decimal) -> Option<Decimal> {
    high.checked_sub(low)?.checked_mul(Decimal::from(gpus))?.checked_mul(hours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn part_time_saves_in_part() {
        let (low, high) = (Decimal::ONE, Decimal::TWO);
        assert_eq!(monthly_saving(low, high, 8, Decimal::from(HOURS_PER_MONTH)), Some(Decimal::from(5_840)));
        assert_eq!(monthly_hours(Decimal::from(12)), Some(Decimal::from(365)));
        assert_eq!(monthly_saving(high, low, 1, Decimal::TEN), Some(Decimal::from(-10)));
    }
}

//! What holds for every expression, zone and time.

#![cfg(test)]

use jobs_schedules::{Cron, Dst, Oddity, Schedule, Zone};
use proptest::{prelude::*, sample::select};
use time::{Date, Month, OffsetDateTime};

const ZONES: [&str; 14] = [
    "UTC",
    "Europe/Paris",
    "America/New_York",
    "America/Sao_Paulo",
    "Asia/Beirut",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Chatham",
    "Asia/Tehran",
    "Antarctica/Troll",
];

fn value(first: u32, last: u32) -> impl Strategy<Value = String> {
    let number = first..=last;
    prop_oneof![
        4 => Just("*".to_owned()),
        3 => number.clone().prop_map(|value| value.to_string()),
        1 => (number.clone(), number.clone()).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
        1 => (1..=last - first).prop_map(|step| format!("*/{step}")),
        1 => (number.clone(), number).prop_map(|(a, b)| format!("{a},{b}")),
    ]
}

fn expression() -> impl Strategy<Value = String> {
    let of_month = prop_oneof![8 => value(1, 31), 1 => Just("L".to_owned()), 1 => Just("L-3".to_owned())];
    let of_week = prop_oneof![8 => value(0, 6), 1 => Just("FRI#2".to_owned()), 1 => Just("0L".to_owned())];
    (value(0, 59), value(0, 23), of_month, value(1, 12), of_week)
        .prop_map(|(m, h, d, mo, w)| format!("{m} {h} {d} {mo} {w}"))
}

/// The meaning of the fields again, in the slowest words: every minute is asked.
fn means(expression: &str, at: OffsetDateTime) -> bool {
    let fields: Vec<&str> = expression.split(' ').collect();
    let has = |field: &str, value: u8, first: u8| {
        field.split(',').any(|item| {
            let (range, step) = item.split_once('/').map_or((item, 1), |(range, step)| (range, step.parse().unwrap()));
            let (low, high) = match range.split_once('-') {
                _ if range == "*" => (first, 255),
                Some((low, high)) => (low.parse().unwrap(), high.parse().unwrap()),
                None => (range.parse().unwrap(), range.parse().unwrap()),
            };
            (low..=high).contains(&value) && (value - low).is_multiple_of(step)
        })
    };
    let length = at.month().length(at.year());
    let weekday = at.weekday().number_days_from_sunday();
    let of_month = match fields[2] {
        "L" => at.day() == length,
        "L-3" => at.day() == length - 3,
        field => has(field, at.day(), 1),
    };
    let of_week = match fields[4] {
        "FRI#2" => weekday == 5 && (8..=14).contains(&at.day()),
        "0L" => weekday == 0 && at.day() + 7 > length,
        field => has(field, weekday, 0),
    };
    let day = if fields[2].starts_with('*') || fields[4].starts_with('*') {
        of_month && of_week
    } else {
        of_month || of_week
    };
    day && has(fields[0], at.minute(), 0) && has(fields[1], at.hour(), 0) && has(fields[3], at.month().into(), 1)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn fires_rise_and_match_their_fields(
        expression in expression(),
        zone in select(&ZONES[..]),
        dst in select(&[Dst::Cron, Dst::First, Dst::Second, Dst::Both][..]),
        start in 1_000_000_000_i64..2_500_000_000,
    ) {
        // A day that does not exist is said at once.
        let Ok(cron) = expression.parse::<Cron>() else { return Ok(()) };
        let schedule = Schedule { dst, ..Schedule::cron(cron, zone.parse().unwrap()) };
        let mut last = OffsetDateTime::from_unix_timestamp(start).unwrap();
        for fire in schedule.preview(last, 50) {
            prop_assert!(fire.at > last, "{} after {}", fire.at, last);
            if !matches!(fire.oddity, Some(Oddity::Skipped { .. })) {
                prop_assert!(means(&expression, fire.local), "{}", fire.local);
            }
            last = fire.at;
        }
    }

    /// Without changes of clocks the fires are exactly the minutes that match.
    #[test]
    fn no_minute_that_matches_is_left_out(expression in expression(), start in 0_i64..4_000_000_000) {
        let Ok(cron) = expression.parse::<Cron>() else { return Ok(()) };
        let schedule = Schedule::cron(cron, "UTC".parse().unwrap());
        let start = OffsetDateTime::from_unix_timestamp(start - start % 60).unwrap();
        let end = start + time::Duration::days(2);
        let mut expected = Vec::new();
        let mut at = start + time::Duration::MINUTE;
        while at < end {
            if means(&expression, at) { expected.push(at); }
            at += time::Duration::MINUTE;
        }
        let found: Vec<_> = std::iter::successors(schedule.after(start), |fire| schedule.after(fire.at))
            .map(|fire| fire.at).take_while(|at| *at < end).collect();
        prop_assert_eq!(found, expected);
    }

    /// From wherever one asks, the answer is the first fire after it.
    #[test]
    fn the_past_of_the_question_does_not_matter(
        expression in expression(),
        zone in select(&ZONES[..]),
        dst in select(&[Dst::Cron, Dst::First, Dst::Second, Dst::Both][..]),
        start in 1_000_000_000_i64..2_500_000_000,
        share in 0.0..1.0_f64,
    ) {
        let Ok(cron) = expression.parse::<Cron>() else { return Ok(()) };
        let schedule = Schedule { dst, ..Schedule::cron(cron, zone.parse().unwrap()) };
        let fires = schedule.preview(OffsetDateTime::from_unix_timestamp(start).unwrap(), 20);
        for pair in fires.windows(2) {
            let between = pair[0].at + (pair[1].at - pair[0].at) * share;
            prop_assert_eq!(schedule.after(between), Some(pair[1].clone()), "after {}", between);
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "[-0-9*/,LW#?@ a-zA-Zü\t]{0,40}") {
        let _ = text.parse::<Cron>();
        let _ = text.parse::<Zone>();
    }

    #[test]
    fn no_year_makes_it_panic(year in -9_999_i32..=9_999, expression in expression(), zone in select(&ZONES[..])) {
        let Ok(cron) = expression.parse::<Cron>() else { return Ok(()) };
        let at = Date::from_calendar_date(year, Month::December, 31).unwrap().midnight().assume_utc();
        let _ = Schedule::cron(cron, zone.parse().unwrap()).preview(at, 3);
    }
}

//! Where clocks are changed.

#![cfg(test)]

use jobs_schedules::{Dst, Oddity, Schedule};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

fn instant(text: &str) -> OffsetDateTime {
    OffsetDateTime::parse(text, &Rfc3339).unwrap()
}

fn schedule(cron: &str, zone: &str, dst: Dst) -> Schedule {
    Schedule { dst, ..Schedule::cron(cron.parse().unwrap(), zone.parse().unwrap()) }
}

/// The next fires by the wall clock; `<` and `>` stand at the first and the second of two equal times, `!` at a moved one.
fn fires(cron: &str, zone: &str, dst: Dst, after: &str, count: usize) -> Vec<String> {
    let shown = schedule(cron, zone, dst).preview(instant(after), count).into_iter().map(|fire| {
        assert_eq!(fire.at, fire.local, "one instant, shown in two zones");
        let mark = match fire.oddity {
            None => "",
            Some(Oddity::Skipped { .. }) => "!",
            Some(Oddity::FirstOfTwo) => "<",
            Some(Oddity::SecondOfTwo) => ">",
        };
        format!("{}{mark}", fire.local.format(&Rfc3339).unwrap())
    });
    shown.collect()
}

#[test]
fn a_skipped_time_starts_once_when_the_clocks_have_been_set() {
    // 2024-03-31 02:00 becomes 03:00 in Paris.
    for dst in [Dst::Cron, Dst::First, Dst::Second, Dst::Both] {
        assert_eq!(
            fires("30 2 * * *", "Europe/Paris", dst, "2024-03-29T12:00:00Z", 3),
            ["2024-03-30T02:30:00+01:00", "2024-03-31T03:00:00+02:00!", "2024-04-01T02:30:00+02:00"]
        );
    }
    // Several that were skipped start once, and not again if the moment is meant anyway.
    assert_eq!(
        fires("*/20 2,3 * * *", "Europe/Paris", Dst::Cron, "2024-03-30T12:00:00Z", 4),
        [
            "2024-03-31T03:00:00+02:00!",
            "2024-03-31T03:20:00+02:00",
            "2024-03-31T03:40:00+02:00",
            "2024-04-01T02:00:00+02:00",
        ]
    );
    // 2024-03-10 02:00 becomes 03:00 in New York.
    assert_eq!(
        fires("0 2 * * *", "America/New_York", Dst::Cron, "2024-03-09T12:00:00Z", 2),
        ["2024-03-10T03:00:00-04:00!", "2024-03-11T02:00:00-04:00"]
    );
    let fire = schedule("30 2 * * *", "Europe/Paris", Dst::Cron).after(instant("2024-03-30T12:00:00Z")).unwrap();
    assert_eq!(
        fire.oddity.unwrap().to_string(),
        "2024-03-31 2:30:00.0 does not exist on this day: the clocks are set forward over it"
    );
}

#[test]
fn a_doubled_time_starts_the_first_time_unless_it_is_said_otherwise() {
    // 2024-10-27 03:00 becomes 02:00 in Paris.
    let fires = |dst| fires("30 2 * * *", "Europe/Paris", dst, "2024-10-26T12:00:00Z", 2);
    let next_day = "2024-10-28T02:30:00+01:00";
    assert_eq!(fires(Dst::Cron), ["2024-10-27T02:30:00+02:00<", next_day]);
    assert_eq!(fires(Dst::First), ["2024-10-27T02:30:00+02:00<", next_day]);
    assert_eq!(fires(Dst::Second), ["2024-10-27T02:30:00+01:00>", next_day]);
    assert_eq!(fires(Dst::Both), ["2024-10-27T02:30:00+02:00<", "2024-10-27T02:30:00+01:00>"]);
}

#[test]
fn an_expression_without_hours_goes_on_as_if_no_clock_was_touched() {
    assert_eq!(
        fires("*/30 * * * *", "America/New_York", Dst::Cron, "2024-11-03T04:59:00Z", 6),
        [
            "2024-11-03T01:00:00-04:00<",
            "2024-11-03T01:30:00-04:00<",
            "2024-11-03T01:00:00-05:00>",
            "2024-11-03T01:30:00-05:00>",
            "2024-11-03T02:00:00-05:00",
            "2024-11-03T02:30:00-05:00",
        ]
    );
    assert_eq!(
        fires("30 * * * *", "America/New_York", Dst::Cron, "2024-03-10T06:00:00Z", 2),
        ["2024-03-10T01:30:00-05:00", "2024-03-10T03:30:00-04:00"]
    );
    // Who wants days to have their times, even here, says so.
    assert_eq!(
        fires("30 * * * *", "America/New_York", Dst::First, "2024-03-10T06:00:00Z", 3),
        ["2024-03-10T01:30:00-05:00", "2024-03-10T03:00:00-04:00!", "2024-03-10T03:30:00-04:00"]
    );
    assert_eq!(
        fires("30 * * * *", "America/New_York", Dst::First, "2024-11-03T05:00:00Z", 2),
        ["2024-11-03T01:30:00-04:00<", "2024-11-03T02:30:00-05:00"]
    );
}

#[test]
fn asking_from_within_a_doubled_hour_gives_what_is_left_of_it() {
    // 05:45Z is the first 01:45 in New York, 06:15Z the second 01:15.
    let next = |dst, after| fires("30 1 * * *", "America/New_York", dst, after, 1).remove(0);
    assert_eq!(next(Dst::Cron, "2024-11-03T05:45:00Z"), "2024-11-04T01:30:00-05:00");
    assert_eq!(next(Dst::Cron, "2024-11-03T06:15:00Z"), "2024-11-04T01:30:00-05:00");
    assert_eq!(next(Dst::Second, "2024-11-03T05:15:00Z"), "2024-11-03T01:30:00-05:00>");
    assert_eq!(next(Dst::Both, "2024-11-03T05:45:00Z"), "2024-11-03T01:30:00-05:00>");
    assert_eq!(next(Dst::Both, "2024-11-03T06:15:00Z"), "2024-11-03T01:30:00-05:00>");
}

#[test]
fn zones_that_do_it_otherwise() {
    // Midnight did not exist in São Paulo.
    assert_eq!(
        fires("0 0 * * *", "America/Sao_Paulo", Dst::Cron, "2018-11-03T12:00:00Z", 2),
        ["2018-11-04T01:00:00-02:00!", "2018-11-05T00:00:00-02:00"]
    );
    // Nor in Beirut, nor in Cairo.
    assert_eq!(fires("0 0 * * *", "Asia/Beirut", Dst::Cron, "2022-03-26T12:00:00Z", 1), ["2022-03-27T01:00:00+03:00!"]);
    assert_eq!(
        fires("15 0 * * *", "Africa/Cairo", Dst::Cron, "2024-04-25T12:00:00Z", 1),
        ["2024-04-26T01:00:00+03:00!"]
    );
    // 23:00-24:00 comes twice in Cairo: the day before is the one that has it twice.
    assert_eq!(
        fires("30 23 * * *", "Africa/Cairo", Dst::Both, "2024-10-31T12:00:00Z", 2),
        ["2024-10-31T23:30:00+03:00<", "2024-10-31T23:30:00+02:00>"]
    );
    // Lord Howe changes by half an hour.
    assert_eq!(
        fires("15 2 * * *", "Australia/Lord_Howe", Dst::Cron, "2024-10-05T00:00:00Z", 2),
        ["2024-10-06T02:30:00+11:00!", "2024-10-07T02:15:00+11:00"]
    );
    assert_eq!(
        fires("45 1 * * *", "Australia/Lord_Howe", Dst::Both, "2024-04-06T00:00:00Z", 2),
        ["2024-04-07T01:45:00+11:00<", "2024-04-07T01:45:00+10:30>"]
    );
    // Samoa had no 30 December 2011.
    assert_eq!(
        fires("0 12 * * *", "Pacific/Apia", Dst::Cron, "2011-12-29T00:00:00Z", 3),
        ["2011-12-29T12:00:00-10:00", "2011-12-31T00:00:00+14:00!", "2011-12-31T12:00:00+14:00"]
    );
    assert_eq!(
        fires("0 12 30 12 *", "Pacific/Apia", Dst::Cron, "2011-06-01T00:00:00Z", 2),
        ["2011-12-31T00:00:00+14:00!", "2012-12-30T12:00:00+14:00"]
    );
    // Kathmandu and Chatham have quarters of an hour.
    assert_eq!(
        fires("0 9 * * *", "Asia/Kathmandu", Dst::Cron, "2024-01-01T00:00:00Z", 1),
        ["2024-01-01T09:00:00+05:45"]
    );
    assert_eq!(
        fires("0 3 * * *", "Pacific/Chatham", Dst::Cron, "2024-09-28T00:00:00Z", 1),
        ["2024-09-29T03:45:00+13:45!"]
    );
}

#[test]
fn what_is_rare_is_found_across_many_changes_of_clocks() {
    assert_eq!(
        fires("0 0 29 2 *", "Europe/Paris", Dst::Cron, "2096-03-01T00:00:00Z", 2),
        ["2104-02-29T00:00:00+01:00", "2108-02-29T00:00:00+01:00"]
    );
    assert_eq!(
        fires("30 2 31 3 *", "Europe/Paris", Dst::Cron, "2019-04-01T00:00:00Z", 5),
        [
            "2020-03-31T02:30:00+02:00",
            "2021-03-31T02:30:00+02:00",
            "2022-03-31T02:30:00+02:00",
            "2023-03-31T02:30:00+02:00",
            "2024-03-31T03:00:00+02:00!",
        ]
    );
    // Time ends with the year 9999.
    let last = fires("0 0 1 12 *", "UTC", Dst::Cron, "9998-12-31T23:59:59Z", 5);
    assert_eq!(last, ["9999-12-01T00:00:00Z"]);
}

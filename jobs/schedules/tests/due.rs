//! Fires that nobody was there for, put off, or outside of a schedule's life.

#![cfg(test)]

use std::time::Duration;

use jobs_schedules::{CatchUp, Due, Every, Jitter, Schedule, When, Why};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

fn instant(text: &str) -> OffsetDateTime {
    OffsetDateTime::parse(&format!("2024-05-01T{text}Z"), &Rfc3339).unwrap()
}

fn minutely() -> Schedule {
    Schedule::cron("* * * * *".parse().unwrap(), "UTC".parse().unwrap())
}

fn times(due: &Due) -> Vec<String> {
    due.fires.iter().map(|fire| fire.at.time().to_string()).collect()
}

fn left_out(due: &Due) -> (OffsetDateTime, OffsetDateTime, Why) {
    let left_out = due.left_out.clone().unwrap();
    (left_out.first, left_out.until, left_out.why)
}

#[test]
fn what_is_on_time_starts_whatever_the_rule() {
    for catch_up in [CatchUp::None, CatchUp::Latest, CatchUp::All { max: 10 }] {
        let due = minutely().due(instant("10:00:00"), instant("10:01:09"), catch_up);
        assert_eq!(times(&due), ["10:01:00.0"], "{catch_up:?}");
        assert_eq!(due.left_out, None);
        assert_eq!(due.next.unwrap().at, instant("10:02:00"));

        let nothing = minutely().due(instant("10:01:00"), instant("10:01:59.9"), catch_up);
        assert_eq!((nothing.fires.len(), nothing.left_out), (0, None));
        let exactly = minutely().due(instant("10:01:00"), instant("10:02:00"), catch_up);
        assert_eq!(times(&exactly), ["10:02:00.0"]);
    }
}

#[test]
fn what_was_missed_is_left_out_or_caught_up_with() {
    let (last, now) = (instant("10:00:00"), instant("10:05:30"));

    let none = minutely().due(last, now, CatchUp::None);
    assert_eq!(times(&none), [""; 0]);
    assert_eq!(left_out(&none), (instant("10:01:00"), now, Why::Missed));

    let latest = minutely().due(last, now, CatchUp::Latest);
    assert_eq!(times(&latest), ["10:05:00.0"]);
    assert_eq!(left_out(&latest), (instant("10:01:00"), instant("10:05:00"), Why::Missed));

    let all = minutely().due(last, now, CatchUp::All { max: 100 });
    assert_eq!(times(&all), ["10:01:00.0", "10:02:00.0", "10:03:00.0", "10:04:00.0", "10:05:00.0"]);
    assert_eq!(all.left_out, None);

    let some = minutely().due(last, now, CatchUp::All { max: 2 });
    assert_eq!(times(&some), ["10:04:00.0", "10:05:00.0"]);
    assert_eq!(left_out(&some), (instant("10:01:00"), instant("10:04:00"), Why::TooMany));

    for due in [none, latest, all, some] {
        assert_eq!(due.next.unwrap().at, instant("10:06:00"));
    }
}

#[test]
fn a_year_of_missed_seconds_is_decided_at_once() {
    let every = Every::milliseconds(1_000).unwrap();
    let schedule = Schedule { when: When::Every(every), ..minutely() };
    let now = instant("10:00:00.5");
    let last = now - time::Duration::days(365);
    let start = std::time::Instant::now();
    for (catch_up, count) in [(CatchUp::None, 10), (CatchUp::Latest, 10), (CatchUp::All { max: 100 }, 100)] {
        let due = schedule.due(last, now, catch_up);
        assert_eq!(due.fires.len(), count, "{catch_up:?}");
        assert_eq!(due.fires.last().unwrap().at, instant("10:00:00"));
        assert_eq!(due.left_out.unwrap().first, (last + time::Duration::seconds(1)).replace_nanosecond(0).unwrap());
    }
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}

#[test]
fn a_paused_schedule_starts_nothing_and_says_what() {
    let due = minutely().paused(instant("10:00:00"), instant("10:05:30"));
    assert_eq!((due.fires.len(), &due.next), (0, &None));
    assert_eq!(left_out(&due), (instant("10:01:00"), instant("10:05:30"), Why::Paused));
    assert_eq!(minutely().paused(instant("10:00:00"), instant("10:00:30")), Due::default());
}

#[test]
fn a_schedule_begins_with_its_start_and_ends_before_its_end() {
    let schedule = Schedule { starts_at: Some(instant("10:02:00")), ends_at: Some(instant("10:04:00")), ..minutely() };
    let fires: Vec<_> = schedule.preview(instant("00:00:00"), 10).into_iter().map(|fire| fire.at).collect();
    assert_eq!(fires, [instant("10:02:00"), instant("10:03:00")]);
    let due = schedule.due(instant("00:00:00"), instant("11:00:00"), CatchUp::All { max: 10 });
    assert_eq!((due.fires.len(), due.next), (2, None));
}

#[test]
fn an_interval_counts_from_the_start_and_knows_no_clocks() {
    let every = Every::milliseconds(90_000).unwrap();
    let schedule = Schedule { when: When::Every(every), starts_at: Some(instant("10:00:10.25")), ..minutely() };
    let fires: Vec<_> = schedule.preview(instant("00:00:00"), 3).into_iter().map(|fire| fire.at).collect();
    assert_eq!(fires, [instant("10:00:10.25"), instant("10:01:40.25"), instant("10:03:10.25")]);
    assert_eq!(schedule.after(instant("10:01:40.25")).unwrap().at, instant("10:03:10.25"));
    assert!(Every::milliseconds(999).is_err() && Every::milliseconds(u64::MAX).is_err());
}

#[test]
fn jitter_puts_off_and_is_the_same_for_everybody() {
    let jitter = |seed| Jitter { most: Duration::from_secs(30), seed };
    let schedule = |seed| Schedule { jitter: jitter(seed), ..minutely() };
    let delays = |seed| {
        let fires = schedule(seed).preview(instant("00:00:00"), 500);
        let mut last = instant("00:00:00");
        for fire in &fires {
            assert!(fire.due >= fire.at && fire.due < fire.at + Duration::from_secs(30) && fire.due > last);
            last = fire.due;
        }
        fires.iter().map(|fire| (fire.due - fire.at).whole_milliseconds()).collect::<Vec<_>>()
    };
    assert_eq!(delays(1), delays(1));
    assert_ne!(delays(1), delays(2));
    // For ever: a new version must not move a fire.
    assert_eq!(delays(1)[..3], [13_158, 10_705, 3_581]);
    let mean = delays(1).iter().sum::<i128>() / 500;
    assert!((13_500..16_500).contains(&mean), "{mean}");

    // A jitter that is longer than the interval never reaches the next fire.
    let long = Schedule { jitter: Jitter { most: Duration::from_secs(86_400), seed: 7 }, ..minutely() };
    for fire in long.preview(instant("00:00:00"), 500) {
        assert!(fire.due < fire.at + Duration::from_secs(60), "{fire:?}");
    }
}

#[test]
fn a_fire_that_is_put_off_is_due_then_and_not_lost() {
    // A delay that is longer than what counts as late anyway.
    let schedule = |seed| Schedule { jitter: Jitter { most: Duration::from_secs(50), seed }, ..minutely() };
    let is_long = |schedule: &Schedule| {
        let fire = schedule.after(instant("10:00:00")).unwrap();
        fire.due > fire.at + Duration::from_secs(20)
    };
    let schedule = (0..).map(schedule).find(is_long).unwrap();
    let fire = schedule.after(instant("10:00:00")).unwrap();
    for catch_up in [CatchUp::None, CatchUp::Latest, CatchUp::All { max: 10 }] {
        let before = schedule.due(instant("10:00:00"), fire.due - Duration::from_millis(1), catch_up);
        assert_eq!((before.fires.len(), before.left_out, before.next), (0, None, Some(fire.clone())));
        let then = schedule.due(instant("10:00:00"), fire.due, catch_up);
        assert_eq!((then.fires, then.left_out), (vec![fire.clone()], None));
        assert_eq!(then.next.unwrap().at, instant("10:02:00"));
    }
}

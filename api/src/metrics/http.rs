//! Requests, by route: how long answers took, and of which sort they were.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use jobs_metrics::{Counter, Histogram, Names, Page, Sort};

/// There are fewer routes.
const ROUTES: usize = 200;
const METHODS: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "other"];
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

static METERS: Names<Meter> = Names::new(ROUTES, Meter::new);

/// What is counted of one route, by method.
#[derive(Debug)]
struct Meter {
    took: [Histogram; METHODS.len()],
    answers: [[Counter; CLASSES.len()]; METHODS.len()],
}

impl Meter {
    const fn new() -> Self {
        Self {
            took: [const { Histogram::new(Histogram::ANSWERS) }; METHODS.len()],
            answers: [const { [const { Counter::new() }; CLASSES.len()] }; METHODS.len()],
        }
    }
}

/// Counts an answer. `route` is the pattern, not the path: there are few.
pub(crate) fn answered(route: &str, method: &Method, status: StatusCode, took: Duration) {
    let meter = METERS.of(if route.is_empty() { "none" } else { route });
    let method = METHODS.iter().position(|known| *known == method.as_str()).unwrap_or(METHODS.len() - 1);
    let class = usize::from(status.as_u16() / 100).clamp(1, CLASSES.len()) - 1;
    meter.took[method].observe(took);
    meter.answers[method][class].one();
}

pub(super) fn expose(page: &mut Page) {
    let all = METERS.all();
    let mut family = page.family("longshore_http_requests_total", Sort::Counter, "Requests that were answered.");
    for (route, meter) in &all {
        for (method, answers) in METHODS.iter().zip(&meter.answers) {
            for (class, count) in CLASSES.iter().zip(answers).filter(|(_, count)| count.get() > 0) {
                family.count(&[("route", route), ("method", method), ("status", class)], count.get());
            }
        }
    }
    let help = "Time until an answer began; waits that clients asked for are in it.";
    let mut family = page.family("longshore_http_request_duration_seconds", Sort::Histogram, help);
    for (route, meter) in &all {
        for (method, took) in METHODS.iter().zip(&meter.took).filter(|(_, took)| took.cumulative().1 > 0) {
            family.histogram(&[("route", route), ("method", method)], took);
        }
    }
}

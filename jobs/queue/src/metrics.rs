//! What the queue counts of itself.

use jobs_metrics::{Counter, Page, Sort};
use redis::RedisError;

/// The connection broke, or there was none; each is tried again.
static CONNECTION: Counter = Counter::new();
/// There was no answer in time.
static TIMEOUT: Counter = Counter::new();
/// Redis refused a command.
static ANSWER: Counter = Counter::new();

/// Counts what Redis failed at.
pub(crate) fn count(error: &RedisError) {
    if error.is_timeout() {
        TIMEOUT.one();
    } else if error.is_io_error() || error.is_connection_dropped() {
        CONNECTION.one();
    } else {
        ANSWER.one();
    }
}

/// Writes what there is to say about Redis.
pub fn expose(page: &mut Page) {
    let help = "Commands that failed: the connection broke and is made anew (connection), Redis was too slow (timeout), or it refused \
        them (answer).";
    let mut family = page.family("longshore_redis_errors_total", Sort::Counter, help);
    for (sort, counter) in [("connection", &CONNECTION), ("timeout", &TIMEOUT), ("answer", &ANSWER)] {
        family.count(&[("type", sort)], counter.get());
    }
}

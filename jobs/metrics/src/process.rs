//! What every process says of itself, under the names that Prometheus' own client libraries use.

use std::{
    sync::OnceLock,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::{Page, Sort};

/// Writes what this process is and what it uses. `version` is that of the program, `role` what the process does.
pub fn process(page: &mut Page, version: &str, role: &str) {
    page.family(
        "longshore_build_info",
        Sort::Gauge,
        "The program that runs, by its version and what it does; always 1.",
    )
    .value(&[("version", version), ("role", role)], 1.0);
    page.family("process_start_time_seconds", Sort::Gauge, "When the process began, in seconds since 1970.")
        .value(&[], *start());
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok());
    if let Some(kib) = resident {
        let kib: u32 = kib;
        page.family("process_resident_memory_bytes", Sort::Gauge, "Memory that the process has in use.")
            .value(&[], f64::from(kib) * 1024.0);
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        page.family("process_open_fds", Sort::Gauge, "Files and sockets that the process has open.")
            .value(&[], open.count() as f64);
    }
    if let Some(seconds) = cpu_seconds() {
        page.family("process_cpu_seconds_total", Sort::Counter, "Time that the processors spent on the process.")
            .value(&[], seconds);
    }
}

/// When this was first asked for, which is when the process begins to listen.
fn start() -> &'static f64 {
    static START: OnceLock<f64> = OnceLock::new();
    START.get_or_init(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64())
}

/// User and system time, fields 14 and 15 of proc(5)'s stat.
fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program comes before in parentheses, and may hold anything.
    let rest = stat.rsplit_once(')')?.1;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let ticks: u64 = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

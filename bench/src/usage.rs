//! What processes used: CPU time and memory, by the kernel's own account in `/proc`.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    time::Duration,
};

/// A process and all that it started, under the name of the first.
pub(crate) type Named = (&'static str, u32);

/// CPU time by name, user and system together, with that of children that have ended.
pub(crate) type CpuTime = BTreeMap<&'static str, Duration>;

/// Memory of a process and all that it started, in KiB.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Memory {
    /// What is resident now. Pages that processes share count for each of them.
    pub(crate) resident: u64,
    /// The most that ever was, of each process.
    pub(crate) peak: u64,
    /// What is resident now, with shared pages divided among those that share them.
    pub(crate) proportional: u64,
}

/// One line of `/proc/<pid>/stat`.
struct Stat {
    parent: u32,
    ticks: u64,
    ticks_of_ended: u64,
}

/// The CPU time of each of `processes` with its children, and that of this process as `client`.
pub(crate) fn cpu(processes: &[Named]) -> CpuTime {
    let all = stats();
    let mut times = CpuTime::new();
    for (name, pid) in processes {
        let ticks: u64 =
            tree(&all, *pid).iter().filter_map(|pid| all.get(pid)).map(|stat| stat.ticks + stat.ticks_of_ended).sum();
        *times.entry(name).or_default() += time_of(ticks);
    }
    let client = all.get(&std::process::id()).map_or(0, |stat| stat.ticks);
    times.insert("client", time_of(client));
    times
}

/// What was used between two readings.
pub(crate) fn between(before: &CpuTime, after: &CpuTime) -> CpuTime {
    let used = |(name, time): (&&'static str, &Duration)| {
        (*name, time.saturating_sub(before.get(name).copied().unwrap_or_default()))
    };
    after.iter().map(used).collect()
}

/// The memory of a process with its children.
pub(crate) fn memory(pid: u32) -> Memory {
    let mut sum = Memory::default();
    for pid in tree(&stats(), pid) {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        sum.resident += kib(&status, "VmRSS:");
        sum.peak += kib(&status, "VmHWM:");
        sum.proportional += kib(&rollup, "Pss:");
    }
    sum
}

fn kib(text: &str, field: &str) -> u64 {
    let value = text.lines().find_map(|line| line.strip_prefix(field)?.split_whitespace().next()?.parse().ok());
    value.unwrap_or_default()
}

fn time_of(ticks: u64) -> Duration {
    Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// A process and everything below it.
fn tree(all: &HashMap<u32, Stat>, root: u32) -> Vec<u32> {
    let mut found = vec![root];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        found.extend(all.iter().filter(|(_, stat)| stat.parent == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    found
}

fn stats() -> HashMap<u32, Stat> {
    let Ok(folder) = fs::read_dir("/proc") else { return HashMap::new() };
    let pids = folder.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| Some((pid, read(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?))).collect()
}

/// The fields are those of proc(5): behind the name in parentheses, which may hold anything, the parent is the second,
/// and the four times begin with the twelfth.
fn read(line: &str) -> Option<Stat> {
    let (_, rest) = line.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some(Stat {
        parent: fields.get(1)?.parse().ok()?,
        ticks: number(11)? + number(12)?,
        ticks_of_ended: number(13)? + number(14)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_it_is_called() {
        let stat = read("7 (a ) b) S 3 7 7 0 -1 4194304 1 2 3 4 50 60 7 8 20 0 1 0").expect("a line of proc");
        assert_eq!((stat.parent, stat.ticks, stat.ticks_of_ended), (3, 110, 15));
    }

    #[test]
    fn this_process_uses_memory() {
        let memory = memory(std::process::id());
        assert!(memory.resident > 0 && memory.peak >= memory.resident, "{memory:?}");
    }
}

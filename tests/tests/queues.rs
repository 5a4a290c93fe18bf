//! Limits of queues and groups, as Redis keeps them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::{Duration, Instant},
};

use e2e::{Servers, eventually, soon};
use jobs_core::{GroupKey, GroupSettings, QueueSettings, Rate, TaskId, Ticket};
use jobs_queue::{Depth, Queue, Taken, Turn, Wake};

const SOON: Duration = Duration::from_secs(10);

fn queue(servers: &Servers) -> Queue {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let prefix = format!("queues-{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
    Queue::open(servers.redis_url(), &prefix).expect("the address of Redis")
}

fn tickets(group: &str, count: i64) -> Vec<Ticket> {
    let ticket =
        |n| Ticket { task: TaskId::new(), queue: "q".into(), group: GroupKey::read(group), priority: 0, ready_ms: n };
    (0..count).map(ticket).collect()
}

async fn turn(queue: &Queue, want: usize) -> Turn {
    queue.claim("q", want).await.expect("claim")
}

async fn configure(queue: &Queue, settings: &QueueSettings, groups: &[(&str, GroupSettings)]) {
    let groups: BTreeMap<GroupKey, GroupSettings> =
        groups.iter().map(|(name, settings)| (GroupKey::read(*name), settings.clone())).collect();
    queue.configure("q", settings, &groups).await.expect("configure");
}

fn at_once(concurrency: u32) -> GroupSettings {
    GroupSettings { concurrency: Some(concurrency), ..GroupSettings::default() }
}

fn of_group(taken: &[Taken], group: &str) -> usize {
    taken.iter().filter(|taken| taken.group.as_str() == group).count()
}

#[tokio::test]
async fn a_group_runs_as_many_at_once_as_it_may_and_holds_up_nobody() {
    let queue = queue(&Servers::shared());
    configure(&queue, &QueueSettings::default(), &[("tight", at_once(2))]).await;
    queue.push(&tickets("tight", 10)).await.expect("push");
    queue.push(&tickets("free", 10)).await.expect("push");
    let first = turn(&queue, 20).await;
    assert_eq!((of_group(&first.taken, "tight"), of_group(&first.taken, "free")), (2, 10));
    let second = turn(&queue, 20).await;
    assert_eq!((second.taken.len(), second.again), (0, None));
    assert_eq!(queue.depth("q").await.expect("depth"), Depth { ready: 8, held: 12, groups: 0, groups_waiting: 1 });
    assert_eq!(
        queue.group_depths("q", &[&GroupKey::read("tight"), &GroupKey::read("free")]).await.expect("depths"),
        [(8, 2), (0, 10)]
    );

    // One ends, one starts; and somebody is woken for it.
    let mut wake = Wake::new(&queue, "q");
    let ended: Vec<Taken> =
        first.taken.iter().filter(|taken| taken.group.as_str() == "tight").take(1).cloned().collect();
    queue.forget("q", &ended).await.expect("forget");
    soon("the wake-up", SOON, wake.wait(None)).await.expect("Redis");
    assert_eq!(turn(&queue, 20).await.taken.len(), 1);
    // Said twice, it is one end all the same.
    queue.forget("q", &ended).await.expect("forget");
    assert!(turn(&queue, 20).await.taken.is_empty());
}

#[tokio::test]
async fn a_queue_runs_as_many_at_once_as_it_may_in_all_its_groups() {
    let queue = queue(&Servers::shared());
    configure(&queue, &QueueSettings { concurrency: Some(3), ..QueueSettings::default() }, &[]).await;
    for group in ["a", "b", "c", "d"] {
        queue.push(&tickets(group, 3)).await.expect("push");
    }
    let mut running = turn(&queue, 2).await.taken;
    running.extend(turn(&queue, 20).await.taken);
    assert_eq!(running.len(), 3);
    let mut done = 0;
    let mut wake = Wake::new(&queue, "q");
    while let Some(ended) = running.pop() {
        done += 1;
        queue.forget("q", &[ended]).await.expect("forget");
        if done <= 9 {
            soon("the wake-up", SOON, wake.wait(None)).await.expect("Redis");
        }
        running.extend(turn(&queue, 20).await.taken);
        assert!(running.len() <= 3);
    }
    assert_eq!(done, 12);
}

#[tokio::test]
async fn a_rate_spaces_starts_evenly_and_says_when_the_next_may_be() {
    let queue = queue(&Servers::shared());
    let rate = Rate { limit: 20, per_ms: 1_000, burst: 3 };
    configure(&queue, &QueueSettings::default(), &[("slow", GroupSettings { rate: Some(rate), ..at_once(100) })]).await;
    queue.push(&tickets("slow", 13)).await.expect("push");
    let began = Instant::now();
    let burst = turn(&queue, 20).await;
    assert_eq!(burst.taken.len(), 3);
    let mut started = 3;
    while started < 13 {
        let next = turn(&queue, 20).await;
        started += next.taken.len();
        if next.taken.is_empty() {
            let again = next.again.expect("a time");
            assert!(again <= Duration::from_millis(51), "{again:?}");
            tokio::time::sleep(again).await;
        }
        let most = 3.0 + began.elapsed().as_secs_f64() * 20.0 + 0.1;
        assert!(started as f64 <= most, "{started} after {:?}", began.elapsed());
    }
    // Ten more than the burst, at 20 a second.
    assert!(began.elapsed() >= Duration::from_millis(498), "{:?}", began.elapsed());
    println!("13 starts in {:?}", began.elapsed());
}

#[tokio::test]
async fn a_rate_of_the_whole_queue_holds_for_all_groups_together() {
    let queue = queue(&Servers::shared());
    let rate = Rate { limit: 5, per_ms: 60_000, burst: 5 };
    configure(&queue, &QueueSettings { rate: Some(rate), ..QueueSettings::default() }, &[]).await;
    for group in ["a", "b"] {
        queue.push(&tickets(group, 5)).await.expect("push");
    }
    assert_eq!(turn(&queue, 20).await.taken.len(), 5);
    let later = turn(&queue, 20).await;
    assert!(later.taken.is_empty());
    assert!(later.again.is_some_and(|again| again > Duration::from_secs(10)), "{later:?}");
}

#[tokio::test]
async fn a_group_of_more_weight_gets_more_turns() {
    let queue = queue(&Servers::shared());
    let heavy = GroupSettings { weight: Some(3), ..GroupSettings::default() };
    configure(&queue, &QueueSettings::default(), &[("heavy", heavy)]).await;
    queue.push(&tickets("heavy", 400)).await.expect("push");
    queue.push(&tickets("light", 400)).await.expect("push");
    let mut of_heavy = 0;
    for _ in 0..200 {
        of_heavy += of_group(&turn(&queue, 1).await.taken, "heavy");
    }
    assert!((148..=152).contains(&of_heavy), "{of_heavy} of 200");
}

#[tokio::test]
async fn what_waits_long_enough_goes_before_a_higher_priority() {
    let queue = queue(&Servers::shared());
    configure(&queue, &QueueSettings { aging_ms: Some(1_000), ..QueueSettings::default() }, &[]).await;
    let now = 1_790_000_000_000;
    let mut all = tickets("g", 3);
    for (ticket, (priority, ready_ms)) in all.iter_mut().zip([(0, now - 3_500), (3, now), (9, now)]) {
        (ticket.priority, ticket.ready_ms) = (priority, ready_ms);
    }
    queue.push(&all).await.expect("push");
    let order: Vec<TaskId> = turn(&queue, 3).await.taken.into_iter().map(|taken| taken.task).collect();
    assert_eq!(order, [all[2].task, all[0].task, all[1].task]);
}

#[tokio::test]
async fn a_paused_queue_and_a_paused_group_wait_until_they_may_go_on() {
    let queue = queue(&Servers::shared());
    let paused = GroupSettings { paused: true, ..GroupSettings::default() };
    configure(&queue, &QueueSettings::default(), &[("p", paused)]).await;
    queue.push(&tickets("p", 2)).await.expect("push");
    queue.push(&tickets("other", 2)).await.expect("push");
    assert_eq!(of_group(&turn(&queue, 9).await.taken, "other"), 2);
    assert!(turn(&queue, 9).await.taken.is_empty());

    configure(&queue, &QueueSettings { paused: true, ..QueueSettings::default() }, &[]).await;
    queue.push(&tickets("other", 2)).await.expect("push");
    assert!(turn(&queue, 9).await.taken.is_empty());
    let mut wake = Wake::new(&queue, "q");
    configure(&queue, &QueueSettings::default(), &[]).await;
    soon("the wake-up", SOON, wake.wait(None)).await.expect("Redis");
    assert_eq!(turn(&queue, 9).await.taken.len(), 4);
}

#[tokio::test]
async fn ten_thousand_groups_take_turns_and_leave_nothing_behind() {
    const GROUPS: usize = 10_000;
    let servers = Servers::shared();
    let queue = queue(&servers);
    configure(&queue, &QueueSettings { group_defaults: at_once(1), ..QueueSettings::default() }, &[]).await;
    let all: Vec<Ticket> = (0..GROUPS).flat_map(|n| tickets(&format!("g{n}"), 2)).collect();
    queue.push(&all).await.expect("push");
    for round in 0..2 {
        let mut taken: HashMap<GroupKey, usize> = HashMap::new();
        let mut held = Vec::new();
        while held.len() < GROUPS {
            let turn = turn(&queue, 500).await.taken;
            assert!(!turn.is_empty(), "round {round}: {} of {GROUPS}", held.len());
            turn.iter().for_each(|taken_one| *taken.entry(taken_one.group.clone()).or_default() += 1);
            held.extend(turn);
        }
        assert!(turn(&queue, 500).await.taken.is_empty());
        assert_eq!((taken.len(), taken.values().max()), (GROUPS, Some(&1)));
        queue.forget("q", &held).await.expect("forget");
    }
    let depth = queue.depth("q").await.expect("depth");
    assert_eq!(depth, Depth::default());
    configure(&queue, &QueueSettings::default(), &[]).await;
    let prefix = format!("{queue:?}").split('"').nth(1).expect("a prefix").to_owned();
    let client = redis::Client::open(servers.redis_url()).expect("the address of Redis");
    let mut redis = client.get_multiplexed_async_connection().await.expect("Redis");
    let keys = eventually("what is past is gone", SOON, async || {
        // The last turns are forgotten with the next ones.
        queue.push(&tickets("last", 1)).await.expect("push");
        let taken = turn(&queue, 1).await.taken;
        queue.forget("q", &taken).await.expect("forget");
        let keys: Vec<String> =
            redis::cmd("KEYS").arg(format!("{{{prefix}:*")).query_async(&mut redis).await.expect("KEYS");
        (keys.len() <= 1).then_some(keys)
    })
    .await;
    assert!(keys.iter().all(|key| key.ends_with(":vtime")), "{keys:?}");
}

#[tokio::test]
async fn groups_with_limits_get_the_same_share() {
    const GROUPS: usize = 2_000;
    let queue = queue(&Servers::shared());
    configure(&queue, &QueueSettings { group_defaults: at_once(2), ..QueueSettings::default() }, &[]).await;
    let all: Vec<Ticket> = (0..GROUPS).flat_map(|n| tickets(&format!("g{n}"), 4)).collect();
    queue.push(&all).await.expect("push");
    let (mut got, mut held) = (HashMap::<GroupKey, u32>::new(), Vec::new());
    let mut started = 0;
    while started < 2 * GROUPS {
        let taken = turn(&queue, 500.min(2 * GROUPS - started)).await.taken;
        started += taken.len();
        taken.iter().for_each(|taken| *got.entry(taken.group.clone()).or_default() += 1);
        // As a worker does: what was taken ends while the next is taken.
        queue.forget("q", &std::mem::replace(&mut held, taken)).await.expect("forget");
    }
    let uneven: Vec<_> = got.iter().filter(|(_, count)| **count != 2).take(5).collect();
    assert!(got.len() == GROUPS && uneven.is_empty(), "{} groups, {uneven:?}", got.len());
}

#[tokio::test]
async fn what_is_pushed_again_while_it_is_held_counts_once() {
    let queue = queue(&Servers::shared());
    let one = tickets("g", 1);
    queue.push_new(&one).await.expect("push");
    let taken = turn(&queue, 1).await.taken;
    // A late word of whoever made it.
    queue.push_new(&one).await.expect("push");
    assert_eq!(turn(&queue, 1).await.taken, taken);
    assert_eq!(queue.group_depths("q", &[&GroupKey::read("g")]).await.expect("depths"), [(0, 1)]);
    queue.forget("q", &taken).await.expect("forget");
    assert_eq!(queue.group_depths("q", &[&GroupKey::read("g")]).await.expect("depths"), [(0, 0)]);
}

//! The queue in Redis: order, fairness, wake-ups, and what is left when Redis loses everything.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::{Duration, Instant},
};

use e2e::{Servers, eventually, soon};
use jobs_core::{GroupKey, TaskId, Ticket};
use jobs_queue::{Hub, Queue, Taken, Wake};
use tokio_util::sync::CancellationToken;

const SOON: Duration = Duration::from_secs(10);

fn queue(servers: &Servers) -> Queue {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let prefix = format!("queue-{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
    Queue::open(servers.redis_url(), &prefix).expect("the address of Redis")
}

fn ticket(group: &str, priority: u8, ready_ms: i64) -> Ticket {
    Ticket { task: TaskId::new(), queue: "q".into(), group: GroupKey::read(group), priority, ready_ms }
}

async fn take(queue: &Queue, want: usize) -> Vec<Taken> {
    queue.claim("q", want).await.expect("claim").taken
}

async fn claim(queue: &Queue, want: usize) -> Vec<TaskId> {
    take(queue, want).await.into_iter().map(|taken| taken.task).collect()
}

#[tokio::test]
async fn what_is_pushed_twice_is_there_once() {
    let queue = queue(&Servers::shared());
    let tickets: Vec<Ticket> = (0..700).map(|n| ticket("g", 0, n)).collect();
    queue.push(&tickets).await.expect("push");
    queue.push(&tickets).await.expect("push");
    let mut taken = claim(&queue, 500).await;
    taken.extend(claim(&queue, 500).await);
    assert_eq!(taken, tickets.iter().map(|ticket| ticket.task).collect::<Vec<_>>());
    assert!(claim(&queue, 500).await.is_empty());

    // Taken and pushed again: it was given back.
    queue.push(&tickets[..1]).await.expect("push");
    assert_eq!(claim(&queue, 10).await, [tickets[0].task]);
}

#[tokio::test]
async fn within_a_group_the_higher_priority_goes_first_and_then_the_older() {
    let queue = queue(&Servers::shared());
    let now = 1_790_000_000_000;
    let tickets = [
        ticket("g", 0, now),
        ticket("g", 9, now + 5),
        ticket("g", 5, now - 9),
        ticket("g", 9, now),
        ticket("g", 0, now - 1),
    ];
    queue.push(&tickets).await.expect("push");
    let order = [3, 1, 2, 4, 0].map(|n: usize| tickets[n].task);
    assert_eq!(claim(&queue, 10).await, order);
}

#[tokio::test]
async fn small_groups_are_not_starved_by_a_large_one() {
    let queue = queue(&Servers::shared());
    let large: Vec<Ticket> = (0..1_000).map(|n| ticket("large", 0, n)).collect();
    queue.push(&large).await.expect("push");
    // They come later, and are younger.
    let small: Vec<Ticket> =
        ["a", "b", "c"].iter().flat_map(|group| (0..10).map(|n| ticket(group, 0, 5_000 + n))).collect();
    queue.push(&small).await.expect("push");
    let groups: HashMap<TaskId, &str> =
        large.iter().chain(&small).map(|ticket| (ticket.task, ticket.group.as_str())).collect();

    let mut taken: HashMap<&str, u32> = HashMap::new();
    let mut turns = 0;
    while ["a", "b", "c"].iter().any(|group| taken.get(group).copied().unwrap_or(0) < 10) {
        for id in claim(&queue, 1).await {
            *taken.entry(groups[&id]).or_default() += 1;
            turns += 1;
        }
        assert!(turns <= 48, "after {turns} turns: {taken:?}");
    }
    println!("the small groups were done after {turns} turns: {taken:?}");
    assert!(taken["large"] <= 15, "{taken:?}");
}

#[tokio::test]
async fn a_batch_is_shared_among_the_groups() {
    let queue = queue(&Servers::shared());
    let tickets: Vec<Ticket> =
        ["a", "b", "c", "d"].iter().flat_map(|group| (0..50).map(|n| ticket(group, 0, n))).collect();
    queue.push(&tickets).await.expect("push");
    let groups: HashMap<TaskId, &str> = tickets.iter().map(|ticket| (ticket.task, ticket.group.as_str())).collect();
    let mut taken: HashMap<&str, u32> = HashMap::new();
    for id in claim(&queue, 40).await {
        *taken.entry(groups[&id]).or_default() += 1;
    }
    assert_eq!(taken.values().sum::<u32>(), 40);
    assert!(taken.len() == 4 && taken.values().all(|count| (5..=20).contains(count)), "{taken:?}");
}

#[tokio::test]
async fn a_group_that_was_idle_is_owed_nothing() {
    let queue = queue(&Servers::shared());
    queue.push(&(0..100).map(|n| ticket("busy", 0, n)).collect::<Vec<_>>()).await.expect("push");
    assert_eq!(claim(&queue, 50).await.len(), 50);
    let late: Vec<Ticket> = (0..50).map(|n| ticket("late", 0, n)).collect();
    queue.push(&late).await.expect("push");
    let mut of_late = 0;
    for _ in 0..20 {
        let id = claim(&queue, 1).await[0];
        of_late += u32::from(late.iter().any(|ticket| ticket.task == id));
    }
    assert!((8..=12).contains(&of_late), "{of_late} of 20 turns");
}

#[tokio::test]
async fn a_group_that_comes_back_again_and_again_with_one_task_starves_nobody() {
    let queue = queue(&Servers::shared());
    // Its name is the first one in any order, and it is there again before every turn.
    let large: Vec<Ticket> = (0..100).map(|n| ticket("large", 0, n)).collect();
    queue.push(&large).await.expect("push");
    let mut of_large = 0;
    for n in 0..40 {
        queue.push(&[ticket("a", 9, n)]).await.expect("push");
        let id = claim(&queue, 1).await[0];
        of_large += u32::from(large.iter().any(|ticket| ticket.task == id));
    }
    assert!((18..=22).contains(&of_large), "{of_large} of 40 turns");
}

#[tokio::test]
async fn nothing_is_kept_of_groups_that_have_nothing_left() {
    let servers = Servers::shared();
    let queue = queue(&servers);
    for round in 0..20 {
        let tickets: Vec<Ticket> = (0..50).map(|n| ticket(&format!("g-{round}-{n}"), 0, n)).collect();
        queue.push(&tickets).await.expect("push");
        let taken = take(&queue, 50).await;
        assert_eq!(taken.len(), 50);
        queue.forget("q", &taken).await.expect("forget");
    }
    let client = redis::Client::open(servers.redis_url()).expect("the address of Redis");
    let mut redis = client.get_multiplexed_async_connection().await.expect("Redis");
    // The prefix is the only thing of it that its debug output shows.
    let prefix = format!("{queue:?}").split('"').nth(1).expect("a prefix").to_owned();
    let keys: Vec<String> =
        redis::cmd("KEYS").arg(format!("{{{prefix}:*")).query_async(&mut redis).await.expect("KEYS");
    assert!(keys.len() <= 1 && keys.iter().all(|key| key.ends_with(":vtime")), "{keys:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_somebody_took_to_his_grave_is_made_up_for() {
    let servers = Servers::private();
    let queue = queue(&servers);
    let lonely = ticket("g", 0, 1);
    queue.push(std::slice::from_ref(&lonely)).await.expect("push");
    // A worker that is woken and dies before it looks.
    soon("the wake-up", SOON, Wake::new(&queue, "q").wait(None)).await.expect("Redis");
    let mut wake = Wake::new(&queue, "q");
    assert!(tokio::time::timeout(Duration::from_millis(200), wake.wait(None)).await.is_err(), "there is no token left");
    nobody_waits(&servers).await;

    let missing = queue.missing("q", std::slice::from_ref(&lonely), Duration::from_secs(10)).await.expect("missing");
    assert!(missing.is_empty(), "it is ready");
    soon("the wake-up", SOON, wake.wait(None)).await.expect("Redis");
    assert_eq!(claim(&queue, 1).await, [lonely.task]);
}

#[tokio::test]
async fn what_is_neither_ready_nor_held_is_missing() {
    let queue = queue(&Servers::shared());
    let tickets: Vec<Ticket> = (0..4).map(|n| ticket("g", 0, n)).collect();
    let age = Duration::from_secs(10);
    assert_eq!(queue.missing("q", &tickets, age).await.expect("missing"), tickets);
    queue.push(&tickets[..3]).await.expect("push");
    assert_eq!(queue.missing("q", &tickets, age).await.expect("missing"), tickets[3..]);

    let taken = take(&queue, 1).await;
    assert_eq!(
        queue.missing("q", &tickets, age).await.expect("missing"),
        tickets[3..],
        "one that was just taken is not"
    );
    assert!(queue.stale("q", age, 10).await.expect("stale").is_empty());
    // Held for longer than nothing at all, a moment later.
    let stale = eventually("it is stale", SOON, async || {
        let stale = queue.stale("q", Duration::from_millis(1), 10).await.expect("stale");
        (!stale.is_empty()).then_some(stale)
    })
    .await;
    assert_eq!(stale, taken);
    assert!(queue.stale("q", age, 10).await.expect("stale").is_empty(), "it was just looked at");

    queue.forget("q", &taken).await.expect("forget");
    let missing = queue.missing("q", &tickets, age).await.expect("missing");
    assert_eq!(missing, [tickets[0].clone(), tickets[3].clone()]);
    queue.withdraw("q", &[Taken { task: tickets[1].task, group: GroupKey::read("g") }]).await.expect("withdraw");
    assert_eq!(claim(&queue, 10).await, [tickets[2].task]);
}

#[tokio::test]
async fn a_withdrawn_group_does_not_stop_the_others() {
    let queue = queue(&Servers::shared());
    let alone = ticket("alone", 0, 1);
    let other = ticket("other", 0, 2);
    queue.push(&[alone.clone(), other.clone()]).await.expect("push");
    queue.withdraw("q", &[Taken { task: alone.task, group: GroupKey::read("alone") }]).await.expect("withdraw");
    assert_eq!(claim(&queue, 1).await, [other.task]);
    assert!(claim(&queue, 1).await.is_empty());
}

#[tokio::test]
async fn a_lost_index_is_noticed() {
    let servers = Servers::private();
    let queue = queue(&servers);
    assert!(!queue.is_whole().await.expect("whole"));
    // One that Redis lost meanwhile is not done, whoever began it.
    let lost = queue.begin_rebuild().await.expect("begin");
    assert!(!queue.is_whole().await.expect("whole"));
    let rebuild = queue.begin_rebuild().await.expect("begin");
    assert!(!queue.end_rebuild(lost).await.expect("end"));
    assert!(!queue.is_whole().await.expect("whole"));
    assert!(queue.end_rebuild(rebuild).await.expect("end"));
    assert!(queue.is_whole().await.expect("whole"));
    servers.own().stop_redis().expect("stop");
    assert!(queue.is_whole().await.is_err());
    servers.own().start_redis().expect("start");
    let whole = eventually("Redis is back", SOON, async || queue.is_whole().await.ok()).await;
    assert!(!whole);
}

/// Waits until nobody blocks on this Redis, which must be the test's own.
async fn nobody_waits(servers: &Servers) {
    let client = redis::Client::open(servers.redis_url()).expect("the address of Redis");
    let mut redis = client.get_multiplexed_async_connection().await.expect("Redis");
    eventually("nobody waits", SOON, async || {
        let info: String = redis::cmd("INFO").arg("clients").query_async(&mut redis).await.expect("INFO");
        info.contains("blocked_clients:0\r").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiter_sleeps_until_something_is_pushed() {
    let servers = Servers::private();
    let queue = queue(&servers);
    let mut wake = Wake::new(&queue, "q");
    let early = tokio::time::timeout(Duration::from_millis(300), wake.wait(None)).await;
    assert!(early.is_err(), "nothing was pushed: {early:?}");
    let other = ticket("g", 0, 1);
    queue.push(&[Ticket { queue: "another".into(), ..other.clone() }]).await.expect("push");
    let early = tokio::time::timeout(Duration::from_millis(300), wake.wait(None)).await;
    assert!(early.is_err(), "something was pushed elsewhere: {early:?}");
    // Who has given up takes no token away.
    nobody_waits(&servers).await;

    let waiter = tokio::spawn(async move { wake.wait(None).await });
    let began = Instant::now();
    queue.push(&[other]).await.expect("push");
    soon("the wake-up", SOON, waiter).await.expect("no panic").expect("Redis");
    println!("woken after {:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_wake_up_is_lost_while_claims_race_pushes() {
    const ROUNDS: usize = 1_000;
    let queue = queue(&Servers::shared());
    let (done, mut taken) = tokio::sync::mpsc::unbounded_channel();
    // Workers as they are: claim until there is nothing, then block. They never look by the clock.
    let workers: Vec<_> = (0..3)
        .map(|_| {
            let (queue, done) = (queue.clone(), done.clone());
            tokio::spawn(async move {
                let mut wake = Wake::new(&queue, "q");
                loop {
                    let ids = claim(&queue, 2).await;
                    if ids.is_empty() {
                        wake.wait(None).await.expect("wait");
                    }
                    for id in ids {
                        let _ = done.send(id);
                    }
                }
            })
        })
        .collect();
    for round in 0..ROUNDS {
        // One or a few, so that tokens are sometimes fewer and sometimes more than the workers.
        let mut pushed: Vec<Ticket> = (0..1 + round % 5).map(|n| ticket(["a", "b"][n % 2], 0, round as i64)).collect();
        let (one, two) = pushed.split_at(pushed.len() / 2);
        let (one, two) = tokio::join!(queue.push(one), queue.push(two));
        one.and(two).expect("push");
        while !pushed.is_empty() {
            let id = soon(&format!("a wake-up in round {round}"), SOON, taken.recv()).await.expect("workers");
            pushed.retain(|ticket| ticket.task != id);
        }
    }
    workers.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_watches_a_task_hears_of_its_changes_and_of_no_other() {
    let queue = queue(&Servers::shared());
    let stop = CancellationToken::new();
    let hub = Hub::start(&queue, stop.clone());
    let (mine, other) = (TaskId::new(), TaskId::new());
    let mut one = hub.watch(mine);
    let mut two = hub.watch(mine);
    // A watch that begins says once that the task may have changed: it was not heard before.
    soon("the first look", SOON, one.changed()).await;
    soon("the first look", SOON, two.changed()).await;
    // Subscribed: what was read before the subscription held is told once more at most.
    let _ = tokio::time::timeout(Duration::from_millis(300), one.changed()).await;

    queue.announce(&[other]).await.expect("announce");
    assert!(tokio::time::timeout(Duration::from_millis(300), one.changed()).await.is_err());
    for _ in 0..100 {
        queue.announce(&[other, mine]).await.expect("announce");
        soon("a change", SOON, one.changed()).await;
    }
    drop(one);
    queue.announce(&[mine]).await.expect("announce");
    soon("a change, for the other one", SOON, two.changed()).await;
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn watchers_are_woken_after_redis_came_back() {
    let servers = Servers::private();
    let queue = queue(&servers);
    let hub = Hub::start(&queue, CancellationToken::new());
    let task = TaskId::new();
    let mut watch = hub.watch(task);
    soon("the first look", SOON, watch.changed()).await;

    servers.own().stop_redis().expect("stop");
    // While Redis is away watchers look by themselves.
    soon("a look without Redis", SOON, watch.changed()).await;
    soon("another look without Redis", SOON, watch.changed()).await;
    servers.own().start_redis().expect("start");
    eventually("Redis is back", SOON, async || queue.ping().await.ok()).await;
    // The subscription comes back by itself: then silence, and then a word.
    eventually("the subscription is back", SOON, async || {
        tokio::time::timeout(Duration::from_millis(1_500), watch.changed()).await.is_err().then_some(())
    })
    .await;
    queue.announce(&[task]).await.expect("announce");
    soon("a change", Duration::from_secs(1), watch.changed()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_begins_to_watch_while_redis_is_away_hears_of_changes_afterwards() {
    let servers = Servers::private();
    let queue = queue(&servers);
    let hub = Hub::start(&queue, CancellationToken::new());
    let mut before = hub.watch(TaskId::new());
    soon("the first look", SOON, before.changed()).await;

    servers.own().stop_redis().expect("stop");
    soon("a look without Redis", SOON, before.changed()).await;
    let task = TaskId::new();
    let mut watch = hub.watch(task);
    // Many come and go meanwhile, and come back.
    for _ in 0..10_000 {
        drop(hub.watch(TaskId::new()));
    }
    drop(hub.watch(before.task()));
    soon("a look without Redis", SOON, watch.changed()).await;
    servers.own().start_redis().expect("start");
    eventually("Redis is back", SOON, async || queue.ping().await.ok()).await;
    eventually("the subscription is back", SOON, async || {
        tokio::time::timeout(Duration::from_millis(1_500), watch.changed()).await.is_err().then_some(())
    })
    .await;
    // All looks until now are one.
    soon("the looks until now", SOON, before.changed()).await;
    queue.announce(&[task, before.task()]).await.expect("announce");
    soon("a change", Duration::from_secs(1), watch.changed()).await;
    soon("a change", Duration::from_secs(1), before.changed()).await;
}

//! Which rows statements touch: those they name, however many others wait, run, or have ended.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    time::Duration,
};

use e2e::{Database, Servers, eventually};
use futures::future::join_all;
use jobs_core::{Event, GroupKey, GroupSettings, NewTask, Progress, QueueSettings, TaskId, WorkerId};
use jobs_store::{
    Report, Store, Word,
    transition::{Claim, Finish},
};
use serde_json::value::RawValue;

const SOON: Duration = Duration::from_secs(20);

fn task(queue: &str, group: &str) -> NewTask {
    NewTask {
        queue: queue.into(),
        group: group.into(),
        ..NewTask::plain("echo", RawValue::from_string("{}".into()).expect("JSON"))
    }
}

async fn submit(store: &Store, count: usize, queue: &str, group: &str) -> Vec<TaskId> {
    let new: Vec<NewTask> = (0..count).map(|_| task(queue, group)).collect();
    store.submit(&new).await.expect("submit");
    new.iter().map(|task| task.id).collect()
}

async fn worker(store: &Store) -> WorkerId {
    let worker = WorkerId::new();
    store.register(worker, "w", 1, &BTreeMap::new(), "0").await.expect("a worker");
    worker
}

fn success(claim: &Claim) -> Finish {
    let Claim { task, epoch, .. } = *claim;
    Finish { task, epoch, event: Event::Succeed, output: None, error: None, wait: Duration::ZERO }
}

/// How many rows a statement has read so far: through the indexes of states, and without an index.
async fn read_by_state(database: &Database) -> i64 {
    let sql = "SELECT (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE indexrelname IN ('tasks_queued', 'tasks_held'))::bigint
        + (SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'tasks')";
    database.count(sql).await
}

/// Waits until the counts say that so many rows of tasks were updated: a server process tells them when it ends.
async fn counted(database: &Database, updates: i64) {
    eventually("the counts of Postgres", SOON, async || {
        let sql = "SELECT n_tup_upd FROM pg_stat_user_tables WHERE relname = 'tasks'";
        (database.count(sql).await == updates).then_some(())
    })
    .await;
}

#[tokio::test]
async fn claims_and_ends_read_nothing_but_the_tasks_they_name() {
    let database = Database::new(&Servers::shared()).await;
    // Plans are made while there are no rows, and kept.
    let store = database.store();
    let worker = worker(&store).await;
    for _ in 0..10 {
        let ids = submit(&store, 1, "default", "default").await;
        let claims = store.claim(worker, &ids).await.expect("claim");
        store.finish(worker, &claims.iter().map(success).collect::<Vec<_>>()).await.expect("finish");
    }
    let mut ids = submit(&store, 3_000, "default", "default").await;
    let waiting = ids.split_off(2_000);
    store.claim(worker, &ids).await.expect("claim");
    let claims = join_all(waiting.chunks(50).take(10).map(|ids| store.claim(worker, ids))).await;
    let ends: Vec<Vec<Finish>> =
        claims.into_iter().map(|claims| claims.expect("claim").iter().map(success).collect()).collect();
    assert_eq!(ends.iter().map(Vec::len).sum::<usize>(), 500);
    for ends in &ends {
        store.finish(worker, ends).await.expect("finish");
    }
    store.close().await;
    counted(&database, 20 + 2_000 + 500 + 500).await;
    assert_eq!(read_by_state(&database).await, 0);
}

#[tokio::test]
async fn progress_touches_no_index() {
    let database = Database::new(&Servers::shared()).await;
    let store = database.store();
    let (worker, ids) = (worker(&store).await, submit(&store, 1, "default", "default").await);
    store.claim(worker, &ids).await.expect("claim");
    // No more than one page has room for.
    for percent in 0..10_u8 {
        let progress = Progress { percent: Some(f32::from(percent)), ..Progress::default() };
        let report = Report { task: ids[0], epoch: 1, word: Word::Progress { progress } };
        assert_eq!(store.report(worker, &[report]).await.expect("report"), ids);
    }
    store.close().await;
    counted(&database, 11).await;
    let sql = "SELECT n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'tasks'";
    assert_eq!(database.count(sql).await, 10);
}

#[tokio::test]
async fn workers_without_redis_get_different_tasks_the_oldest_first() {
    let database = Database::new(&Servers::shared()).await;
    let store = database.store();
    let first = submit(&store, 10, "default", "default").await;
    let others = submit(&store, 190, "default", "default").await;
    submit(&store, 10, "other", "default").await;
    let late = worker(&store).await;
    let claims = store.claim_waiting(late, "default", 10).await.expect("claim");
    let oldest: BTreeSet<TaskId> = claims.iter().map(|claim| claim.task).collect();
    assert_eq!(oldest, BTreeSet::from_iter(first));
    assert!(claims.iter().all(|claim| (claim.attempt, claim.epoch, claim.group.as_str()) == (1, 1, "default")));

    let workers = (0..8).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            let worker = worker(&store).await;
            let mut taken = Vec::new();
            loop {
                let claims = store.claim_waiting(worker, "default", 7).await.expect("claim");
                if claims.is_empty() {
                    return taken;
                }
                taken.extend(claims.into_iter().map(|claim| claim.task));
            }
        })
    });
    let taken: Vec<TaskId> = join_all(workers).await.into_iter().flat_map(|taken| taken.expect("no panic")).collect();
    assert_eq!(taken.len(), 190);
    assert_eq!(HashSet::<TaskId>::from_iter(taken), HashSet::from_iter(others));

    store.deregister(late).await.expect("the end of its lease");
    assert!(store.claim_waiting(late, "other", 7).await.expect("claim").is_empty());
}

#[tokio::test]
async fn what_has_a_limit_waits_for_redis() {
    let database = Database::new(&Servers::shared()).await;
    let store = database.store();
    let worker = worker(&store).await;
    for (queue, group) in [("limited", "a"), ("paused", "a"), ("mixed", "slow"), ("mixed", "fast")] {
        submit(&store, 2, queue, group).await;
    }
    store.set_queue("limited", &QueueSettings { concurrency: Some(1), ..QueueSettings::default() }).await.expect("set");
    store.pause_queue("paused", true).await.expect("pause");
    let slow = GroupSettings { concurrency: Some(1), ..GroupSettings::default() };
    store.set_group("mixed", &GroupKey::read("slow"), Some(&slow)).await.expect("set");
    let weighty = GroupSettings { weight: Some(3), ..GroupSettings::default() };
    store.set_group("mixed", &GroupKey::read("fast"), Some(&weighty)).await.expect("set");
    for queue in ["limited", "paused"] {
        assert!(store.claim_waiting(worker, queue, 10).await.expect("claim").is_empty(), "{queue}");
    }
    let claims = store.claim_waiting(worker, "mixed", 10).await.expect("claim");
    assert_eq!(claims.iter().map(|claim| claim.group.as_str()).collect::<Vec<_>>(), ["fast", "fast"]);
}

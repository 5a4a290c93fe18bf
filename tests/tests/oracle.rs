//! The oracle itself: rows that are right pass, and each sort of wrong is seen. Without this the fault tests prove nothing.

use std::{collections::BTreeMap, time::Duration};

use e2e::{Database, Execution, Executions, Fault, Servers, contradictions, faults};
use jobs_core::{Event, NewTask, TaskId, WorkerId};
use jobs_store::transition::Finish;
use serde_json::value::RawValue;
use time::OffsetDateTime;

fn task() -> NewTask {
    NewTask::plain("echo", RawValue::from_string("{}".into()).expect("JSON"))
}

#[tokio::test]
async fn the_oracle_sees_every_sort_of_wrong() {
    let database = Database::new(&Servers::shared()).await;
    let (store, worker) = (database.store(), WorkerId::new());
    store.register(worker, "w", 1, &BTreeMap::new(), "0").await.expect("a worker");
    let new: Vec<NewTask> = (0..2).map(|_| task()).collect();
    let ids: Vec<TaskId> = new.iter().map(|task| task.id).collect();
    let accepted: Vec<String> = ids.iter().map(ToString::to_string).collect();
    store.submit(&new).await.expect("submit");
    let seen = faults(&database.pool, &accepted).await;
    assert_eq!(seen.len(), 4, "two tasks that have not ended: {seen:?}");

    for claim in store.claim(worker, &ids).await.expect("claim") {
        let end = Finish {
            task: claim.task,
            epoch: claim.epoch,
            event: Event::Succeed,
            output: Some(RawValue::from_string(r#"{"text":"","attempt":1}"#.into()).expect("JSON")),
            error: None,
            wait: Duration::ZERO,
        };
        store.finish(worker, &[end]).await.expect("finish");
    }
    assert_eq!(faults(&database.pool, &accepted).await, []);

    // A task that was promised and is not there, and one that nobody promised.
    let lost = TaskId::new().to_string();
    let promised = [accepted[0].clone(), lost.clone()];
    let seen: Vec<String> = faults(&database.pool, &promised).await.iter().map(Fault::to_string).collect();
    assert_eq!(seen, [format!("{lost} was accepted and is lost"), format!("{} was never accepted", accepted[1])]);

    // What a worker that is not fenced would leave.
    let stale = [
        ("a second start in one epoch", "'status', 'start', 'running', 1, 1"),
        ("a second end of one attempt", "'status', 'release', 'queued', 1, 1"),
        ("a start in an epoch of its own", "'status', 'start', 'running', 2, 2"),
        ("progress after the end", "'progress', NULL, NULL, 1, 1"),
    ];
    for (what, columns) in stale {
        let id = ids[0].0;
        let insert = format!(
            "INSERT INTO task_events (task_id, seq, type, event, state, attempt, epoch) VALUES ('{id}', 4, {columns})"
        );
        database.execute(&insert).await;
        let seen = faults(&database.pool, &accepted).await;
        // Each is a gap, too: the row does not know of it.
        assert!(seen.len() >= 2, "{what}: {seen:?}");
        database.execute(&format!("DELETE FROM task_events WHERE task_id = '{id}' AND seq = 4")).await;
    }
    let end = format!(
        "ALTER TABLE tasks DISABLE TRIGGER USER; UPDATE tasks SET history = history[:2] WHERE id = '{}';
        ALTER TABLE tasks ENABLE TRIGGER USER",
        ids[1].0
    );
    database.execute(&end).await;
    let seen = faults(&database.pool, &accepted).await;
    assert!(seen.iter().any(|fault| fault.what.contains("terminal row")), "{seen:?}");
    assert!(seen.iter().any(|fault| fault.what.contains("gaps")), "{seen:?}");
}

#[tokio::test]
async fn the_oracle_sees_what_the_workers_say_otherwise_than_the_rows() {
    let database = Database::new(&Servers::shared()).await;
    let (store, worker) = (database.store(), WorkerId::new());
    store.register(worker, "w", 1, &BTreeMap::new(), "0").await.expect("a worker");
    let new = task();
    store.submit(std::slice::from_ref(&new)).await.expect("submit");
    let claim = store.claim(worker, &[new.id]).await.expect("claim").remove(0);
    let now = async || -> OffsetDateTime {
        sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(&database.pool).await.expect("the time")
    };
    let ended = now().await;
    let (task, epoch) = (claim.task, claim.epoch);
    let end = Finish { task, epoch, event: Event::Succeed, output: None, error: None, wait: Duration::ZERO };
    store.finish(worker, &[end]).await.expect("finish");
    let truth = Execution { task, epoch, worker, began: ended, ended: Some((ended, "succeed".into())) };
    let seen = async |all: &[&Execution]| -> Vec<&'static str> {
        let all = all.iter().map(|execution| (*execution).clone()).collect();
        let executions = Executions { all, ..Executions::default() };
        contradictions(&database.pool, &executions).await.iter().map(|fault| fault.what).collect()
    };

    assert_eq!(seen(&[&truth]).await, [""; 0]);
    let unclaimed = "was run by a worker that had not claimed it";
    let unsaid = "succeeded before, or without, the attempt that is said to have done it";
    let too_often = "was run more often than it was taken back, given back, retried and opened again";
    assert_eq!(seen(&[&truth, &truth]).await, ["was run twice in one epoch", too_often]);
    let other_epoch = Execution { epoch: 2, ..truth.clone() };
    assert_eq!(seen(&[&truth, &other_epoch]).await, [unclaimed, too_often]);
    assert_eq!(seen(&[&Execution { worker: WorkerId::new(), ..truth.clone() }]).await, [unclaimed, unsaid]);
    assert_eq!(seen(&[&Execution { ended: None, ..truth.clone() }]).await, [unsaid]);
    assert_eq!(seen(&[]).await, [unsaid]);
    let later = Execution { ended: Some((now().await, "succeed".into())), ..truth.clone() };
    assert_eq!(seen(&[&later]).await, [unsaid]);
    let otherwise = Execution { ended: Some((ended, "retry".into())), ..truth.clone() };
    assert_eq!(seen(&[&otherwise]).await, [unsaid]);
}

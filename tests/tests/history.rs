//! The history of a task: moments in its row, words in rows of their own, and what a program of before wrote.

use std::{collections::BTreeMap, time::Duration};

use e2e::{Database, Servers};
use jobs_core::{Event, LogLevel, Progress, ProjectId, State, TaskId, WorkerId};
use jobs_store::{
    Report, Store, Word,
    transition::{Finish, Recorded},
};

/// Submits a task as a program does that knows no moments.
async fn submit_as_before(database: &Database) -> TaskId {
    let id = TaskId::new();
    let sql = format!(
        r#"INSERT INTO tasks (id, kind, queue, "group", priority, state, input, max_attempts, retry, timeout_ms, queued_at)
        VALUES ('{0}', 'echo', 'default', 'default', 0, 'queued', '{{}}', 3,
            '{{"initial_ms":1000,"factor":2,"max_ms":300000,"jitter":true}}', 60000, now());
        INSERT INTO task_events (task_id, seq, type, event, state, attempt, epoch)
        VALUES ('{0}', 1, 'status', 'submit', 'queued', 0, 0)"#,
        id.0
    );
    database.execute(&sql).await;
    id
}

/// Claims a task as such a program does.
async fn claim_as_before(database: &Database, worker: WorkerId, id: TaskId) {
    let sql = format!(
        "WITH claimed AS (
            UPDATE tasks SET state = 'running', epoch = epoch + 1, attempt = attempt + 1, worker = '{}', started_at = now(), seq = seq + 1
            WHERE id = '{}' AND state = 'queued' RETURNING *
        )
        INSERT INTO task_events (task_id, seq, type, event, state, attempt, epoch, worker)
        SELECT id, seq, 'status', 'start', state, attempt, epoch, worker FROM claimed",
        worker.0, id.0
    );
    database.execute(&sql).await;
}

async fn worker(store: &Store) -> WorkerId {
    let worker = WorkerId::new();
    store.register(worker, "w", 1, &BTreeMap::new(), "0").await.expect("a worker");
    worker
}

async fn finish(store: &Store, worker: WorkerId, task: TaskId, epoch: i32, event: Event) -> Recorded {
    let end = Finish { task, epoch, event, output: None, error: None, wait: Duration::ZERO };
    store.finish(worker, &[end]).await.expect("finish").recorded.remove(0)
}

async fn told(store: &Store, task: TaskId) -> Vec<(i64, String)> {
    let rows = store.events(ProjectId::DEFAULT, task, 0, 100).await.expect("the history");
    rows.into_iter().map(|row| (row.seq, row.event.unwrap_or_else(|| row.event_type.name().to_owned()))).collect()
}

fn numbered(words: &[&str]) -> Vec<(i64, String)> {
    (1..).zip(words.iter().map(|word| (*word).to_owned())).collect()
}

#[tokio::test]
async fn moments_and_words_are_numbered_together_and_read_in_order() {
    let database = Database::new(&Servers::shared()).await;
    let store = database.store();
    let (id, worker) = (submit_as_before(&database).await, worker(&store).await);
    store.claim(worker, &[id]).await.expect("claim");
    let words = [
        Word::Progress { progress: Progress { percent: Some(50.0), ..Progress::default() } },
        Word::Log { level: LogLevel::Info, message: "half".into() },
    ];
    store.report(worker, &words.map(|word| Report { task: id, epoch: 1, word })).await.expect("report");
    store.cancel(ProjectId::DEFAULT, id).await.expect("cancel");
    assert_eq!(finish(&store, worker, id, 1, Event::Stop).await, Recorded::Yes(State::Canceled));

    let history = numbered(&["submit", "start", "progress", "log", "cancel", "stop"]);
    assert_eq!(told(&store, id).await, history);
    for after in 0..history.len() {
        let rows = store
            .events(ProjectId::DEFAULT, id, i64::try_from(after).expect("a small number"), 2)
            .await
            .expect("the history");
        let seen: Vec<i64> = rows.iter().map(|row| row.seq).collect();
        let expected: Vec<i64> = history.iter().skip(after).take(2).map(|(seq, _)| *seq).collect();
        assert_eq!(seen, expected, "after {after}");
    }
    let times: Vec<_> = store
        .events(ProjectId::DEFAULT, id, 0, 100)
        .await
        .expect("the history")
        .into_iter()
        .map(|row| row.at)
        .collect();
    assert!(times.is_sorted(), "{times:?}");
}

#[tokio::test]
async fn a_history_that_a_program_of_before_began_goes_on_and_the_other_way_round() {
    let database = Database::new(&Servers::shared()).await;
    let store = database.store();
    let worker = worker(&store).await;
    // Begun by the old one, ended by the new one.
    let id = submit_as_before(&database).await;
    claim_as_before(&database, worker, id).await;
    assert_eq!(finish(&store, worker, id, 1, Event::Release).await, Recorded::Yes(State::Queued));
    // And once more, with the old one in between.
    claim_as_before(&database, worker, id).await;
    assert_eq!(finish(&store, worker, id, 2, Event::Succeed).await, Recorded::Yes(State::Succeeded));
    assert_eq!(told(&store, id).await, numbered(&["submit", "start", "release", "start", "succeed"]));
    assert_eq!(e2e::faults(&database.pool, &[id.to_string()]).await, []);
}

#[tokio::test]
async fn why_an_attempt_failed_stays_in_the_history() {
    let database = Database::new(&Servers::shared()).await;
    let store = database.store();
    let (id, worker) = (submit_as_before(&database).await, worker(&store).await);
    for (epoch, event, state) in [(1, Event::Retry, State::Retrying), (2, Event::Fail, State::Failed)] {
        let claims = store.claim(worker, &[id]).await.expect("claim");
        let error = jobs_core::TaskError {
            error_type: jobs_core::task::ErrorType::Error,
            code: format!("no_{epoch}"),
            message: "it did not work".into(),
            retryable: true,
            attempt: claims[0].attempt,
            details: None,
        };
        let end = Finish { task: id, epoch, event, output: None, error: Some(error), wait: Duration::ZERO };
        let finished = store.finish(worker, &[end]).await.expect("finish");
        assert_eq!(finished.recorded, [Recorded::Yes(state)]);
        store.due(10).await.expect("due");
    }
    let rows = store.events(ProjectId::DEFAULT, id, 0, 100).await.expect("the history");
    let data = rows.iter().filter_map(|row| row.data.as_ref()).map(|data| {
        let data: serde_json::Value = serde_json::from_str(data.get()).expect("JSON");
        (data["error"]["code"].as_str().map(str::to_owned), data["due_at"].is_string())
    });
    assert_eq!(data.collect::<Vec<_>>(), [(Some("no_1".into()), true), (Some("no_2".into()), false)]);
    assert_eq!(told(&store, id).await, numbered(&["submit", "start", "retry", "due", "start", "fail"]));
}

//! The law of tasks in the database: it does what `State::on` says, for every state and every event.

use std::{collections::BTreeMap, time::Duration};

use e2e::{Database, Servers};
use jobs_core::{Event, ProjectId, State, TaskId, WorkerId};
use jobs_store::{Store, StoreError, transition::Finish};
use sqlx::{PgPool, Row as _};

/// One row in one state, as its life would have left it, with a history that ends there.
struct Subject {
    id: TaskId,
    epoch: i32,
}

async fn put(pool: &PgPool, state: State, event: Event, worker: WorkerId) -> Subject {
    let id = TaskId::new();
    // What makes the events of the scheduler possible wherever the law allows them, and shows a guard that is too weak
    // where it does not.
    let lost = if event == Event::Poison { 7 } else { 0 };
    let due_s = match event {
        Event::Defer => Some(3_600),
        _ => (event == Event::Due || matches!(state, State::Scheduled | State::Retrying)).then_some(-1),
    };
    let deadline_s = (event == Event::Expire).then_some(-1);
    sqlx::query(
        r#"INSERT INTO tasks (id, kind, queue, "group", priority, state, input, max_attempts, retry, timeout_ms, attempt,
            epoch, lost, worker, queued_at, started_at, due_at, deadline, finished_at, seq, history)
        VALUES ($1, 'echo', 'default', 'default', 0, $2, '{}', 3, '{}', 1000, 3, 3, $3, $4, now(), now(),
            now() + $5 * interval '1 second', now() + $6 * interval '1 second', CASE WHEN $7 THEN now() END, 1,
            ARRAY[moment(1, 'submit', $2, 0, 0)])"#,
    )
    .bind(id.0)
    .bind(state.name())
    .bind(lost)
    .bind(worker.0)
    .bind(due_s)
    .bind(deadline_s)
    .bind(state.is_terminal())
    .execute(pool)
    .await
    .expect("a row");
    Subject { id, epoch: 3 }
}

/// Everything that the database knows of a task.
async fn image(pool: &PgPool, id: TaskId) -> String {
    let sql = "SELECT t::text || (SELECT string_agg(e::text, '' ORDER BY seq) FROM task_history e WHERE task_id = t.id)
        FROM tasks t WHERE id = $1";
    sqlx::query_scalar(sql).bind(id.0).fetch_one(pool).await.expect("the row")
}

/// Lets the event happen by the operation of the store that stands for it.
async fn happen(store: &Store, subject: &Subject, event: Event, worker: WorkerId) {
    let finish = || Finish {
        task: subject.id,
        epoch: subject.epoch,
        event,
        output: None,
        error: None,
        wait: Duration::from_secs(60),
    };
    match event {
        Event::Due => drop(store.due(10).await.expect("due")),
        Event::Start => drop(store.claim(worker, &[subject.id]).await.expect("claim")),
        Event::Succeed | Event::Fail | Event::Retry | Event::Stop | Event::Release => {
            drop(store.finish(worker, &[finish()]).await.expect("finish"));
        }
        Event::Cancel => match store.cancel(ProjectId::DEFAULT, subject.id).await {
            Ok(_) | Err(StoreError::Refused(_)) => {}
            Err(error) => panic!("cancel: {error:?}"),
        },
        Event::Lose | Event::Poison => {
            store.deregister(worker).await.expect("the end of a worker");
            drop(store.reap(10).await.expect("reap"));
        }
        Event::Expire => drop(store.expire(10).await.expect("expire")),
        Event::Unblock | Event::Defer | Event::Skip => drop(store.settle(10).await.expect("settle")),
        Event::Reopen => match store.reopen(ProjectId::DEFAULT, subject.id).await {
            Ok(_) | Err(StoreError::Refused(_)) => {}
            Err(error) => panic!("reopen: {error:?}"),
        },
    }
}

/// What it waits for, should it wait: a task that has ended, and of which it has not heard.
async fn wait_for_another(pool: &PgPool, id: TaskId, event: Event) {
    let end = if event == Event::Skip { State::Failed } else { State::Succeeded };
    let other = put(pool, end, Event::Succeed, WorkerId::new()).await.id;
    for sql in [
        "INSERT INTO task_dependencies (task, depends_on) VALUES ($1, $2)",
        "UPDATE tasks SET blockers = 1, depends_on = ARRAY[$2] WHERE id = $1",
        "UPDATE tasks SET has_dependents = true WHERE id = $2 AND id <> $1",
    ] {
        sqlx::query(sql).bind(id.0).bind(other.0).execute(pool).await.expect(sql);
    }
}

#[tokio::test]
async fn the_database_does_what_the_law_says_for_every_state_and_every_event() {
    let database = Database::new(&Servers::shared()).await;
    let (pool, store) = (&database.pool, database.store());
    let mut wrong = Vec::new();
    for state in State::ALL {
        for event in Event::ALL {
            let worker = WorkerId::new();
            store.register(worker, "law", 1, &BTreeMap::new(), "0").await.expect("a worker");
            let subject = put(pool, state, event, worker).await;
            if matches!(event, Event::Unblock | Event::Defer | Event::Skip) {
                wait_for_another(pool, subject.id, event).await;
            }
            let before = image(pool, subject.id).await;
            happen(&store, &subject, event, worker).await;

            let row = sqlx::query(
                "SELECT t.state, t.seq, t.epoch, e.event, e.state AS told
                FROM tasks t JOIN task_history e ON e.task_id = t.id AND e.seq = t.seq WHERE t.id = $1",
            )
            .bind(subject.id.0)
            .fetch_one(pool)
            .await
            .expect("the row, and the last row of its history");
            let seen: (String, i64, String, String) = (row.get(0), row.get(1), row.get(3), row.get(4));
            let unchanged = image(pool, subject.id).await == before;
            match state.on(event) {
                // Refused, or the repetition of a cancel: nothing moves.
                Err(_) if unchanged => {}
                Ok(next) if next == state && unchanged => {}
                Ok(next)
                    if next != state
                        && seen == (next.name().into(), 2, event.name().into(), next.name().into())
                        && row.get::<i32, _>(2) == 3 + i32::from(event == Event::Start) => {}
                law => wrong.push(format!("{state} on {}: the law says {law:?}, the rows say {seen:?}", event.name())),
            }
            database
                .execute(
                    "DELETE FROM tasks; DELETE FROM task_events; DELETE FROM workers; DELETE FROM task_dependencies",
                )
                .await;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn an_event_that_ends_no_attempt_cannot_be_said_by_a_worker() {
    let database = Database::new(&Servers::shared()).await;
    let (pool, store, worker) = (&database.pool, database.store(), WorkerId::new());
    for event in Event::ALL.into_iter().filter(|event| State::Canceling.on(*event).is_err()) {
        let subject = put(pool, State::Running, event, worker).await;
        let before = image(pool, subject.id).await;
        let finish = Finish { task: subject.id, epoch: 3, event, output: None, error: None, wait: Duration::ZERO };
        let said = store.finish(worker, &[finish]).await;
        assert!(matches!(said, Err(StoreError::Refused(_))), "{event:?}: {said:?}");
        assert_eq!(image(pool, subject.id).await, before, "{event:?}");
    }
}

/// Statements that must be refused, by the database itself.
async fn refused(pool: &PgPool, sql: &'static str, id: TaskId, code: &str) {
    let error = sqlx::query(sql).bind(id.0).execute(pool).await.expect_err(sql);
    let found = error.as_database_error().and_then(|error| error.code().map(|code| code.into_owned()));
    assert_eq!(found.as_deref(), Some(code), "{sql}: {error}");
}

const CHECK_VIOLATION: &str = "23514";
const UNIQUE_VIOLATION: &str = "23505";

#[tokio::test]
async fn a_task_that_has_ended_does_not_change_whoever_writes() {
    let database = Database::new(&Servers::shared()).await;
    let pool = &database.pool;
    for state in State::ALL.into_iter().filter(|state| state.is_terminal()) {
        let id = put(pool, state, Event::Succeed, WorkerId::new()).await.id;
        for change in [
            "UPDATE tasks SET state = 'queued', finished_at = NULL WHERE id = $1",
            "UPDATE tasks SET state = 'running', finished_at = NULL WHERE id = $1",
            "UPDATE tasks SET epoch = epoch + 1 WHERE id = $1",
            "UPDATE tasks SET attempt = attempt + 1 WHERE id = $1",
            "UPDATE tasks SET output = '1' WHERE id = $1",
            "UPDATE tasks SET error = '{\"code\":\"x\"}' WHERE id = $1",
            "UPDATE tasks SET seq = seq + 1 WHERE id = $1",
            "UPDATE tasks SET history = '{}' WHERE id = $1",
            "UPDATE tasks SET history = history || moment(seq + 1, 'cancel', 'canceled', 0, 0) WHERE id = $1",
            "UPDATE tasks SET finished_at = now() + interval '1 second' WHERE id = $1",
            // What looks like a new opening and is none.
            "UPDATE tasks SET state = 'queued', finished_at = NULL, epoch = 0, seq = seq + 1,
                history = history || moment(seq + 1, 'reopen', 'queued', 0, 0) WHERE id = $1",
            "UPDATE tasks SET state = 'queued', finished_at = NULL, seq = seq + 1,
                history = history || moment(seq + 1, 'submit', 'queued', 0, 0) WHERE id = $1",
            "UPDATE tasks SET state = 'running', finished_at = NULL, seq = seq + 1,
                history = history || moment(seq + 1, 'reopen', 'queued', 0, 0) WHERE id = $1",
            "UPDATE tasks SET seq = seq + 1, history = history || moment(seq + 1, 'reopen', 'queued', 0, 0) WHERE id = $1",
        ] {
            refused(pool, change, id, CHECK_VIOLATION).await;
        }
        let other = State::ALL.into_iter().find(|other| other.is_terminal() && *other != state).expect("another end");
        let change = sqlx::query("UPDATE tasks SET state = $2 WHERE id = $1").bind(id.0).bind(other.name());
        change.execute(pool).await.expect_err("from one end to another");
    }
}

#[tokio::test]
async fn a_task_that_succeeded_is_never_opened_again_whoever_writes() {
    let database = Database::new(&Servers::shared()).await;
    let pool = &database.pool;
    let open = "UPDATE tasks SET state = 'queued', finished_at = NULL, seq = seq + 1,
        history = history || moment(seq + 1, 'reopen', 'queued', 0, 0) WHERE id = $1";
    let succeeded = put(pool, State::Succeeded, Event::Succeed, WorkerId::new()).await.id;
    refused(pool, open, succeeded, CHECK_VIOLATION).await;
    for state in [State::Failed, State::Canceled, State::Expired] {
        let id = put(pool, state, Event::Succeed, WorkerId::new()).await.id;
        sqlx::query(open).bind(id.0).execute(pool).await.expect("a new opening");
    }
}

#[tokio::test]
async fn the_moments_of_a_task_are_only_added_to() {
    let database = Database::new(&Servers::shared()).await;
    let pool = &database.pool;
    let id = put(pool, State::Running, Event::Succeed, WorkerId::new()).await.id;
    let add = "UPDATE tasks SET history = history || moment(seq + 1, 'cancel', 'canceling', 0, 0), seq = seq + 1 WHERE id = $1";
    sqlx::query(add).bind(id.0).execute(pool).await.expect("one more");
    for change in [
        "UPDATE tasks SET history = '{}' WHERE id = $1",
        "UPDATE tasks SET history = history[:1] WHERE id = $1",
        "UPDATE tasks SET history = history[2:] WHERE id = $1",
        "UPDATE tasks SET history = moment(0, 'submit', 'queued', 0, 0) || history WHERE id = $1",
        "UPDATE tasks SET history[1].state = 'scheduled' WHERE id = $1",
        "UPDATE tasks SET history[2].worker = id WHERE id = $1",
    ] {
        refused(pool, change, id, CHECK_VIOLATION).await;
    }
}

#[tokio::test]
async fn rows_of_history_are_only_added_to_and_a_task_ends_once_in_them() {
    let database = Database::new(&Servers::shared()).await;
    let pool = &database.pool;
    // As programs wrote them that knew no moments.
    let id = put(pool, State::Succeeded, Event::Succeed, WorkerId::new()).await.id;
    let end = "INSERT INTO task_events (task_id, seq, type, event, state, attempt, epoch)
        VALUES ($1, 1, 'status', 'succeed', 'succeeded', 1, 1)";
    sqlx::query(end).bind(id.0).execute(pool).await.expect("a row of history");
    for change in [
        "UPDATE task_events SET state = 'failed' WHERE task_id = $1",
        "UPDATE task_events SET seq = seq + 1 WHERE task_id = $1",
        "UPDATE task_events SET data = '{}' WHERE task_id = $1",
    ] {
        refused(pool, change, id, CHECK_VIOLATION).await;
    }
    for second in [
        "INSERT INTO task_events (task_id, seq, type, event, state, attempt, epoch)
            VALUES ($1, 2, 'status', 'succeed', 'succeeded', 1, 1)",
        "INSERT INTO task_events (task_id, seq, type, event, state, attempt, epoch)
            VALUES ($1, 2, 'status', 'cancel', 'canceled', 1, 1)",
        "INSERT INTO task_events (task_id, seq, type, attempt, epoch) VALUES ($1, 1, 'log', 1, 1)",
    ] {
        refused(pool, second, id, UNIQUE_VIOLATION).await;
    }
}

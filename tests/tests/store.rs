//! The store: what is promised of single statements, when many come at once and when some come late.

use std::{
    collections::{BTreeMap, HashSet},
    time::{Duration, Instant},
};

use e2e::{Database, Servers};
use futures::future::join_all;
use jobs_core::{
    Event, GroupKey, GroupSettings, LogLevel, NewTask, Progress, ProjectId, State, TaskId, WorkerId,
    task::{ErrorType, Idempotency, POISON_LOSSES, SUSPECT_LOSSES, Start},
};
use jobs_store::{
    Artifact, Beat, Filter, Order, Report, Store, StoreError, Word,
    transition::{Claim, Finish, Recorded, Submitted},
};
use serde_json::value::RawValue;

fn task() -> NewTask {
    NewTask {
        tags: vec!["a,b".into(), "{c}".into()],
        ..NewTask::plain("echo", RawValue::from_string("{}".into()).expect("JSON"))
    }
}

fn keyed(key: &str, fingerprint: u8) -> NewTask {
    NewTask { idempotency: Some(Idempotency { key: key.into(), fingerprint: vec![fingerprint] }), ..task() }
}

async fn worker(store: &Store) -> WorkerId {
    let worker = WorkerId::new();
    store.register(worker, "w", 1, &BTreeMap::from([("default".to_owned(), 1)]), "0").await.expect("a worker");
    worker
}

async fn submit(store: &Store, new: NewTask) -> TaskId {
    let id = new.id;
    let answers = store.submit(&[new]).await.expect("submit");
    assert!(matches!(&answers[..], [Submitted::Accepted(task)] if task.id == id), "{answers:?}");
    id
}

async fn claim(store: &Store, worker: WorkerId, id: TaskId) -> Claim {
    let mut claims = store.claim(worker, &[id]).await.expect("claim");
    assert_eq!(claims.len(), 1, "{id} was not claimed");
    claims.remove(0)
}

fn end(claim: &Claim, event: Event) -> Finish {
    Finish { task: claim.task, epoch: claim.epoch, event, output: None, error: None, wait: Duration::ZERO }
}

async fn finish(store: &Store, worker: WorkerId, end: &Finish) -> Recorded {
    store.finish(worker, std::slice::from_ref(end)).await.expect("finish").recorded.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_parallel_submissions_under_one_key_are_one_task_and_49_replays() {
    let database = Database::new(&Servers::shared()).await;
    let store = database.store();
    let submissions = (0..50).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { store.submit(&[keyed("once", 1)]).await.expect("submit").remove(0) })
    });
    let mut ids = HashSet::new();
    let (mut accepted, mut replayed) = (0, 0);
    for answer in join_all(submissions).await {
        match answer.expect("no panic") {
            Submitted::Accepted(task) => (accepted, _) = (accepted + 1, ids.insert(task.id)),
            Submitted::Replayed(task) => (replayed, _) = (replayed + 1, ids.insert(task.id)),
            other => panic!("the requests are the same: {other:?}"),
        }
    }
    assert_eq!((accepted, replayed, ids.len()), (1, 49, 1));
    assert_eq!(database.count("SELECT count(*) FROM tasks").await, 1);
    assert_eq!(database.count("SELECT count(*) FROM task_history").await, 1);

    let other = store.submit(&[keyed("once", 2)]).await.expect("submit").remove(0);
    assert!(matches!(other, Submitted::KeyTaken), "{other:?}");
}

#[tokio::test]
async fn a_task_that_was_stored_by_a_call_whose_answer_was_lost_is_accepted_once() {
    let database = Database::new(&Servers::shared()).await;
    let store = database.store();
    let task = keyed("once", 1);
    let first = store.submit(std::slice::from_ref(&task)).await.expect("submit").remove(0);
    let again = store.submit(std::slice::from_ref(&task)).await.expect("submit").remove(0);
    assert!(matches!(first, Submitted::Accepted(_)), "{first:?}");
    assert!(matches!(again, Submitted::Accepted(_)), "{again:?}");
    assert_eq!(database.count("SELECT count(*) FROM tasks").await, 1);
    assert_eq!(database.count("SELECT count(*) FROM task_history").await, 1);
}

#[tokio::test]
async fn one_key_twice_in_one_batch_is_one_task() {
    let database = Database::new(&Servers::shared()).await;
    let store = database.store();
    let batch = [keyed("k", 1), keyed("k", 1), task(), keyed("k", 2)];
    let answers = store.submit(&batch).await.expect("submit");
    assert!(matches!(&answers[0], Submitted::Accepted(task) if task.id == batch[0].id), "{answers:?}");
    assert!(matches!(&answers[1], Submitted::Replayed(task) if task.id == batch[0].id), "{answers:?}");
    assert!(matches!(&answers[2], Submitted::Accepted(task) if task.id == batch[2].id), "{answers:?}");
    assert!(matches!(answers[3], Submitted::KeyTaken), "{answers:?}");
    assert_eq!(database.count("SELECT count(*) FROM tasks").await, 2);
}

#[tokio::test]
async fn what_was_submitted_is_what_is_read() {
    let database = Database::new(&Servers::shared()).await;
    let store = database.store();
    let mut new = NewTask { priority: 7, queue: "q".into(), group: "g:1".into(), ..keyed("key", 1) };
    new.input = RawValue::from_string(r#"{"b":1.0,"a":[1e2,"ü\u0041"]}"#.into()).expect("JSON");
    new.metadata.insert("who".into(), "me".into());
    new.request_id = Some("req_1".into());
    submit(&store, new.clone()).await;
    let read = store.get(ProjectId::DEFAULT, new.id).await.expect("the task");
    assert_eq!(read.input.get(), new.input.get(), "the input stays as it was written");
    assert_eq!((read.priority, read.queue, read.group), (7, "q".into(), "g:1".into()));
    assert_eq!((read.tags, read.metadata), (new.tags, new.metadata));
    assert_eq!((read.retry, read.timeout, read.max_attempts), (new.retry, new.timeout, 3));
    assert_eq!((read.request_id, read.idempotency_key), (new.request_id, Some("key".into())));
    assert_eq!((read.state, read.attempt, read.seq), (State::Queued, 0, 1));
}

/// What a worker says of an attempt that is not its own any more, in every way there is.
async fn nobody_believes(database: &Database, late: WorkerId, stale: &Claim) {
    let store = database.store();
    let id = stale.task;
    let image = async || -> String {
        let sql =
            "SELECT t::text || (SELECT string_agg(e::text, '' ORDER BY seq) FROM task_history e WHERE task_id = t.id)
            || (SELECT count(*)::text FROM artifacts WHERE task_id = t.id) FROM tasks t WHERE id = $1";
        sqlx::query_scalar(sql).bind(id.0).fetch_one(&database.pool).await.expect("the row")
    };
    let before = image().await;
    for event in [Event::Succeed, Event::Fail, Event::Retry, Event::Stop, Event::Release] {
        assert_eq!(finish(&store, late, &end(stale, event)).await, Recorded::Fenced, "{event:?}");
    }
    let words = [
        Word::Progress { progress: Progress { percent: Some(50.0), ..Progress::default() } },
        Word::Log { level: LogLevel::Info, message: "late".into() },
    ];
    let reports = words.map(|word| Report { task: id, epoch: stale.epoch, word });
    assert_eq!(store.report(late, &reports).await.expect("report"), Vec::<TaskId>::new());
    let artifact = Artifact {
        name: "late.txt".into(),
        epoch: stale.epoch,
        content_type: "text/plain".into(),
        size_bytes: 4,
        sha256: "00".into(),
        created_at: time::OffsetDateTime::UNIX_EPOCH,
    };
    assert!(!store.add_artifact(late, id, stale.epoch, &artifact).await.expect("artifact"));
    assert_eq!(image().await, before);
}

#[tokio::test]
async fn a_worker_whose_lease_has_ended_changes_nothing_any_more() {
    let database = Database::new(&Servers::shared()).await;
    let store = database.store();
    let (late, next) = (worker(&store).await, worker(&store).await);
    let id = submit(&store, task()).await;
    let stale = claim(&store, late, id).await;

    store.deregister(late).await.expect("the end of its lease");
    assert_eq!(store.heart().beat(late).await.expect("a beat"), Beat::Ended);
    assert_eq!(store.reap(10).await.expect("reap").ready.len(), 1);
    nobody_believes(&database, late, &stale).await;

    let fresh = claim(&store, next, id).await;
    assert!(fresh.epoch > stale.epoch);
    assert_eq!((fresh.attempt, fresh.lost), (2, 1));
    nobody_believes(&database, late, &stale).await;
    // Right worker, old epoch; right epoch, wrong worker.
    nobody_believes(&database, next, &stale).await;
    nobody_believes(&database, late, &fresh).await;

    assert_eq!(finish(&store, next, &end(&fresh, Event::Succeed)).await, Recorded::Yes(State::Succeeded));
    nobody_believes(&database, late, &stale).await;
}

#[tokio::test]
async fn a_worker_whose_lease_has_ended_claims_nothing() {
    let database = Database::new(&Servers::shared()).await;
    let store = database.store();
    let id = submit(&store, task()).await;
    let gone = worker(&store).await;
    store.deregister(gone).await.expect("the end of its lease");
    assert!(store.claim(gone, &[id]).await.expect("claim").is_empty());
    assert!(store.claim(WorkerId::new(), &[id]).await.expect("claim").is_empty(), "a worker that nobody knows");
    assert_eq!(store.get(ProjectId::DEFAULT, id).await.expect("the task").state, State::Queued);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_workers_that_claim_the_same_tasks_each_task_has_one() {
    let database = Database::new(&Servers::shared()).await;
    let store = database.store();
    let new: Vec<NewTask> = (0..200).map(|_| task()).collect();
    let ids: Vec<TaskId> = new.iter().map(|task| task.id).collect();
    store.submit(&new).await.expect("submit");
    let claims = (0..8).map(|_| {
        let (store, ids) = (store.clone(), ids.clone());
        tokio::spawn(async move {
            let worker = worker(&store).await;
            let mut taken = Vec::new();
            for part in ids.chunks(20) {
                taken.extend(store.claim(worker, part).await.expect("claim").into_iter().map(|claim| claim.task));
            }
            taken
        })
    });
    let taken: Vec<TaskId> = join_all(claims).await.into_iter().flat_map(|taken| taken.expect("no panic")).collect();
    assert_eq!(taken.len(), 200);
    assert_eq!(taken.into_iter().collect::<HashSet<_>>().len(), 200);
    assert_eq!(database.count("SELECT max(epoch)::bigint FROM tasks").await, 1);
}

#[tokio::test]
async fn a_task_that_is_given_back_has_its_attempt_back_and_keeps_its_epoch() {
    let database = Database::new(&Servers::shared()).await;
    let store = database.store();
    let worker = worker(&store).await;
    let id = submit(&store, NewTask { max_attempts: 1, ..task() }).await;
    for round in 1..=5 {
        let claim = claim(&store, worker, id).await;
        assert_eq!((claim.attempt, claim.epoch), (1, round));
        let finished = store.finish(worker, &[end(&claim, Event::Release)]).await.expect("finish");
        assert_eq!(finished.recorded, [Recorded::Yes(State::Queued)]);
        assert_eq!(finished.ready.len(), 1);
        assert_eq!(store.get(ProjectId::DEFAULT, id).await.expect("the task").attempt, 0);
    }
}

#[tokio::test]
async fn an_end_that_is_said_again_was_recorded_before() {
    let database = Database::new(&Servers::shared()).await;
    let store = database.store();
    let worker = worker(&store).await;
    for (event, state) in [
        (Event::Succeed, State::Succeeded),
        (Event::Fail, State::Failed),
        (Event::Retry, State::Retrying),
        (Event::Release, State::Queued),
    ] {
        let id = submit(&store, task()).await;
        let end = end(&claim(&store, worker, id).await, event);
        assert_eq!(finish(&store, worker, &end).await, Recorded::Yes(state));
        assert_eq!(finish(&store, worker, &end).await, Recorded::Before, "{event:?}");
        assert_eq!(store.get(ProjectId::DEFAULT, id).await.expect("the task").seq, 3);
    }
    // Also when somebody else has it meanwhile.
    let id = submit(&store, task()).await;
    let first = claim(&store, worker, id).await;
    assert_eq!(finish(&store, worker, &end(&first, Event::Release)).await, Recorded::Yes(State::Queued));
    let second = claim(&store, worker, id).await;
    assert_eq!(finish(&store, worker, &end(&first, Event::Release)).await, Recorded::Before);
    assert_eq!(finish(&store, worker, &end(&second, Event::Succeed)).await, Recorded::Yes(State::Succeeded));
}

#[tokio::test]
async fn one_batch_of_ends_may_hold_all_sorts() {
    let database = Database::new(&Servers::shared()).await;
    let store = database.store();
    let worker = worker(&store).await;
    let ids = [submit(&store, task()).await, submit(&store, task()).await, submit(&store, task()).await];
    let mut claims = Vec::new();
    for id in ids {
        claims.push(claim(&store, worker, id).await);
    }
    store.cancel(ProjectId::DEFAULT, ids[1]).await.expect("cancel");
    let mut stranger = end(&claims[2], Event::Succeed);
    stranger.epoch += 1;
    let ends =
        [end(&claims[0], Event::Succeed), end(&claims[1], Event::Stop), stranger, end(&claims[2], Event::Release)];
    let finished = store.finish(worker, &ends).await.expect("finish");
    let states = [State::Succeeded, State::Canceled].map(Recorded::Yes).to_vec();
    assert_eq!(finished.recorded, [states, vec![Recorded::Fenced, Recorded::Yes(State::Queued)]].concat());
    assert_eq!(finished.ready.iter().map(|ready| ready.task).collect::<Vec<_>>(), [ids[2]]);
}

#[tokio::test]
async fn a_task_whose_workers_die_eight_times_is_poison_and_losses_do_not_count_as_failures() {
    let database = Database::new(&Servers::shared()).await;
    let store = database.store();
    let id = submit(&store, NewTask { max_attempts: 1, ..task() }).await;
    for loss in 1..=POISON_LOSSES {
        let worker = worker(&store).await;
        let claim = if loss <= SUSPECT_LOSSES {
            claim(&store, worker, id).await
        } else {
            // It runs alone from now on, and nobody takes it along with others.
            assert!(store.claim(worker, &[id]).await.expect("no claim").is_empty());
            assert_eq!(store.suspects(&[id]).await.expect("suspects"), [id]);
            assert!(store.claim_waiting(worker, "default", 10).await.expect("no claim").is_empty());
            assert_eq!(store.waiting_suspect("default").await.expect("a suspect"), Some(id));
            store.claim_suspect(worker, id).await.expect("a claim").expect("it is queued")
        };
        assert_eq!((claim.attempt, claim.lost), (loss, loss - 1));
        store.deregister(worker).await.expect("the end of its lease");
        let reaped = store.reap(10).await.expect("reap");
        let task = store.get(ProjectId::DEFAULT, id).await.expect("the task");
        if loss < POISON_LOSSES {
            assert_eq!(reaped.ready.len(), 1);
            assert_eq!(task.state, State::Queued, "with max_attempts 1, after {loss} losses");
        } else {
            assert_eq!(reaped.ended, [(id, State::Failed)]);
            let error = task.error.expect("an error");
            assert_eq!((error.error_type, error.code.as_str()), (ErrorType::Poison, "poison"));
            assert!(!error.retryable);
        }
    }
    let history = store.events(ProjectId::DEFAULT, id, 0, 100).await.expect("the history");
    assert_eq!(history.last().and_then(|row| row.event.as_deref()), Some("poison"));
}

#[tokio::test]
async fn a_task_past_its_deadline_expires_and_nobody_starts_it() {
    let database = Database::new(&Servers::shared()).await;
    let store = database.store();
    let worker = worker(&store).await;
    let past = Some(time::OffsetDateTime::UNIX_EPOCH);
    let waiting = submit(&store, NewTask { deadline: past, ..task() }).await;
    let later = NewTask { deadline: past, start: Some(Start::After(Duration::from_secs(3_600))), ..task() };
    let scheduled = submit(&store, later).await;
    let running = submit(&store, task()).await;
    claim(&store, worker, running).await;
    sqlx::query("UPDATE tasks SET deadline = now() WHERE id = $1")
        .bind(running.0)
        .execute(&database.pool)
        .await
        .expect("SQL");

    assert!(store.claim(worker, &[waiting]).await.expect("claim").is_empty());
    assert_eq!(store.next_timer().await.expect("a timer"), Some(Duration::ZERO));
    let expired: HashSet<TaskId> = store.expire(10).await.expect("expire").into_iter().collect();
    assert_eq!(expired, HashSet::from([waiting, scheduled]), "what has started keeps running");
    assert_eq!(store.get(ProjectId::DEFAULT, waiting).await.expect("the task").state, State::Expired);
    assert!(store.expire(10).await.expect("expire").is_empty());
}

#[tokio::test]
async fn ten_thousand_tasks_that_are_due_at_once_all_move_once() {
    let database = Database::new(&Servers::shared()).await;
    let store = database.store();
    // In the past by the clock of Postgres, as after a long pause.
    database
        .execute(
            r#"INSERT INTO tasks (id, kind, queue, "group", priority, state, input, max_attempts, retry, timeout_ms, due_at,
                history)
            SELECT gen_random_uuid(), 'echo', 'default', 'default', 0, 'scheduled', '{}', 1, '{}', 1000, now(),
                ARRAY[moment(1, 'submit', 'scheduled', 0, 0)]
            FROM generate_series(1, 10000)"#,
        )
        .await;
    let began = Instant::now();
    let mut moved = HashSet::new();
    loop {
        // Two schedulers at once, as when the leadership changes.
        let (one, two) = tokio::join!(store.due(2_000), store.due(2_000));
        let (one, two) = (one.expect("due"), two.expect("due"));
        for ready in one.iter().chain(&two) {
            assert!(moved.insert(ready.task), "{} moved twice", ready.task);
        }
        if one.is_empty() && two.is_empty() {
            break;
        }
    }
    println!("10,000 due at once: {:?}", began.elapsed());
    assert_eq!(moved.len(), 10_000);
    assert_eq!(database.count("SELECT count(*) FROM task_history WHERE event = 'due'").await, 10_000);
    assert_eq!(store.next_timer().await.expect("a timer"), None);
}

#[tokio::test]
async fn a_timer_is_as_far_away_as_the_next_task() {
    let database = Database::new(&Servers::shared()).await;
    let store = database.store();
    assert_eq!(store.next_timer().await.expect("a timer"), None);
    submit(&store, NewTask { start: Some(Start::After(Duration::from_secs(100))), ..task() }).await;
    submit(&store, NewTask { start: Some(Start::After(Duration::from_secs(50))), ..task() }).await;
    let next = store.next_timer().await.expect("a timer").expect("one");
    assert!((Duration::from_secs(48)..=Duration::from_secs(50)).contains(&next), "{next:?}");
    assert!(store.due(10).await.expect("due").is_empty(), "nothing is due early");
}

#[tokio::test]
async fn a_canceled_attempt_is_told_by_the_next_beat_and_may_still_succeed() {
    let database = Database::new(&Servers::shared()).await;
    let store = database.store();
    let worker = worker(&store).await;
    let mut heart = store.heart();
    for (event, state) in [
        (Event::Stop, State::Canceled),
        (Event::Fail, State::Canceled),
        (Event::Retry, State::Canceled),
        (Event::Release, State::Canceled),
        (Event::Succeed, State::Succeeded),
    ] {
        let id = submit(&store, task()).await;
        let claim = claim(&store, worker, id).await;
        assert_eq!(heart.beat(worker).await.expect("a beat"), Beat::Alive(Vec::new()));
        assert_eq!(store.cancel(ProjectId::DEFAULT, id).await.expect("cancel").state, State::Canceling);
        assert_eq!(store.cancel(ProjectId::DEFAULT, id).await.expect("again").state, State::Canceling);
        assert_eq!(heart.beat(worker).await.expect("a beat"), Beat::Alive(vec![(id, claim.epoch)]));
        assert_eq!(finish(&store, worker, &end(&claim, event)).await, Recorded::Yes(state), "{event:?}");
    }
}

#[tokio::test]
async fn nobody_is_blamed_before_the_server_has_been_up_for_a_lease() {
    let database = Database::new(&Servers::shared()).await;
    let store = database.store();
    let silent = worker(&store).await;
    database.execute("UPDATE workers SET beat_at = now() - interval '1 hour'").await;
    assert_eq!(store.end_silent_workers(Duration::from_secs(1_000_000_000)).await.expect("none"), 0);
    let up: i64 = database.count("SELECT extract(epoch FROM now() - pg_postmaster_start_time())::bigint").await;
    // A lease that is longer than the server is up and shorter than the silence.
    let lease = Duration::from_secs(up.unsigned_abs() + 60).min(Duration::from_secs(3_000));
    if up < 2_000 {
        assert_eq!(store.end_silent_workers(lease).await.expect("none"), 0, "up for {up} s");
    }
    assert!(matches!(store.heart().beat(silent).await.expect("a beat"), Beat::Alive(_)));
}

#[tokio::test]
async fn one_key_in_two_projects_is_two_tasks() {
    let database = Database::new(&Servers::shared()).await;
    let store = database.store();
    let other = NewTask { project: ProjectId(2), ..keyed("k", 2) };
    // As the key of project 2 would be if keys were only joined with their project's number.
    let batch = [keyed("k", 1), other.clone(), keyed("2/k", 1), keyed("2k", 1)];
    let answers = store.submit(&batch).await.expect("submit");
    assert!(answers.iter().all(|answer| matches!(answer, Submitted::Accepted(_))), "{answers:?}");
    let again = store.submit(&[NewTask { id: TaskId::new(), ..other }]).await.expect("submit").remove(0);
    assert!(matches!(&again, Submitted::Replayed(task) if task.id == batch[1].id), "{again:?}");
    let Submitted::Replayed(task) = again else { return };
    assert_eq!((task.project, task.idempotency_key.as_deref()), (ProjectId(2), Some("k")));
}

#[tokio::test]
async fn a_task_is_not_there_for_another_project() {
    let database = Database::new(&Servers::shared()).await;
    let store = database.store();
    let (own, other) = (ProjectId::DEFAULT, ProjectId(2));
    let worker = worker(&store).await;
    let id = submit(&store, task()).await;
    let claim = claim(&store, worker, id).await;
    let artifact = Artifact {
        name: "a".into(),
        epoch: claim.epoch,
        content_type: "text/plain".into(),
        size_bytes: 1,
        sha256: "0".into(),
        created_at: time::OffsetDateTime::UNIX_EPOCH,
    };
    assert!(store.add_artifact(worker, id, claim.epoch, &artifact).await.expect("add"));
    assert!(matches!(store.cancel(other, id).await, Err(StoreError::NotFound(_))));
    finish(&store, worker, &end(&claim, Event::Succeed)).await;
    for (project, is_there) in [(own, true), (other, false)] {
        assert_eq!(store.get(project, id).await.is_ok(), is_there);
        assert_eq!(!store.events(project, id, 0, 9).await.expect("the history").is_empty(), is_there);
        assert_eq!(!store.artifacts(project, id).await.expect("artifacts").is_empty(), is_there);
        let page = store.list(project, &Filter::default(), Order::Newest, None, 9).await.expect("a page");
        assert_eq!(!page.tasks.is_empty(), is_there);
        assert!(store.cancel(project, id).await.is_err());
    }
    assert_eq!(store.find(id).await.expect("the task").state, State::Succeeded);
}

#[tokio::test]
async fn limits_of_a_group_are_those_of_one_project() {
    let database = Database::new(&Servers::shared()).await;
    let store = database.store();
    let worker = worker(&store).await;
    let other = ProjectId(2);
    let own = submit(&store, NewTask { group: "g".into(), ..task() }).await;
    submit(&store, NewTask { group: "g".into(), project: other, ..task() }).await;
    let paused = GroupSettings { paused: true, ..GroupSettings::default() };
    store.set_group("default", &GroupKey::new(other, "g"), Some(&paused)).await.expect("set");
    let claims = store.claim_waiting(worker, "default", 9).await.expect("claim");
    assert_eq!(claims.iter().map(|claim| claim.task).collect::<Vec<_>>(), [own]);
    assert_eq!(claims[0].group, GroupKey::new(ProjectId::DEFAULT, "g"));
}

#[tokio::test]
async fn migrations_run_again_on_a_database_with_rows() {
    let database = Database::new(&Servers::shared()).await;
    let store = database.store();
    let worker = worker(&store).await;
    let id = submit(&store, task()).await;
    let claim = claim(&store, worker, id).await;
    finish(&store, worker, &end(&claim, Event::Succeed)).await;
    let waiting = submit(&store, task()).await;

    let runs = join_all((0..4).map(|_| jobs_store::migrate(&database.url))).await;
    assert!(runs.iter().all(|applied| matches!(applied, Ok(0))), "{runs:?}");
    assert_eq!(store.get(ProjectId::DEFAULT, id).await.expect("the task").state, State::Succeeded);
    assert_eq!(store.get(ProjectId::DEFAULT, waiting).await.expect("the task").state, State::Queued);
}

#[tokio::test]
async fn many_processes_may_migrate_an_empty_database_at_once() {
    let database = Database::new(&Servers::shared()).await;
    database.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public").await;
    let runs = join_all((0..4).map(|_| jobs_store::migrate(&database.url))).await;
    assert!(runs.iter().all(Result::is_ok), "{runs:?}");
    submit(&database.store(), task()).await;
}

//! Tasks that wait for tasks.

use std::time::{Duration, Instant};

use e2e::{Database, Servers, System, eventually};
use futures::future::join_all;
use jobs_core::{
    Event, NewTask, ProjectId, State, TaskId, WorkerId,
    task::{Coalesce, Start},
};
use jobs_store::{
    Store, StoreError,
    transition::{Act, Finish, Selection, Submitted},
};
use serde_json::{Value, json, value::RawValue};

const SOON: Duration = Duration::from_secs(30);

fn task(depends_on: &[TaskId]) -> NewTask {
    NewTask {
        depends_on: depends_on.to_vec(),
        ..NewTask::plain("echo", RawValue::from_string("{}".into()).expect("JSON"))
    }
}

async fn submit(store: &Store, new: NewTask) -> TaskId {
    let id = new.id;
    store.submit(&[new]).await.expect("submit");
    id
}

/// Everybody who waits hears of every end.
async fn settle(store: &Store) {
    loop {
        let (settled, is_more) = store.settle(1_000).await.expect("settle");
        if settled.count() == 0 && !is_more {
            return;
        }
    }
}

/// Runs a task to an end.
async fn end(store: &Store, worker: WorkerId, task: TaskId, event: Event) {
    let claim = store.claim(worker, &[task]).await.expect("claim").remove(0);
    let end = Finish { task, epoch: claim.epoch, event, output: None, error: None, wait: Duration::ZERO };
    store.finish(worker, &[end]).await.expect("finish");
}

async fn worker(store: &Store) -> WorkerId {
    let worker = WorkerId::new();
    store.register(worker, "w", 1, &std::collections::BTreeMap::new(), "0").await.expect("a worker");
    worker
}

async fn state(store: &Store, task: TaskId) -> State {
    store.get(ProjectId::DEFAULT, task).await.expect("the task").state
}

fn ids(answer: &Value) -> Vec<String> {
    let tasks = answer["data"].as_array().expect("tasks").iter();
    tasks.map(|task| task["id"].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test]
async fn a_task_starts_when_all_that_it_waits_for_have_succeeded() {
    let system = System::with_worker("default=4").await;
    let client = &system.client;
    let first = client.submit("echo", json!({ "sleep_ms": 300 }), json!({})).await;
    let second = client.submit("echo", json!({}), json!({ "delay_ms": 500 })).await;
    let last = client.submit("echo", json!({}), json!({ "depends_on": [first, second] })).await;
    let task = client.task(&last).await;
    assert_eq!((&task["status"], &task["depends_on"]), (&json!("blocked"), &json!([first, second])), "{task:#}");
    assert_eq!(task["status_reason"]["code"], "waits_for_tasks");

    client.wait(&last, "succeeded", SOON).await;
    assert_eq!(client.moves(&last).await, ["submit", "unblock", "start", "succeed"]);
    for other in [&first, &second] {
        assert_eq!(client.task(other).await["status"], "succeeded");
    }
    // What has succeeded already keeps nobody waiting.
    let late = client.submit("echo", json!({}), json!({ "depends_on": [first] })).await;
    client.wait(&late, "succeeded", SOON).await;
    assert_eq!(client.moves(&late).await, ["submit", "start", "succeed"]);
    // A start that was asked for is waited for, too.
    let slow = client.submit("echo", json!({ "sleep_ms": 200 }), json!({})).await;
    let timed = client.submit("echo", json!({}), json!({ "depends_on": [slow], "delay_ms": 1_500 })).await;
    client.wait(&timed, "succeeded", SOON).await;
    assert_eq!(client.moves(&timed).await, ["submit", "defer", "due", "start", "succeed"]);
    system.holds(&[first, second, last, late, slow, timed]).await;
}

#[expect(clippy::disallowed_methods, reason = "clients have clocks of their own")]
#[tokio::test]
async fn what_waits_in_vain_is_canceled_with_the_reason_and_so_is_what_waits_for_it() {
    let system = System::with_worker("default=4").await;
    let client = &system.client;
    let wrong = client.submit("echo", json!({ "sleep_ms": 200, "fault": "fail" }), json!({})).await;
    let next = client.submit("echo", json!({}), json!({ "depends_on": [wrong] })).await;
    let after = client.submit("echo", json!({}), json!({ "depends_on": [next] })).await;
    let task = client.wait(&next, "canceled", SOON).await;
    assert_eq!(
        (&task["error"]["type"], &task["error"]["code"], &task["error"]["details"]),
        (&json!("dependency"), &json!("dependency_failed"), &json!({ "task_id": wrong, "status": "failed" })),
        "{task:#}"
    );
    assert_eq!(task["status_reason"]["code"], "dependency");
    let task = client.wait(&after, "canceled", SOON).await;
    assert_eq!(task["error"]["details"], json!({ "task_id": next, "status": "canceled" }));
    assert_eq!(client.moves(&after).await, ["submit", "skip"]);

    // What had ended before is not waited for either.
    let body = json!({ "kind": "echo", "input": {}, "depends_on": [wrong] });
    let late = client.post("/tasks", &body).await.expect(202).json()["id"].as_str().expect("an id").to_owned();
    client.wait(&late, "canceled", SOON).await;
    // It can be tried again, and does not wait then.
    assert_eq!(client.send(client.request(reqwest::Method::POST, &format!("/tasks/{late}/retry"))).await.status, 202);
    client.wait(&late, "succeeded", SOON).await;
    assert_eq!(client.moves(&late).await, ["submit", "skip", "reopen", "start", "succeed"]);

    // One that waits is canceled, and expires, as others do.
    let slow = client.submit("echo", json!({ "sleep_ms": 600_000 }), json!({})).await;
    let waits = json!({ "depends_on": [slow] });
    let canceled = client.submit("echo", json!({}), waits.clone()).await;
    assert_eq!(client.cancel(&canceled).await.expect(200).json()["status"], "canceled");
    let soon = time::OffsetDateTime::now_utc() + Duration::from_millis(300);
    let soon = soon.format(&time::format_description::well_known::Rfc3339).expect("a time");
    let expired = client.submit("echo", json!({}), json!({ "depends_on": [slow], "deadline": soon })).await;
    client.wait(&expired, "expired", SOON).await;
    let doomed = client.submit("echo", json!({}), waits).await;
    client.cancel(&slow).await;
    client.wait(&doomed, "canceled", SOON).await;
    system.holds(&[wrong, next, after, late, slow, canceled, expired, doomed]).await;
}

#[tokio::test]
async fn what_cannot_be_waited_for_is_refused_by_name() {
    let system = System::builder().without_scheduler().start().await;
    let client = &system.client;
    let known = client.submit("echo", json!({}), json!({})).await;
    let unknown = TaskId::new().to_string();
    let body = |depends_on: Value| json!({ "kind": "echo", "input": {}, "depends_on": depends_on });
    let refused = client.post("/tasks", &body(json!([known, unknown]))).await.expect(422);
    assert_eq!(refused.pointers(), ["/depends_on/1"]);
    let refused = client.post("/tasks", &body(json!(["task_7", "#0", known]))).await.expect(422);
    assert_eq!(refused.pointers(), ["/depends_on/0", "/depends_on/1"]);
    client.post("/tasks", &body(json!([known, known]))).await.expect(422);
    let many: Vec<String> = (0..101).map(|_| TaskId::new().to_string()).collect();
    assert_eq!(client.post("/tasks", &body(json!(many))).await.expect(422).pointers(), ["/depends_on"]);
    assert_eq!(system.database.count("SELECT count(*) FROM tasks").await, 1);
}

#[tokio::test]
async fn tasks_of_a_batch_may_wait_for_earlier_ones_of_it() {
    let system = System::with_worker("default=4").await;
    let client = &system.client;
    let item = |depends_on: Value| json!({ "kind": "echo", "input": {}, "depends_on": depends_on });
    let outside = client.submit("echo", json!({ "sleep_ms": 100 }), json!({})).await;
    let items = json!([item(json!([])), item(json!(["#0", outside])), item(json!(["#0", "#1"]))]);
    let answer = client.post("/tasks/batch", &items).await.expect(202).json();
    let tasks = ids(&answer);
    assert_eq!(answer["data"][2]["depends_on"], json!([tasks[0], tasks[1]]));
    client.wait(&tasks[2], "succeeded", SOON).await;
    assert_eq!(client.moves(&tasks[2]).await, ["submit", "unblock", "start", "succeed"]);

    // No task waits for itself or for a later one, so there is no circle.
    let wrong = json!([item(json!(["#0"])), item(json!(["#2"])), item(json!([]))]);
    assert_eq!(
        client.post("/tasks/batch", &wrong).await.expect(422).pointers(),
        ["/0/depends_on/0", "/1/depends_on/0"]
    );
    // Whoever waits for what is refused is refused, too.
    let nothing = json!({ "kind": "nothing", "input": {} });
    let mixed = json!([nothing, item(json!([])), item(json!(["#0"])), item(json!(["#2"])), item(json!(["#1"]))]);
    let answer = client.post("/tasks/batch?mode=partial", &mixed).await.expect(200).json();
    assert_eq!((&answer["accepted"], &answer["refused"]), (&json!(2), &json!(3)), "{answer:#}");
    assert_eq!(answer["data"][3]["errors"][0]["pointer"], "/depends_on/0");
    let mut all = [tasks, vec![outside]].concat();
    for n in [1, 4] {
        let id = answer["data"][n]["task"]["id"].as_str().expect("an id").to_owned();
        client.wait(&id, "succeeded", SOON).await;
        all.push(id);
    }
    system.holds(&all).await;
}

#[tokio::test]
async fn ten_thousand_tasks_that_wait_for_one_start_and_a_chain_of_a_thousand_is_canceled_at_once() {
    let system = System::builder().start().await;
    let store = system.database.store();
    let gate = submit(&store, task(&[])).await;
    for _ in 0..20 {
        let many: Vec<NewTask> = (0..500).map(|_| task(&[gate])).collect();
        store.submit(&many).await.expect("submit");
    }
    let first = submit(&store, task(&[])).await;
    let mut chain = vec![task(&[first])];
    for _ in 1..1_000 {
        chain.push(task(&[chain[chain.len() - 1].id]));
    }
    store.submit(&chain).await.expect("submit");
    assert_eq!(system.database.count("SELECT count(*) FROM tasks WHERE state = 'blocked'").await, 11_000);

    let worker = worker(&store).await;
    let began = Instant::now();
    store.cancel(ProjectId::DEFAULT, first).await.expect("cancel");
    eventually("the chain is canceled", SOON, async || {
        let left = "SELECT count(*) FROM tasks WHERE state = 'blocked'";
        (system.database.count(left).await == 10_000).then_some(())
    })
    .await;
    println!("a chain of 1,000 canceled in {:?}", began.elapsed());
    let began = Instant::now();
    end(&store, worker, gate, Event::Succeed).await;
    eventually("all of them are queued", SOON, async || {
        (system.database.count("SELECT count(*) FROM tasks WHERE state = 'queued'").await == 10_000).then_some(())
    })
    .await;
    println!("10,000 dependents of one task queued in {:?}", began.elapsed());
    eventually("and all of them are ready", SOON, async || {
        (system.queue().depth("default").await.expect("the depth").ready == 10_000).then_some(())
    })
    .await;
    assert_eq!(system.database.count("SELECT count(*) FROM task_dependencies").await, 0);
    assert_eq!(system.database.count("SELECT count(*) FROM tasks WHERE has_dependents").await, 0);
    let stuck = "SELECT count(*) FROM integrity_defects WHERE defect = 'stuck'";
    assert_eq!(system.database.count(stuck).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_while_a_task_ends_waits_for_it_or_sees_its_end() {
    let database = Database::new(&Servers::shared()).await;
    let store = database.store();
    let worker = worker(&store).await;
    for round in 0..60 {
        let event = if round % 2 == 0 { Event::Succeed } else { Event::Fail };
        let gates: Vec<TaskId> = join_all((0..4).map(|_| submit(&store, task(&[])))).await;
        // Everything at once: the ends, those who come to wait, and two who settle.
        let ends = gates.iter().map(|gate| {
            let (store, gate) = (store.clone(), *gate);
            tokio::spawn(async move { end(&store, worker, gate, event).await })
        });
        let comers = (0..12).map(|n| {
            let (store, gates) = (store.clone(), gates.clone());
            tokio::spawn(async move {
                let depends_on = [gates[n % 4], gates[(n + 1) % 4]];
                let start = (n % 3 == 0).then_some(Start::After(Duration::from_secs(3_600)));
                submit(&store, NewTask { start, ..task(&depends_on) }).await
            })
        });
        let settlers = (0..2).map(|_| {
            let store = store.clone();
            tokio::spawn(async move { settle(&store).await })
        });
        let comers: Vec<_> = comers.collect();
        for done in ends.chain(settlers).collect::<Vec<_>>() {
            done.await.expect("an end");
        }
        let mut waiting = Vec::new();
        for comer in comers {
            waiting.push(comer.await.expect("a submission"));
        }
        settle(&store).await;
        for task in waiting {
            let state = state(&store, task).await;
            let expected: &[State] =
                if event == Event::Succeed { &[State::Queued, State::Scheduled] } else { &[State::Canceled] };
            assert!(expected.contains(&state), "round {round}: {task} is {state}");
        }
    }
    let stuck = store.blocked(None, 10).await.expect("blocked");
    assert_eq!(stuck, [], "nobody is left behind");
}

#[tokio::test]
async fn what_is_another_project_s_can_neither_be_waited_for_nor_joined_nor_touched() {
    let database = Database::new(&Servers::shared()).await;
    let store = database.store();
    let (own, other) = (ProjectId::DEFAULT, ProjectId(2));
    let shared = |project| {
        let coalesce = Some(Coalesce { key: "key:echo:same".into(), max_age: Some(Duration::from_secs(60)) });
        NewTask { project, coalesce, ..task(&[]) }
    };
    let mine = submit(&store, shared(own)).await;
    let theirs = store.submit(&[shared(other)]).await.expect("submit").remove(0);
    assert!(matches!(theirs, Submitted::Accepted(_)), "{theirs:?}");
    assert!(matches!(store.submit(&[shared(own)]).await.expect("submit").remove(0), Submitted::Joined(_)));

    assert!(store.existing(other, &[mine]).await.expect("existing").is_empty());
    let waits = NewTask { project: other, ..task(&[mine]) };
    assert!(matches!(store.submit(&[waits]).await.expect("submit").remove(0), Submitted::Forgotten));
    store.cancel(own, mine).await.expect("cancel");
    assert!(matches!(store.reopen(other, mine).await, Err(StoreError::NotFound(_))));
    assert!(matches!(store.remove(other, mine).await, Err(StoreError::NotFound(_))));
    for act in [Act::Look, Act::Cancel, Act::Reopen, Act::Remove] {
        for selection in [Selection::one(mine), Selection::default()] {
            let hits = store.act(other, act, &selection, None, 10).await.expect("a page");
            assert!(hits.iter().all(|hit| hit.task != mine), "{act:?}");
        }
    }
    assert_eq!(state(&store, mine).await, State::Canceled);
}

#[tokio::test]
async fn one_that_nobody_told_is_found_and_goes_on() {
    let system = System::builder().start().await;
    let store = system.database.store();
    let (good, bad, slow) =
        (submit(&store, task(&[])).await, submit(&store, task(&[])).await, submit(&store, task(&[])).await);
    let (next, doomed) = (submit(&store, task(&[good])).await, submit(&store, task(&[bad])).await);
    let waits = submit(&store, task(&[slow])).await;
    // As if the mark of the ended had been lost.
    system.database.execute("UPDATE tasks SET has_dependents = false").await;
    let worker = worker(&store).await;
    end(&store, worker, good, Event::Succeed).await;
    end(&store, worker, bad, Event::Fail).await;
    eventually("both go on", SOON, async || {
        let states = (state(&store, next).await, state(&store, doomed).await);
        (states == (State::Queued, State::Canceled)).then_some(())
    })
    .await;
    eventually("both are counted", SOON, async || {
        let found = "SELECT COALESCE(sum(found), 0)::bigint FROM integrity_defects WHERE defect = 'stuck'";
        (system.database.count(found).await == 2).then_some(())
    })
    .await;
    assert_eq!(state(&store, waits).await, State::Blocked, "one whose wait is not over waits");
}

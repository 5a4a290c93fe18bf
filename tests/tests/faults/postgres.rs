//! Postgres stops, crashes, ends connections or says nothing any more.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use e2e::{Mode, Proxy, Servers, System, eventually};
use serde_json::json;

use crate::{LONG, SOON, all_live, ended, none, submit_many, submit_through, until_ended};

#[tokio::test(flavor = "multi_thread")]
async fn without_postgres_nothing_is_promised_and_everything_heals_by_itself() {
    let servers = Servers::private();
    let mut system = System::builder().on(&servers).worker("default=2").start().await;
    let pids: Vec<u32> = system.workers.iter().map(e2e::Process::pid).collect();
    let running = system.client.submit("echo", json!({ "sleep_ms": 1_500 }), none()).await;
    system.client.wait(&running, "running", SOON).await;
    servers.own().stop_postgres(true).expect("stop Postgres");

    // Longer than a lease: nobody may be blamed for it.
    let down = Instant::now();
    let mut refused = 0;
    while down.elapsed() < Duration::from_secs(6) {
        let answer = system.client.post("/tasks", &json!({ "kind": "echo", "input": {} })).await.expect(503);
        assert!(answer.header("retry-after").is_some());
        assert!(!answer.code().is_empty());
        // What was read just before is told for a second.
        let told = system.client.get(&format!("/tasks/{running}")).await.status.as_u16();
        assert!(told == 503 || told == 200 && down.elapsed() < Duration::from_secs(3), "{told}");
        refused += 1;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    println!("{refused} submissions were refused in {:?}", down.elapsed());
    assert!(refused >= 5, "an answer took too long: {refused} in {:?}", down.elapsed());
    system.client.get(&format!("/tasks/{running}")).await.expect(503);
    system.client.get("/ready").await.expect(503);
    system.client.get("/health").await.expect(200);

    servers.own().start_postgres().expect("start Postgres");
    let up = Instant::now();
    let task = system.client.wait(&running, "succeeded", SOON).await;
    assert_eq!(task["attempt"], 1, "it was not taken back: {task:#}");
    let id = submit_through(&system.client, "after", &none()).await;
    system.client.wait(&id, "succeeded", SOON).await;
    println!("healed {:?} after Postgres was back", up.elapsed());
    assert!(up.elapsed() < Duration::from_secs(10));
    let mut all = system.workers.iter_mut().chain(system.api.as_mut()).chain(system.scheduler.as_mut());
    assert!(all.all(e2e::Process::is_alive), "a process ended");
    assert_eq!(system.workers.iter().map(e2e::Process::pid).collect::<Vec<_>>(), pids);
    system.holds(&[running, id]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_was_answered_with_202_is_there_after_postgres_crashes_in_between() {
    let servers = Servers::private();
    let system = System::builder().on(&servers).worker("default=8").start().await;
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (client, stop) = (system.client.clone(), stop.clone());
            tokio::spawn(async move {
                let mut accepted = Vec::new();
                while !stop.load(Relaxed) {
                    let answer = client.post("/tasks", &json!({ "kind": "echo", "input": {} })).await;
                    match answer.status.as_u16() {
                        202 => accepted.push(answer.json()["id"].as_str().expect("an id").to_owned()),
                        503 => tokio::time::sleep(Duration::from_millis(20)).await,
                        _ => panic!("{answer:?}"),
                    }
                }
                accepted
            })
        })
        .collect();
    for _ in 0..3 {
        let before = ended(&system).await;
        until_ended(&system, usize::try_from(before).unwrap_or(0) + 50).await;
        servers.own().restart_postgres(true).expect("restart Postgres");
    }
    let before = ended(&system).await.max(0);
    until_ended(&system, usize::try_from(before).unwrap_or(0) + 50).await;
    stop.store(true, Relaxed);
    let mut accepted = Vec::new();
    for client in clients {
        accepted.extend(client.await.expect("a client"));
    }
    eventually("everything has ended", LONG, async || {
        let sql = "SELECT count(*) FROM tasks WHERE finished_at IS NULL";
        let open: i64 = sqlx::query_scalar(sql).fetch_one(&system.database.pool).await.ok()?;
        (open == 0).then_some(())
    })
    .await;
    // A submission whose answer was 503 may have been committed: that is no promise, and no fault.
    let unpromised: Vec<uuid::Uuid> =
        sqlx::query_scalar("SELECT id FROM tasks").fetch_all(&system.database.pool).await.expect("the rows");
    let rows: Vec<String> = unpromised.into_iter().map(|id| jobs_core::TaskId(id).to_string()).collect();
    let lost: Vec<&String> = accepted.iter().filter(|id| !rows.contains(id)).collect();
    println!("{} accepted, {} more committed, {} lost", accepted.len(), rows.len() - accepted.len(), lost.len());
    assert!(lost.is_empty(), "{lost:?}");
    system.holds(&rows).await;
}

#[tokio::test]
async fn when_all_connections_are_ended_nothing_is_taken_back_and_everything_goes_on() {
    let mut system = System::builder().worker("default=8").worker("default=8").start().await;
    let mut ids = Vec::new();
    for round in 0..3 {
        ids.extend(submit_many(&system.client, 30, &json!({ "sleep_ms": 300 })).await);
        let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name LIKE 'longshore%'";
        let ended = system.database.count(sql).await;
        assert!(ended >= 4, "round {round}: {ended} connections");
        let began = Instant::now();
        ids.push(submit_through(&system.client, &format!("after-{round}"), &none()).await);
        until_ended(&system, ids.len()).await;
        println!("{ended} connections were ended; all is done {:?} later", began.elapsed());
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    }
    all_live(&mut system);
    assert_eq!(e2e::happened(&system.database.pool, "lose").await, 0);
    system.holds(&ids).await;
}

#[tokio::test]
async fn when_postgres_says_nothing_any_more_everything_heals_by_itself() {
    let mut system = System::builder()
        .env("LONGSHORE_WORKER_LEASE", "3s")
        .env("LONGSHORE_WORKER_HEARTBEAT", "500ms")
        .env("LONGSHORE_DATABASE_STATEMENT_TIMEOUT", "4s")
        .without_api()
        .without_scheduler()
        .start()
        .await;
    let proxy = Proxy::before(&system.database.url).await;
    let env = [("DATABASE_URL", proxy.url.as_str())];
    system.start_api_with(&env).await;
    system.start_scheduler_with(&env).await;
    for _ in 0..3 {
        system.start_worker_with("default=4", &env).await;
    }
    let mut ids = submit_many(&system.client, 60, &json!({ "sleep_ms": 200 })).await;
    // Longer than a lease: who cannot be heard stops by itself, and nobody takes more back than was running.
    proxy.set(Mode::Deaf);
    tokio::time::sleep(Duration::from_secs(5)).await;
    proxy.set(Mode::Pass);
    let healed = Instant::now();
    ids.push(submit_through(&system.client, "after", &none()).await);
    println!("accepted {:?} after Postgres spoke again", healed.elapsed());
    until_ended(&system, ids.len()).await;
    println!("all is done {:?} after Postgres spoke again", healed.elapsed());
    assert!(healed.elapsed() < Duration::from_secs(10), "{:?}", healed.elapsed());
    all_live(&mut system);
    let lost = e2e::happened(&system.database.pool, "lose").await;
    assert!(lost <= 12, "{lost} attempts were taken back, and 12 ran at most");
    system.holds(&ids).await;
}

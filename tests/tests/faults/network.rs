//! The network between one worker and Postgres is cut, and nothing else.

use e2e::{Mode, Proxy, System, eventually};
use serde_json::json;

use crate::{SOON, none};

/// Cuts off the worker that runs a task; somebody else finishes the task, and the worker goes on when it can.
async fn a_cut(mode: Mode) {
    let mut system = System::builder()
        .env("LONGSHORE_WORKER_LEASE", "3s")
        .env("LONGSHORE_WORKER_HEARTBEAT", "500ms")
        .env("LONGSHORE_DATABASE_STATEMENT_TIMEOUT", "3s")
        .start()
        .await;
    let proxy = Proxy::before(&system.database.url).await;
    let cut = system.start_worker_with("default=1", &[("DATABASE_URL", &proxy.url)]).await;
    let id = system.client.submit("echo", json!({ "sleep_ms": 4_000 }), none()).await;
    assert_eq!(system.holder(&id, SOON).await, cut);

    proxy.set(mode);
    let other = system.start_worker("default=1").await;
    // It stops before anybody else may start.
    eventually("it knows that it is not believed", SOON, async || {
        system.workers[cut].log().contains("no beat got through").then_some(())
    })
    .await;
    system.client.until(&id, "taken back", SOON, |task| task["attempt"] == 2).await;
    assert_eq!(system.holder(&id, SOON).await, other);
    assert_eq!(system.executions().abandoned, 1);
    system.client.wait(&id, "succeeded", SOON).await;
    assert_eq!(system.client.moves(&id).await, ["submit", "start", "lose", "start", "succeed"]);

    // The network is whole again, and so is the worker.
    proxy.set(Mode::Pass);
    system.workers[other].kill9();
    let again = system.client.submit("echo", none(), none()).await;
    system.client.wait(&again, "succeeded", SOON).await;
    assert!(system.workers[cut].is_alive());
    system.holds(&[id, again]).await;
}

#[tokio::test]
async fn a_worker_that_is_cut_off_from_postgres_stops_by_itself_and_another_one_finishes() {
    a_cut(Mode::Deaf).await;
}

#[tokio::test]
async fn a_worker_that_only_hears_nothing_stops_by_itself_and_another_one_finishes() {
    a_cut(Mode::DeafToServer).await;
}

#[tokio::test]
async fn a_connection_that_dies_in_silence_costs_no_attempt() {
    let mut system = System::builder().start().await;
    let proxy = Proxy::before(&system.database.url).await;
    let worker = system.start_worker_with("default=1", &[("DATABASE_URL", &proxy.url)]).await;
    let id = system.client.submit("echo", json!({ "sleep_ms": 6_000 }), none()).await;
    assert_eq!(system.holder(&id, SOON).await, worker);
    // While it works, the only connection that it uses is that of its heart: it is deaf from now on, and a new one is not.
    proxy.set(Mode::Deaf);
    eventually("a beat is lost", SOON, async || (proxy.torn() > 0).then_some(())).await;
    proxy.set(Mode::Pass);
    let task = system.client.wait(&id, "succeeded", SOON).await;
    assert_eq!(task["attempt"], 1, "{}", system.workers[worker].log());
    system.holds(&[id]).await;
}

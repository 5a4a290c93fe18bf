//! More than can be done at once: everything is due, everybody submits, clients are slow.

use std::time::{Duration, Instant};

use e2e::{ADMIN_KEY, System, eventually, quantile};
use futures::future::join_all;
use jobs_core::{NewTask, task::Start};
use serde_json::json;
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::{SOON, all_live, most_memory_mib, new_task, none, until_ended};

/// No process of ours may ever need more than this for what happens here.
const MEMORY_MIB: u64 = 256;

#[tokio::test]
async fn what_becomes_due_all_at_once_while_nobody_works_runs_when_somebody_does() {
    const TASKS: usize = 10_000;
    let mut system = System::builder().start().await;
    let store = system.database.store();
    let mut ids = Vec::new();
    for _ in 0..TASKS / 500 {
        let tasks: Vec<NewTask> = (0..500).map(|_| new_task(Some(Start::After(Duration::from_secs(3))))).collect();
        ids.extend(tasks.iter().map(|task| task.id.to_string()));
        store.submit(&tasks).await.expect("submit");
    }
    eventually("all are due", SOON, async || {
        (system.database.count("SELECT count(*) FROM tasks WHERE state <> 'queued'").await == 0).then_some(())
    })
    .await;
    let began = Instant::now();
    system.start_worker("default=16").await;
    until_ended(&system, TASKS).await;
    println!("{TASKS} tasks were due at once and done within {:?}", began.elapsed());
    let processes = [&system.workers[0], system.scheduler.as_ref().expect("a scheduler")];
    let most = processes.map(most_memory_mib);
    println!("most memory of the worker and the scheduler: {most:?} MiB");
    assert!(most.iter().all(|mib| *mib <= MEMORY_MIB), "{most:?}");
    system.holds(&ids).await;
}

#[tokio::test]
async fn three_times_the_load_that_saturates_is_served_within_a_second_and_costs_no_memory() {
    const CONNECTIONS: usize = 16;
    const SATURATING: usize = 64;
    let mut system = System::builder().start().await;
    // Many clients share a connection, so that the test itself has little to do.
    let http = || reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().expect("an HTTP client");
    let connections: Vec<reqwest::Client> = (0..CONNECTIONS).map(|_| http()).collect();
    let url = format!("{}/api/v1/tasks", system.client.url);
    let body = json!({ "kind": "echo", "input": {} });
    // Clients that each submit again as soon as they were answered; gives what the accepted ones took.
    let load = async |clients: usize| -> Vec<Duration> {
        let until = Instant::now() + Duration::from_secs(3);
        let client = async |nth: usize| {
            let mut took = Vec::new();
            while Instant::now() < until {
                let sent = Instant::now();
                let answer = connections[nth % CONNECTIONS]
                    .post(&url)
                    .bearer_auth(ADMIN_KEY)
                    .json(&body)
                    .send()
                    .await
                    .expect("an answer");
                match answer.status().as_u16() {
                    202 => took.push(sent.elapsed()),
                    503 => assert!(answer.headers().contains_key("retry-after"), "{answer:?}"),
                    _ => panic!("{answer:?}"),
                }
            }
            took
        };
        join_all((0..clients).map(client)).await.concat()
    };
    let mut seen = Vec::new();
    for clients in [SATURATING, 3 * SATURATING] {
        let mut took = load(clients).await;
        let (count, p99) = (took.len(), quantile(&mut took, 0.99));
        let mib = most_memory_mib(system.api.as_ref().expect("an API"));
        println!("{clients} clients: {count} accepted in 3 s, p99 {p99:?}, most memory {mib} MiB");
        seen.push((p99, mib));
    }
    let (p99, mib) = seen[1];
    assert!(p99 <= Duration::from_secs(1), "{p99:?}");
    assert!(mib <= seen[0].1 + 32, "{seen:?}");
    all_live(&mut system);
}

#[tokio::test]
async fn clients_that_never_finish_their_requests_keep_nobody_waiting() {
    const SLOW: usize = 300;
    let mut system = System::with_worker("default=4").await;
    let address = system.client.url.strip_prefix("http://").expect("an address").to_owned();
    let mut slow = Vec::new();
    for n in 0..SLOW {
        let mut stream = TcpStream::connect(&address).await.expect("a connection");
        let head = format!(
            "POST /api/v1/tasks HTTP/1.1\r\nhost: x\r\nx-api-key: {ADMIN_KEY}\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n"
        );
        // Some stop within the head, some within the body.
        let text = if n % 2 == 0 { head } else { format!("{head}\r\n{{") };
        stream.write_all(text.as_bytes()).await.expect("it is sent");
        slow.push(stream);
    }
    let mut ids = Vec::new();
    let mut took = Vec::new();
    for _ in 0..100 {
        let began = Instant::now();
        ids.push(system.client.submit("echo", none(), none()).await);
        took.push(began.elapsed());
    }
    let p99 = quantile(&mut took, 0.99);
    println!("submissions beside {SLOW} slow clients: p99 {p99:?}");
    assert!(p99 <= Duration::from_secs(1), "{p99:?}");
    until_ended(&system, ids.len()).await;
    let most = most_memory_mib(system.api.as_ref().expect("an API"));
    assert!(most <= MEMORY_MIB, "{most} MiB");
    all_live(&mut system);
    system.holds(&ids).await;
}

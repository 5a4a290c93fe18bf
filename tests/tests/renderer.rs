//! The process that renders: it goes when its task is stopped or its worker dies, and its death harms nobody else.
#![cfg(target_os = "linux")]

use std::{
    path::Path,
    time::{Duration, Instant},
};

use e2e::{System, eventually};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(30);
/// How long a film may take on a machine that has other things to do.
const RENDER: Duration = Duration::from_secs(150);

fn briefing(duration: u32, width: u32, height: u32) -> Value {
    json!({
        "title": "Slow work, done well",
        "description": "Some work takes longer than a request should. It is taken at once, and done by workers. Nothing is lost.",
        "duration": duration, "style": "minimal", "tone": "calm",
        "output": { "width": width, "height": height, "fps": 24, "quality": "draft" },
    })
}

/// The process ids of renderers that work for a process: its children, and theirs.
fn renderers(of: u32) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        // The name stands in parentheses, and may hold anything.
        let Some((name, rest)) = stat.rsplit_once(')') else { continue };
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let is_alive = fields.first() != Some(&"Z");
        if is_alive
            && name.contains("longshore-media")
            && fields.get(1).and_then(|parent| parent.parse().ok()) == Some(of)
        {
            found.push(pid);
        }
    }
    found
}

async fn renderer(system: &System) -> u32 {
    let worker = system.workers[0].pid();
    eventually("a renderer works", SOON, async || renderers(worker).first().copied()).await
}

#[tokio::test]
async fn a_render_that_is_canceled_is_gone_within_two_seconds() {
    let system = System::with_worker("video=1").await;
    let client = &system.client;
    let id = client.submit("video.generate", briefing(180, 1_280, 720), json!({})).await;
    client.until(&id, "under way", SOON, |task| task["progress"]["percent"].as_f64() > Some(0.0)).await;
    let renderer = renderer(&system).await;
    let asked = Instant::now();
    client.cancel(&id).await.expect(202);
    eventually("its process is gone", Duration::from_secs(2), async || {
        (!Path::new(&format!("/proc/{renderer}")).exists()).then_some(())
    })
    .await;
    println!("the renderer was gone after {:?}", asked.elapsed());
    let task = client.wait(&id, "canceled", SOON).await;
    assert_eq!(task["artifacts"], json!([]));
    assert_eq!(renderers(system.workers[0].pid()), Vec::<u32>::new());
    let left: Vec<_> = std::fs::read_dir(system.dir().join("scratch"))
        .expect("scratch")
        .flatten()
        .flat_map(|worker| std::fs::read_dir(worker.path()).expect("a folder").flatten())
        .collect();
    assert!(left.is_empty(), "{left:?}");
    system.holds(&[id]).await;
}

#[tokio::test]
async fn a_renderer_that_dies_is_a_failed_attempt_and_not_a_dead_worker() {
    let mut system = System::with_worker("video=1").await;
    let client = system.client.clone();
    let options = json!({ "retry": { "initial_ms": 100, "jitter": false } });
    let id = client.submit("video.generate", briefing(15, 320, 180), options).await;
    let renderer = renderer(&system).await;
    let pid = Pid::from_raw(renderer.cast_signed()).expect("a process id");
    kill_process(pid, Signal::KILL).expect("kill");
    let task = client.until(&id, "tried again", SOON, |task| task["attempt"] == 2).await;
    assert_eq!(
        (&task["error"]["type"], &task["error"]["code"], &task["error"]["retryable"]),
        (&json!("crash"), &json!("killed"), &json!(true)),
        "{task:#}"
    );
    client.wait(&id, "succeeded", RENDER).await;
    assert!(system.workers[0].is_alive());
    assert_eq!(client.moves(&id).await, ["submit", "start", "retry", "due", "start", "succeed"]);
    system.holds(&[id]).await;
}

#[tokio::test]
async fn a_render_whose_worker_is_killed_leaves_no_process_behind() {
    let mut system = System::with_worker("video=1").await;
    let id = system.client.submit("video.generate", briefing(180, 1_280, 720), json!({})).await;
    let renderer = renderer(&system).await;
    system.workers[0].kill9();
    eventually("its process is gone", Duration::from_secs(5), async || {
        let stat = std::fs::read_to_string(format!("/proc/{renderer}/stat")).unwrap_or_default();
        (stat.is_empty() || stat.contains(") Z ")).then_some(())
    })
    .await;
    system.client.cancel(&id).await.expect(202);
    system.client.wait(&id, "canceled", SOON).await;
    system.holds(&[id]).await;
}

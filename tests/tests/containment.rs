//! Containment: what goes wrong with one task, one disk or one server stays there, and everything else goes on.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use e2e::{Process, Servers, System, eventually};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(30);
const LONG: Duration = Duration::from_secs(120);

fn none() -> Value {
    json!({})
}

fn briefing(width: u32, height: u32) -> Value {
    json!({
        "title": "Room for everybody",
        "description": "A disk is full one day. What needs room waits for it, and what needs none goes on.",
        "duration": 15, "style": "minimal", "tone": "calm",
        "output": { "width": width, "height": height, "fps": 24, "quality": "draft" },
    })
}

#[tokio::test]
async fn an_attempt_that_writes_more_than_it_may_fails_and_its_neighbours_do_not_notice() {
    let mut system =
        System::builder().env("LONGSHORE_WORKER_ATTEMPT_DISK", "64KiB").worker("video=1,default=2").start().await;
    let film = system.client.submit("video.generate", briefing(320, 180), none()).await;
    let neighbour = system.client.submit("echo", json!({ "sleep_ms": 1_000 }), none()).await;
    let task = system.client.wait(&film, "failed", LONG).await;
    assert_eq!((&task["error"]["code"], &task["attempt"]), (&json!("disk_limit"), &json!(1)), "{task:#}");
    println!("{}", task["error"]["message"]);
    system.client.wait(&neighbour, "succeeded", SOON).await;
    assert!(system.workers[0].is_alive());
    system.holds(&[film, neighbour]).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_attempt_that_needs_more_memory_than_it_may_have_fails_and_its_neighbours_do_not_notice() {
    let mut system =
        System::builder().env("LONGSHORE_WORKER_ATTEMPT_MEMORY", "128MiB").worker("video=1,default=2").start().await;
    let film = system.client.submit("video.generate", briefing(1_920, 1_080), none()).await;
    let neighbour = system.client.submit("echo", json!({ "sleep_ms": 1_000 }), none()).await;
    let task = system.client.wait(&film, "failed", LONG).await;
    println!("{}", task["error"]["message"]);
    assert_eq!((&task["error"]["code"], &task["attempt"]), (&json!("memory_limit"), &json!(1)), "{task:#}");
    system.client.wait(&neighbour, "succeeded", SOON).await;
    assert!(system.workers[0].is_alive());
    system.holds(&[film, neighbour]).await;
}

/// A worker on a file system of its own, which is full. Its mount is seen by nobody else.
struct FullDisk {
    filler: PathBuf,
    worker: usize,
}

impl FullDisk {
    /// Starts a worker for which `dir` is a full disk; `None` where the kernel lets nobody mount one.
    async fn start(system: &mut System, dir: &Path, env: &[(&str, &str)]) -> Option<Self> {
        std::fs::create_dir_all(dir).expect("a folder");
        // Root needs no user namespace, in which it could not reach the servers of other accounts.
        let namespaces = if rustix::process::geteuid().is_root() { "-m" } else { "-rm" };
        let may = Command::new("unshare").args([namespaces, "mount", "-t", "tmpfs", "none"]).arg(dir).status();
        if !may.is_ok_and(|status| status.success()) {
            return None;
        }
        let worker = system.command(&["worker", "--queues", "video=1,default=2", "--name", "on-a-full-disk"]);
        // The name of the process stays, as each of these becomes the next.
        let script = "dir=$1; shift; mount -t tmpfs -o size=16m none \"$dir\" \
            && { cat /dev/zero > \"$dir/filler\" 2>/dev/null; exec \"$@\"; }";
        let mut command = Command::new("unshare");
        command.args([namespaces, "sh", "-c", script, "sh"]).arg(dir).arg(worker.get_program()).args(worker.get_args());
        command.env_clear().current_dir(system.dir());
        command.envs(worker.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.envs(env.iter().copied());
        let process = Process::spawn("worker-on-a-full-disk", command, system.dir().join("worker-on-a-full-disk.log"));
        let pid = process.pid();
        system.workers.push(process);
        eventually("the worker is registered", SOON, async || {
            let sql = format!("SELECT count(*) FROM workers WHERE pid = {pid} AND ended_at IS NULL");
            (system.database.count(&sql).await == 1).then_some(())
        })
        .await;
        let seen = format!("/proc/{pid}/root{}", dir.join("filler").display());
        Some(Self { filler: seen.into(), worker: system.workers.len() - 1 })
    }

    fn make_room(&self) {
        assert!(std::fs::metadata(&self.filler).expect("what fills the disk").len() > 8 << 20);
        std::fs::remove_file(&self.filler).expect("room");
    }
}

/// A film waits until the disk that `variable` puts its files on has room, and tells it by `code`.
async fn waits_for_room(variable: &str, scheme: &str, code: &str) {
    let mut system = System::builder().start().await;
    let dir = system.dir().join("full");
    let place = format!("{scheme}{}", dir.display());
    let Some(disk) = FullDisk::start(&mut system, &dir, &[(variable, &place)]).await else {
        println!("skipped: this kernel lets nobody mount a disk");
        return;
    };
    let film = system.client.submit("video.generate", briefing(320, 180), none()).await;
    let task = system.client.until(&film, "tried again later", LONG, |task| task["status"] == "retrying").await;
    let told = (&task["error"]["code"], &task["error"]["retryable"]);
    assert_eq!(told, (&json!(code), &json!(true)), "{task:#}");
    println!("{}", task["error"]["message"]);
    let neighbour = system.client.submit("echo", none(), none()).await;
    system.client.wait(&neighbour, "succeeded", SOON).await;
    disk.make_room();
    let task = system.client.wait(&film, "succeeded", LONG).await;
    assert!(task["attempt"].as_i64() <= Some(3), "{task:#}");
    assert!(system.workers[disk.worker].is_alive());
    system.holds(&[film, neighbour]).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_film_waits_until_the_artifact_store_has_room() {
    waits_for_room("LONGSHORE_ARTIFACTS_URL", "file://", "artifact_store_full").await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_film_waits_until_the_disk_it_is_made_on_has_room() {
    waits_for_room("LONGSHORE_DATA_DIR", "", "disk_full").await;
}

#[tokio::test]
async fn while_the_disk_of_postgres_is_full_nothing_is_promised_and_results_wait() {
    let mut system = System::with_worker("default=2").await;
    let running = system.client.submit("echo", json!({ "sleep_ms": 500 }), none()).await;
    system.client.wait(&running, "running", SOON).await;
    // What a full disk says, from where it would say it: a row that cannot be written.
    system
        .database
        .execute(
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;
            CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON tasks FOR EACH ROW EXECUTE FUNCTION full_disk()",
        )
        .await;
    let refused = system.client.post("/tasks", &json!({ "kind": "echo", "input": {} })).await.expect(503);
    assert!(refused.header("retry-after").is_some(), "{refused:?}");
    eventually("a result waits", SOON, async || system.workers[0].log().contains("results wait").then_some(())).await;
    assert_eq!(system.client.task(&running).await["status"], "running");
    system.database.execute("DROP TRIGGER full_disk ON tasks").await;
    let task = system.client.wait(&running, "succeeded", SOON).await;
    assert_eq!(task["attempt"], 1);
    let later = system.client.submit("echo", none(), none()).await;
    system.client.wait(&later, "succeeded", SOON).await;
    assert!(system.workers[0].is_alive());
    system.holds(&[running, later]).await;
}

async fn config_set(system: &System, name: &str, value: &str) {
    let mut redis = system.redis().await;
    let () = redis::cmd("CONFIG").arg("SET").arg(name).arg(value).query_async(&mut redis).await.expect("CONFIG SET");
}

/// A number of a section of `INFO`.
async fn info(system: &System, name: &str) -> u64 {
    let mut redis = system.redis().await;
    let info: String = redis::cmd("INFO").query_async(&mut redis).await.expect("INFO");
    let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value.and_then(|value| value.trim().parse().ok()).unwrap_or_else(|| panic!("no {name} in {info}"))
}

async fn submit_many(system: &System, count: usize) -> Vec<String> {
    let mut ids = Vec::with_capacity(count);
    for number in 0..count {
        ids.push(system.client.submit("echo", none(), json!({ "group": format!("group-{}", number % 50) })).await);
    }
    ids
}

async fn all_succeed(system: &System, count: usize) {
    eventually("everything has ended", LONG, async || {
        let open = system.database.count("SELECT count(*) FROM tasks WHERE finished_at IS NULL").await;
        (open == 0).then_some(())
    })
    .await;
    let succeeded = system.database.count("SELECT count(*) FROM tasks WHERE state = 'succeeded'").await;
    assert_eq!(succeeded, i64::try_from(count).expect("a small number"));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_redis_has_no_memory_left_tasks_are_accepted_and_run() {
    let servers = Servers::private();
    let mut system = System::builder().on(&servers).start().await;
    let mut ids = submit_many(&system, 200).await;
    // Less than it uses already: every write that needs memory is refused.
    config_set(&system, "maxmemory", "1mb").await;
    ids.extend(submit_many(&system, 100).await);
    assert!(info(&system, "used_memory").await > 1 << 20, "it was to be full");
    let worker = system.start_worker("default=4").await;
    // What was pushed before is drained meanwhile.
    eventually("what Redis had is drained", LONG, async || {
        let ended = system.database.count("SELECT count(*) FROM tasks WHERE finished_at IS NOT NULL").await;
        (ended >= 200).then_some(())
    })
    .await;
    let began = Instant::now();
    config_set(&system, "maxmemory", "0").await;
    all_succeed(&system, ids.len()).await;
    println!("all had ended {:?} after there was memory again", began.elapsed());
    assert!(system.workers[worker].is_alive());
    system.holds(&ids).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_evicts_is_named_at_start_and_loses_no_task() {
    let servers = Servers::private();
    let mut system = System::builder().on(&servers).start().await;
    let ready = system.client.get("/ready").await.expect(200).json();
    assert_eq!((&ready["status"], &ready["components"]["redis"]["status"]), (&json!("ok"), &json!("ok")));

    config_set(&system, "maxmemory-policy", "allkeys-lru").await;
    let ready = system.client.get("/ready").await.expect(200).json();
    assert_eq!((&ready["status"], &ready["components"]["redis"]["status"]), (&json!("degraded"), &json!("degraded")));
    let detail = ready["components"]["redis"]["detail"].as_str().expect("what to do");
    assert!(detail.contains("noeviction") && detail.contains("allkeys-lru"), "{detail}");

    let mut ids = submit_many(&system, 300).await;
    let evicted = info(&system, "evicted_keys").await;
    config_set(&system, "maxmemory", "1mb").await;
    ids.extend(submit_many(&system, 100).await);
    let evicted = info(&system, "evicted_keys").await - evicted;
    assert!(evicted > 0, "nothing was evicted");
    // With as much room as it needs to make progress, but not for long.
    config_set(&system, "maxmemory", "100mb").await;
    let worker = system.start_worker("default=4").await;
    all_succeed(&system, ids.len()).await;
    println!("{evicted} keys were evicted");
    assert!(system.workers[worker].log().contains("maxmemory-policy noeviction"), "the worker said nothing");
    system.scheduler.take().expect("a scheduler").kill9();
    system.start_scheduler().await;
    let scheduler = system.scheduler.as_ref().expect("a scheduler");
    eventually("the scheduler says so", SOON, async || {
        scheduler.log().contains("maxmemory-policy noeviction").then_some(())
    })
    .await;
    system.start_api().await;
    let api = system.api.as_ref().expect("an API");
    eventually("the API says so", SOON, async || api.log().contains("maxmemory-policy noeviction").then_some(())).await;
    system.holds(&ids).await;
}

/// What the keys of a queue with one group are called, behind the base.
const KEYS: [&str; 8] = [":ready:default", ":depth", ":ring", ":past", ":held", ":running", ":wake", ":vtime"];

#[tokio::test(flavor = "multi_thread")]
async fn whichever_key_redis_evicts_the_tasks_behind_it_are_found() {
    let servers = Servers::private();
    let mut system = System::builder().on(&servers).worker("default=2").start().await;
    let mut redis = system.redis().await;
    let (base, epoch) = (format!("{{{}:q:default}}", system.prefix), format!("{}:epoch", system.prefix));
    let evicted: Vec<String> = KEYS.iter().map(|key| format!("{base}{key}")).chain([epoch]).collect();
    let mut ids = Vec::new();
    for key in &evicted {
        // One is held, and the others wait behind it, when the key goes.
        for input in [json!({ "sleep_ms": 700 }), json!({ "sleep_ms": 700 })].into_iter().chain((0..8).map(|_| none()))
        {
            ids.push(system.client.submit("echo", input, none()).await);
        }
        let known: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut redis).await.expect("the keys");
        assert!(known.iter().all(|known| evicted.contains(known)), "a key that is not tried here: {known:?}");
        let there: bool = redis::cmd("DEL").arg(key).query_async(&mut redis).await.expect("DEL");
        let began = Instant::now();
        all_succeed(&system, ids.len()).await;
        println!("without {key} (it was there: {there}): all ended after {:?}", began.elapsed());
    }
    assert!(system.workers[0].is_alive());
    system.holds(&ids).await;
}

//! Private servers, with the real programs.

use std::{
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use jobs_runtime::servers::{PrivateServers, ServerError, ServerOptions};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use sqlx::Connection as _;

/// Set for the run of this test program that plays a parent which is killed.
const PLAY_PARENT: &str = "LONGSHORE_TEST_PARENT_IN";

/// A folder that the accounts of the servers can pass through, also when root owns it.
fn folder() -> tempfile::TempDir {
    folder_with_mode(0o755)
}

fn folder_with_mode(mode: u32) -> tempfile::TempDir {
    let permissions = std::fs::Permissions::from_mode(mode);
    let mut builder = tempfile::Builder::new();
    builder.prefix("longshore-test-").permissions(permissions);
    builder.tempdir().expect("a folder")
}

fn quick(dir: &Path) -> ServerOptions {
    ServerOptions { durable: false, ..ServerOptions::new(dir) }
}

fn only_redis(dir: &Path) -> ServerOptions {
    ServerOptions { postgres: false, ..quick(dir) }
}

async fn sql(url: &str, statement: &'static str) -> String {
    let mut connection = sqlx::PgConnection::connect(url).await.expect(url);
    sqlx::query_scalar::<_, Option<String>>(statement)
        .fetch_optional(&mut connection)
        .await
        .expect(statement)
        .flatten()
        .unwrap_or_default()
}

async fn redis_says<T: redis::FromRedisValue>(url: &str, words: &[&str]) -> T {
    let client = redis::Client::open(url).expect(url);
    let mut connection = client.get_multiplexed_async_connection().await.expect(url);
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    command.query_async(&mut connection).await.expect("an answer")
}

fn lives(pid: u32) -> bool {
    // A zombie that nobody waits for does not count.
    let zombie = std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "));
    test_kill_process(pid_of(pid)).is_ok() && !zombie
}

fn pid_of(pid: u32) -> Pid {
    i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process id")
}

fn wait_until(what: &str, state: impl Fn() -> bool) {
    let began = Instant::now();
    while !state() {
        assert!(began.elapsed() < Duration::from_secs(20), "waited 20 s for: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[tokio::test]
async fn both_servers_answer_and_run_as_an_ordinary_user() {
    let servers = PrivateServers::throwaway().expect("servers");

    assert_eq!(sql(&servers.database_url(), "SELECT current_database()::text").await, "longshore");
    assert_eq!(redis_says::<String>(&servers.redis_url(), &["PING"]).await, "PONG");

    for pid in [servers.postgres_pid(), servers.redis_pid()].map(|pid| pid.expect("a process")) {
        let owner = std::fs::metadata(format!("/proc/{pid}")).map(|found| found.uid());
        assert_ne!(owner.ok(), Some(0), "root must not run {pid}");
    }
}

#[tokio::test]
async fn nothing_but_the_private_socket_is_open() {
    let servers = PrivateServers::throwaway().expect("servers");

    assert_eq!(sql(&servers.database_url(), "SHOW listen_addresses").await, "");
    let (_, port): (String, String) = redis_says(&servers.redis_url(), &["CONFIG", "GET", "port"]).await;
    assert_eq!(port, "0");
    for name in ["postgres", "redis"] {
        let mode = std::fs::metadata(servers.dir().join("run").join(name)).expect("a folder").mode();
        assert_eq!(mode & 0o777, 0o700, "{name}");
    }
}

#[tokio::test]
async fn a_durable_server_is_durable_and_redis_refuses_rather_than_forgets() {
    let dir = folder();
    let servers = PrivateServers::start(&ServerOptions::new(dir.path())).expect("servers");

    for setting in ["SHOW fsync", "SHOW synchronous_commit", "SHOW full_page_writes"] {
        assert_eq!(sql(&servers.database_url(), setting).await, "on", "{setting}");
    }
    let policy = ["CONFIG", "GET", "maxmemory-policy"];
    assert_eq!(redis_says::<(String, String)>(&servers.redis_url(), &policy).await.1, "noeviction");
}

#[tokio::test]
async fn data_is_kept_between_runs_and_the_servers_end_with_their_owner() {
    let dir = folder();
    let servers = PrivateServers::start(&quick(dir.path())).expect("the first run");
    sql(&servers.database_url(), "CREATE TABLE kept AS SELECT 'yes' AS answer").await;
    let pids = [servers.postgres_pid(), servers.redis_pid()].map(|pid| pid.expect("a process"));
    drop(servers);
    assert!(!pids.into_iter().any(lives));

    let servers = PrivateServers::start(&quick(dir.path())).expect("the second run");
    assert_eq!(sql(&servers.database_url(), "SELECT answer FROM kept").await, "yes");
    for name in ["postgres.log", "redis.log"] {
        assert!(std::fs::metadata(dir.path().join("logs").join(name)).is_ok_and(|log| log.len() > 0), "{name}");
    }
}

#[tokio::test]
async fn restarts_keep_the_address_and_the_data_of_postgres_only() {
    let mut servers = PrivateServers::throwaway().expect("servers");
    sql(&servers.database_url(), "CREATE TABLE kept AS SELECT 'yes' AS answer").await;
    redis_says::<()>(&servers.redis_url(), &["SET", "kept", "no"]).await;
    let before = [servers.postgres_pid(), servers.redis_pid()];

    servers.restart_postgres(true).expect("an immediate restart");
    servers.restart_postgres(false).expect("a restart in order");
    servers.stop_redis().expect("stopped");
    assert_eq!(servers.redis_pid(), None);
    servers.start_redis().expect("started");

    assert_eq!(sql(&servers.database_url(), "SELECT answer FROM kept").await, "yes");
    assert_eq!(redis_says::<Option<String>>(&servers.redis_url(), &["GET", "kept"]).await, None);
    assert!(before[0] != servers.postgres_pid() && before[1] != servers.redis_pid());
}

#[tokio::test]
async fn a_killed_server_is_revived() {
    let mut servers = PrivateServers::throwaway().expect("servers");
    assert!(servers.revive().expect("nothing to do").is_empty());

    for pid in [servers.postgres_pid(), servers.redis_pid()].map(|pid| pid.expect("a process")) {
        kill_process(pid_of(pid), Signal::KILL).expect("killed");
    }
    let mut revived = Vec::new();
    let began = Instant::now();
    while revived.len() < 2 && began.elapsed() < Duration::from_secs(20) {
        revived.extend(servers.revive().expect("revived"));
    }

    assert_eq!(sql(&servers.database_url(), "SELECT 'up'").await, "up");
    assert_eq!(redis_says::<String>(&servers.redis_url(), &["PING"]).await, "PONG");
}

#[tokio::test]
async fn a_database_can_be_copied_from_a_template() {
    let servers = PrivateServers::throwaway().expect("servers");
    let template = servers.create_database("template_x", None).expect("a database");
    sql(&template, "CREATE TABLE kept AS SELECT 'yes' AS answer").await;

    let copy = servers.create_database("copy", Some("template_x")).expect("a copy");

    assert_eq!(sql(&copy, "SELECT answer FROM kept").await, "yes");
    let again = servers.create_database("copy", None).expect_err("it exists");
    assert!(again.to_string().contains("already exists"), "{again}");
}

#[test]
fn a_folder_in_use_is_refused_and_names_the_process() {
    let dir = folder();
    let _servers = PrivateServers::start(&only_redis(dir.path())).expect("servers");

    let refused = PrivateServers::start(&only_redis(dir.path())).expect_err("in use");

    let me = std::process::id().to_string();
    assert!(matches!(&refused, ServerError::InUse { pid, .. } if *pid == me), "{refused}");
}

#[test]
fn a_path_too_long_for_a_socket_is_no_obstacle() {
    let dir = folder();
    let deep = dir.path().join("a".repeat(60)).join("b".repeat(60));

    let servers = PrivateServers::start(&only_redis(&deep)).expect("servers");

    assert!(servers.redis_url().starts_with("redis+unix:///tmp/longshore-run-"), "{}", servers.redis_url());
}

#[test]
fn a_server_that_does_not_start_is_told_with_its_log() {
    let dir = folder();
    let servers = PrivateServers::start(&ServerOptions { redis: false, ..quick(dir.path()) }).expect("servers");
    drop(servers);
    std::fs::write(dir.path().join("postgres/postgresql.conf"), "no_such_setting = 1\n").expect("written");

    let began = Instant::now();
    let refused = PrivateServers::start(&ServerOptions { redis: false, ..quick(dir.path()) }).expect_err("broken");

    assert!(refused.to_string().contains("no_such_setting"), "{refused}");
    assert!(began.elapsed() < Duration::from_secs(10), "it waited although the server had ended");
}

#[test]
fn data_of_another_version_is_left_alone() {
    let dir = folder();
    let options = ServerOptions { redis: false, ..quick(dir.path()) };
    drop(PrivateServers::start(&options).expect("servers"));
    std::fs::write(dir.path().join("postgres/PG_VERSION"), "9\n").expect("written");

    let refused = PrivateServers::start(&options).expect_err("another version");

    assert!(matches!(refused, ServerError::OtherVersion { wanted: 9, .. }), "{refused}");
}

#[test]
#[ignore = "the tests below run this one in a process of its own, and kill it"]
fn the_parent_that_is_killed() {
    #[expect(clippy::disallowed_methods, reason = "the folder comes from the test that runs this one")]
    let dir = std::env::var(PLAY_PARENT).expect("run by another test");
    let servers = PrivateServers::start(&quick(Path::new(&dir))).expect("servers");
    let pids = format!("{} {}", servers.postgres_pid().expect("one"), servers.redis_pid().expect("one"));
    std::fs::write(Path::new(&dir).join("pids.part"), pids).expect("written");
    std::fs::rename(Path::new(&dir).join("pids.part"), Path::new(&dir).join("pids")).expect("renamed");
    std::thread::sleep(Duration::from_secs(120));
}

/// Runs [`the_parent_that_is_killed`], kills it with -9, and returns the ids of its servers.
fn kill_a_parent(dir: &Path, before: impl Fn(&[u32])) -> Vec<u32> {
    let mut parent = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "the_parent_that_is_killed", "--ignored", "--nocapture"])
        .env(PLAY_PARENT, dir)
        .stdout(Stdio::null())
        .spawn()
        .expect("a parent");
    let file = dir.join("pids");
    wait_until("the parent has its servers", || file.exists());
    let text = std::fs::read_to_string(&file).expect("ids");
    std::fs::remove_file(&file).expect("removed");
    let pids: Vec<u32> = text.split(' ').map(|pid| pid.parse().expect("an id")).collect();
    before(&pids);
    parent.kill().and_then(|()| parent.wait()).expect("killed");
    pids
}

#[test]
fn servers_end_when_their_parent_is_killed() {
    let dir = folder();
    let pids = kill_a_parent(dir.path(), |_| {});

    wait_until("the servers are gone", || !pids.iter().copied().any(lives));
}

#[tokio::test]
async fn the_next_start_replaces_what_a_killed_parent_and_killed_guards_left() {
    let dir = folder();
    let pids = kill_a_parent(dir.path(), |pids| {
        for pid in pids {
            kill_guard_of(*pid);
        }
    });
    assert!(pids.iter().copied().all(lives), "nobody was there to stop them");

    let servers = PrivateServers::start(&quick(dir.path())).expect("servers");

    assert!(!pids.iter().copied().any(lives));
    assert_eq!(sql(&servers.database_url(), "SELECT 'up'").await, "up");
    assert_eq!(redis_says::<String>(&servers.redis_url(), &["PING"]).await, "PONG");
}

/// Kills the guard whose last argument is the server's id, and waits until it is gone.
fn kill_guard_of(server: u32) {
    let ending = format!("\0{server}\0");
    let is_guard = |line: &[u8]| {
        let line = String::from_utf8_lossy(line);
        line.contains("longshore-guard") && line.ends_with(&ending)
    };
    let guards = std::fs::read_dir("/proc").expect("/proc").flatten().filter_map(|entry| {
        let line = std::fs::read(entry.path().join("cmdline")).ok()?;
        let pid: u32 = entry.file_name().to_string_lossy().parse().ok()?;
        is_guard(&line).then_some(pid)
    });
    let guards: Vec<u32> = guards.collect();
    assert_eq!(guards.len(), 1, "guards of {server}");
    for guard in guards {
        kill_process(pid_of(guard), Signal::KILL).expect("killed");
        wait_until("the guard is gone", || !lives(guard));
    }
}

#[tokio::test]
async fn leftover_id_files_that_name_a_stranger_are_ignored() {
    let dir = folder();
    drop(PrivateServers::start(&quick(dir.path())).expect("the first run"));
    // This test program lives, but it is no server: ids are used again, most of all in containers.
    let me = std::process::id();
    std::fs::write(dir.path().join("postgres/postmaster.pid"), format!("{me}\n/nowhere\n")).expect("written");
    std::fs::write(dir.path().join("redis/redis.pid"), format!("{me}\n")).expect("written");

    let servers = PrivateServers::start(&quick(dir.path())).expect("the second run");

    assert_eq!(sql(&servers.database_url(), "SELECT 'up'").await, "up");
}

#[tokio::test]
async fn root_serves_from_elsewhere_when_only_root_can_enter_the_folder() {
    if !rustix::process::geteuid().is_root() {
        return; // Nobody else gives servers another account.
    }
    // As /root is.
    let closed = folder_with_mode(0o700);
    let asked = closed.path().join("checkout/.longshore");

    let servers = PrivateServers::start(&quick(&asked)).expect("servers");

    assert!(!servers.dir().starts_with(closed.path()), "{}", servers.dir().display());
    assert_eq!(sql(&servers.database_url(), "SELECT 'up'").await, "up");
    let used = servers.dir().to_owned();
    drop(servers);
    assert!(!used.exists(), "a stand-in for throw-away data goes with it");
}

//! `longshore up`: the whole system on one machine.

use std::{
    io::{IsTerminal as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs as _},
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, anyhow, bail};
use api::access::Minted;
use jobs_runtime::{
    Config, PrivateServers, ServerSecret, Shutdown,
    servers::{Record, ServerOptions},
};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::task::TaskTracker;

use crate::{direct, settings, supervise::Ward};

/// How long everything may take to stop.
const GRACE: Duration = Duration::from_secs(30);
/// How long everything may take to be ready before we say that something is odd.
const READY_LIMIT: Duration = Duration::from_secs(60);

/// The options of `longshore up`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Without DATABASE_URL or REDIS_URL, private servers run from the system's packages.
Their data stays in the data folder (LONGSHORE_DATA_DIR, default .longshore), so
the next start goes on where this one ended.

Examples:
  longshore up
  longshore up --bind 0.0.0.0:80 --workers 4
  longshore up --bind 127.0.0.1:0     on any free port
  LONGSHORE_WORKER_QUEUES=default=16 longshore up")]
pub(crate) struct Up {
    /// Address of the API; port 0 takes a free one [default: 127.0.0.1:8080, or LONGSHORE_API_BIND]
    #[arg(long, value_name = "HOST:PORT")]
    bind: Option<String>,

    /// Number of worker processes
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(0..=256))]
    workers: u16,

    /// Ask nobody for an API key; on a loopback address only
    #[arg(long)]
    no_auth: bool,

    /// Let webhooks reach receivers on this machine; without, private addresses are refused
    #[arg(long)]
    local_webhooks: bool,
}

/// The addresses of this machine that are no others' business.
const LOOPBACK: [&str; 2] = ["127.0.0.0/8", "::1"];

impl Up {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let mut config = settings::start("up", |config| {
            if let Some(bind) = self.bind {
                config.api.bind = bind;
            }
            config.no_auth |= self.no_auth;
            if self.local_webhooks {
                config.outbound.allow.extend(LOOPBACK.map(str::to_owned));
            }
            Ok(())
        })?;
        let address = free_address(&config.api.bind)?;
        if config.no_auth && !address.ip().to_canonical().is_loopback() {
            bail!("without keys the API listens on a loopback address only, not on {address}");
        }
        config.api.bind = address.to_string();
        let shutdown = Shutdown::on_signals(GRACE)?;
        std::fs::create_dir_all(&config.data_dir)
            .with_context(|| format!("make the data folder {}", config.data_dir.display()))?;

        let servers = start_servers(&mut config).await?;
        let (database_url, redis_url) = addresses(&config)?;
        jobs_store::migrate(&database_url).await.context("bring the database up to date")?;

        // Also without keys: the secrets of webhooks are kept under it.
        let secret = ServerSecret::of_or_new(&config)?;
        let key = if config.no_auth {
            KeyNews::NotAsked
        } else {
            direct::first_key(&config, &database_url, &secret)
                .await
                .context("make the first API key")?
                .map_or(KeyNews::Known, |minted| KeyNews::First(Arc::new(minted)))
        };

        let api_url = format!("http://{}", seen_from_here(address));
        let record = Record { pid: std::process::id(), database_url, redis_url, api_url };
        record.write(&config.data_dir).context("write servers.json")?;
        let result = look_after_all(&config, self.workers, servers, &record, key, shutdown).await;
        Record::remove(&config.data_dir);
        result.map(|()| ExitCode::SUCCESS)
    }
}

/// What there is to say about API keys.
#[derive(Clone)]
enum KeyNews {
    /// Nobody is asked for one.
    NotAsked,
    /// The first one was made just now.
    First(Arc<Minted>),
    /// There are some.
    Known,
}

/// Runs every process until a stop is asked for, then stops the processes, and the private servers last.
async fn look_after_all(
    config: &Config,
    workers: u16,
    servers: Option<PrivateServers>,
    record: &Record,
    key: KeyNews,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    let mut children_end = signal(SignalKind::child())?;
    let wards = TaskTracker::new();
    for ward in wards_of(config, workers, record) {
        wards.spawn(ward.look_after(shutdown.clone()));
    }
    wards.close();
    let greeter = tokio::spawn(greet(record.api_url.clone(), config.clone(), servers.is_some(), key, shutdown.clone()));

    let mut servers = servers;
    let mut failed = None;
    while failed.is_none() && !wards.is_empty() {
        tokio::select! {
            () = wards.wait() => {}
            // Any child: also those of the private servers, which have no task that waits for them.
            _ = children_end.recv() => (servers, failed) = revive(servers, &shutdown).await,
        }
    }
    if failed.is_some() {
        shutdown.stop_within(GRACE);
        wards.wait().await;
    }
    greeter.abort();
    tokio::task::spawn_blocking(move || drop(servers)).await.context("stop the private servers")?;
    if let Some(err) = failed {
        return Err(err);
    }
    tracing::info!("stopped");
    Ok(())
}

/// Starts private servers again that ended without being asked to.
async fn revive(
    servers: Option<PrivateServers>,
    shutdown: &Shutdown,
) -> (Option<PrivateServers>, Option<anyhow::Error>) {
    let Some(mut servers) = servers else {
        return (None, None);
    };
    if shutdown.soft.is_cancelled() {
        return (Some(servers), None);
    }
    let revived = tokio::task::spawn_blocking(move || {
        let revived = servers.revive();
        (servers, revived)
    });
    match revived.await {
        Ok((servers, Ok(names))) => {
            for name in names {
                tracing::warn!("the private {name} had ended and runs again");
            }
            (Some(servers), None)
        }
        Ok((servers, Err(err))) => (Some(servers), Some(anyhow::Error::new(err).context("restart a private server"))),
        Err(err) => (None, Some(anyhow!(err).context("restart a private server"))),
    }
}

/// Starts what no URL replaces, and fills in the addresses.
async fn start_servers(config: &mut Config) -> anyhow::Result<Option<PrivateServers>> {
    let mut options = ServerOptions::new(&config.data_dir);
    options.postgres = config.database.url.is_none();
    options.redis = config.redis.url.is_none();
    if !options.postgres && !options.redis {
        return Ok(None);
    }
    let (postgres, redis) = (options.postgres, options.redis);
    let servers = tokio::task::spawn_blocking(move || PrivateServers::start(&options))
        .await
        .context("start the private servers")??;
    if postgres {
        config.database.url = Some(servers.database_url());
    }
    if redis {
        config.redis.url = Some(servers.redis_url());
    }
    Ok(Some(servers))
}

fn addresses(config: &Config) -> anyhow::Result<(String, String)> {
    match (&config.database.url, &config.redis.url) {
        (Some(database), Some(redis)) => Ok((database.clone(), redis.clone())),
        _ => bail!("there is no Postgres or no Redis"),
    }
}

/// One ward for each process.
fn wards_of(config: &Config, workers: u16, record: &Record) -> Vec<Ward> {
    // The long names: they win over whatever else is in the environment.
    let environment = vec![
        ("LONGSHORE_DATABASE_URL".to_owned(), record.database_url.clone()),
        ("LONGSHORE_REDIS_URL".to_owned(), record.redis_url.clone()),
        ("LONGSHORE_API_BIND".to_owned(), config.api.bind.clone()),
        ("LONGSHORE_OUTBOUND_ALLOW".to_owned(), config.outbound.allow.join(",")),
    ];
    let ward = |name: &str, place: u16| {
        let mut environment = environment.clone();
        environment.extend(metrics_bind(config, place).map(|bind| ("LONGSHORE_METRICS_BIND".to_owned(), bind)));
        Ward { name: name.to_owned(), arguments: vec![name.to_owned()], environment }
    };
    let mut wards = vec![ward("api", 0), ward("scheduler", 1)];
    // The addresses in what webhooks say: nobody asks for those, so no request tells where clients reach the API.
    let public_url = config.api.public_url.clone().unwrap_or_else(|| record.api_url.clone());
    wards[1].environment.push(("LONGSHORE_API_PUBLIC_URL".to_owned(), public_url));
    for number in 1..=workers {
        let mut ward = ward("worker", number.saturating_add(1));
        if workers > 1 {
            ward.name = format!("worker {number}");
            ward.arguments.extend(["--name".to_owned(), format!("{}-{number}", config.worker.name())]);
        }
        wards.push(ward);
    }
    wards
}

/// Where a process listens for Prometheus: on the port that was asked for, or as many behind it as processes are before this one. Port 0
/// is a free one for each.
fn metrics_bind(config: &Config, place: u16) -> Option<String> {
    let bind = config.metrics.bind.as_deref()?;
    let moved = bind.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
    // What is no address is said by whoever listens.
    Some(
        moved
            .filter(|(_, port)| *port > 0)
            .map_or_else(|| bind.to_owned(), |(host, port)| format!("{host}:{}", port.saturating_add(place))),
    )
}

/// Says hello when the system can be used.
async fn greet(url: String, config: Config, private: bool, key: KeyNews, shutdown: Shutdown) {
    let Ok(client) = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build() else {
        return;
    };
    let ready = format!("{url}/api/v1/ready");
    let began = Instant::now();
    let mut warned = false;
    while !client.get(&ready).send().await.is_ok_and(|answer| answer.status().is_success()) {
        if began.elapsed() > READY_LIMIT && !warned {
            tracing::warn!(url = ready, "not ready yet; the lines above may say why");
            warned = true;
        }
        tokio::time::sleep(Duration::from_millis(if warned { 1000 } else { 50 })).await;
    }
    if shutdown.soft.is_cancelled() {
        return;
    }
    let banner = banner(&url, &config, private, &key, std::io::stdout().is_terminal());
    // Nobody may be reading.
    let _ = std::io::stdout().lock().write_all(banner.as_bytes());
}

fn banner(url: &str, config: &Config, private: bool, key: &KeyNews, colours: bool) -> String {
    let (bold, plain) = if colours { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
    let servers = if private { " (with a private Postgres or Redis)" } else { "" };
    let data = config.data_dir.display();
    let file = config.api_key_file();
    let (header, key) = match key {
        KeyNews::NotAsked => (String::new(), "nobody is asked for one (--no-auth)".to_owned()),
        KeyNews::First(minted) => {
            let kept = format!("shown this once, kept in {} for `longshore` on this machine", file.display());
            (bearer(&file), format!("{}\n           {kept}", minted.text))
        }
        KeyNews::Known if file.exists() => {
            (bearer(&file), format!("in {}; another: longshore keys create", file.display()))
        }
        KeyNews::Known => (
            " -H \"authorization: Bearer $LONGSHORE_API_KEY\" \\\n          ".to_owned(),
            "one that you have; without any: longshore keys create NAME --all --direct".to_owned(),
        ),
    };
    format!(
        "\n  {bold}Longshore is up: {url}{plain}\n\n  \
         Try it   curl -sS {url}/api/v1/tasks{header} -H 'content-type: application/json' \\\n           \
         -d '{{\"kind\":\"echo\",\"input\":{{\"text\":\"hello\",\"sleep_ms\":2000}}}}'\n  \
         API      {url}/api/v1/docs\n  \
         Key      {key}\n  \
         Data     {data}{servers}\n  \
         Stop     Ctrl-C, or kill -TERM {pid}\n\n",
        pid = std::process::id(),
    )
}

/// The header of an example that takes the key out of its file.
fn bearer(file: &std::path::Path) -> String {
    format!(" -H \"authorization: Bearer $(cat {})\" \\\n          ", file.display())
}

/// The address to listen on, checked to be free, with a port of its own where 0 was asked for.
fn free_address(bind: &str) -> anyhow::Result<SocketAddr> {
    let address = bind
        .to_socket_addrs()
        .with_context(|| format!("LONGSHORE_API_BIND: `{bind}` is not HOST:PORT"))?
        .next()
        .with_context(|| format!("LONGSHORE_API_BIND: `{bind}` has no address"))?;
    let listener = TcpListener::bind(address).with_context(|| {
        format!(
            "cannot listen on {address}; choose another address with --bind, or any free port with --bind 127.0.0.1:0"
        )
    })?;
    Ok(listener.local_addr()?)
}

/// The address as a client on this machine uses it.
fn seen_from_here(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        ip if !ip.is_unspecified() => {}
        IpAddr::V4(_) => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(_) => address.set_ip(Ipv6Addr::LOCALHOST.into()),
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_0_becomes_a_free_port_and_a_taken_port_is_said_to_be_taken() {
        let address = free_address("127.0.0.1:0").expect("a free port");
        assert_ne!(address.port(), 0);

        let _taken = TcpListener::bind(address).expect("still free");
        let refused = free_address(&address.to_string()).expect_err("taken");
        assert!(format!("{refused:#}").contains(&address.to_string()), "{refused:#}");
        assert!(free_address("nowhere").is_err());
    }

    #[test]
    fn clients_are_shown_an_address_that_they_can_reach() {
        let seen = |text: &str| seen_from_here(text.parse().expect("an address")).to_string();
        assert_eq!(seen("0.0.0.0:80"), "127.0.0.1:80");
        assert_eq!(seen("[::]:80"), "[::1]:80");
        assert_eq!(seen("10.0.0.7:80"), "10.0.0.7:80");
    }

    #[test]
    fn each_worker_has_a_name_of_its_own_when_there_are_several() {
        let mut config = Config::default();
        config.worker.name = Some("quay".into());
        let text = String::new;
        let record = Record { pid: 1, database_url: text(), redis_url: text(), api_url: text() };

        let commands: Vec<String> =
            wards_of(&config, 2, &record).into_iter().map(|ward| ward.arguments.join(" ")).collect();

        assert_eq!(commands, ["api", "scheduler", "worker --name quay-1", "worker --name quay-2"]);
    }
}

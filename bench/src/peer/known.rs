//! The peers, and how each is set up: the programs are in `bench/peers`.

/// What there is to know about a peer.
#[derive(Debug)]
pub(crate) struct Peer {
    /// Its name in figures, and that of its folder.
    pub(super) name: &'static str,
    /// The program of its API and its arguments, if it has one. What stands in braces is filled in.
    pub(super) api: Option<&'static str>,
    /// Its worker.
    pub(super) worker: &'static str,
    /// What puts a backlog in place, if there is no API.
    pub(super) fill: &'static str,
    /// How many tasks wait that nobody has taken.
    pub(super) waiting: Count,
    /// How far it is.
    pub(super) done: Done,
    /// A backlog that it runs off in some seconds.
    pub(super) drain: u64,
}

/// A number that one of its servers knows.
#[derive(Debug)]
pub(super) enum Count {
    /// The answer to a command, in a numbered database of Redis.
    Redis(u8, &'static [&'static str]),
    /// The answer to a statement.
    Sql(&'static str),
}

/// How far a peer is.
#[derive(Debug)]
pub(super) enum Done {
    /// So many tasks are recorded as done.
    Recorded(Count),
    /// So many are not done yet.
    Left(Count),
}

/// The Node.js that is pinned for all peers.
pub(super) const NODE: &str = "{node}";

pub(crate) const CELERY: Peer = Peer {
    name: "celery",
    api: Some(
        "venv/bin/python -m uvicorn api:app --host 127.0.0.1 --port {port} --workers {cores} \
         --loop uvloop --http httptools --no-access-log --log-level warning",
    ),
    worker: "venv/bin/python -m celery -A tasks worker --pool prefork --concurrency {cores} \
             --loglevel WARNING --without-gossip --without-mingle --without-heartbeat",
    fill: "",
    waiting: Count::Redis(1, &["LLEN", "celery"]),
    done: Done::Recorded(Count::Redis(2, &["DBSIZE"])),
    drain: 10_000,
};

pub(crate) const BULLMQ: Peer = Peer {
    name: "bullmq",
    api: Some("{node} api.js"),
    worker: "{node} worker.js",
    fill: "",
    waiting: Count::Redis(3, &["LLEN", "bull:bench:wait"]),
    done: Done::Recorded(Count::Redis(3, &["ZCARD", "bull:bench:completed"])),
    drain: 40_000,
};

pub(crate) const GRAPHILE_WORKER: Peer = Peer {
    name: "graphile-worker",
    api: None,
    worker: "{node} worker.js",
    fill: "{node} fill.js {count}",
    waiting: Count::Sql("SELECT count(*) FROM graphile_worker._private_jobs"),
    done: Done::Left(Count::Sql("SELECT count(*) FROM graphile_worker._private_jobs")),
    drain: 40_000,
};

pub(crate) const PG_BOSS: Peer = Peer {
    name: "pg-boss",
    api: None,
    worker: "{node} worker.js",
    fill: "{node} fill.js {count}",
    waiting: Count::Sql("SELECT count(*) FROM pgboss.job WHERE state = 'created' AND name = 'bench'"),
    done: Done::Left(Count::Sql(
        "SELECT count(*) FROM pgboss.job WHERE state IN ('created', 'retry', 'active') AND name = 'bench'",
    )),
    drain: 40_000,
};

//! The rules of the workspace: who may know whom.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Each of our packages, with what it depends on when it is built for use. What only its tests need is its own affair.
type Graph = BTreeMap<String, BTreeSet<String>>;

fn graph() -> Graph {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let metadata = MetadataCommand::new().manifest_path(manifest).no_deps().exec().expect("cargo metadata");
    let package = |package: cargo_metadata::Package| {
        let used = package.dependencies.into_iter().filter(|dependency| dependency.kind != DependencyKind::Development);
        (package.name.to_string(), used.map(|dependency| dependency.name).collect())
    };
    metadata.packages.into_iter().map(package).collect()
}

fn ours<'a>(graph: &'a Graph, name: &str) -> BTreeSet<&'a str> {
    graph[name].iter().map(String::as_str).filter(|used| graph.contains_key(*used)).collect()
}

/// Everything of ours that is linked into a package.
fn linked<'a>(graph: &'a Graph, name: &str) -> BTreeSet<&'a str> {
    let mut all = ours(graph, name);
    loop {
        let more: BTreeSet<&str> = all.iter().flat_map(|used| ours(graph, used)).collect();
        if more.is_subset(&all) {
            return all;
        }
        all.extend(more);
    }
}

fn users<'a>(graph: &'a Graph, name: &str) -> Vec<&'a str> {
    // The harness and the benchmark look at both servers from outside.
    let is_outside = |package: &str| ["e2e", "bench"].contains(&package);
    let users = graph.iter().filter(|(package, used)| used.contains(name) && !is_outside(package));
    users.map(|(package, _)| package.as_str()).collect()
}

#[test]
fn what_is_pure_knows_nobody_and_does_no_io() {
    let graph = graph();
    for pure in ["jobs-core", "jobs-prices", "jobs-schedules"] {
        assert_eq!(ours(&graph, pure), BTreeSet::new());
        for io in ["tokio", "sqlx", "redis", "reqwest", "axum", "object_store", "rustix"] {
            assert!(!graph[pure].contains(io), "{pure} uses {io}");
        }
    }
}

#[test]
fn kinds_store_queue_artifacts_and_engines_do_not_know_each_other() {
    let graph = graph();
    for package in [
        "jobs-inference",
        "jobs-kinds",
        "jobs-outbound",
        "jobs-prices",
        "jobs-schedules",
        "jobs-queue",
        "jobs-artifacts",
        "engine-media",
    ] {
        let mut used = ours(&graph, package);
        // Reading prices is as pure as the core: the API checks with it what kinds run by it.
        if package == "jobs-kinds" {
            used.remove("jobs-prices");
        }
        assert!(used.is_subset(&BTreeSet::from(["jobs-core", "jobs-metrics"])), "{package} uses {used:?}");
    }
    // What is asked of models is checked by those who take tasks, too, and they link no engine for it.
    assert_eq!(ours(&graph, "engine-infer"), BTreeSet::from(["jobs-core", "jobs-inference"]));
    // What becomes of a fire is law, too, and decided under the lock of a row.
    let used = ours(&graph, "jobs-store");
    assert!(used.is_subset(&BTreeSet::from(["jobs-core", "jobs-metrics", "jobs-schedules"])), "{used:?}");
    assert_eq!(ours(&graph, "jobs-metrics"), BTreeSet::new());
    assert!(
        ours(&graph, "jobs-runtime").is_subset(&BTreeSet::from(["jobs-core"])),
        "{:?}",
        ours(&graph, "jobs-runtime")
    );
}

#[test]
fn nobody_depends_on_what_stands_above() {
    let graph = graph();
    // From the bottom: what a package uses of ours stands on an earlier floor.
    let floors: [&[&str]; 7] = [
        &["jobs-core", "jobs-metrics", "jobs-prices", "jobs-schedules"],
        &[
            "jobs-artifacts",
            "jobs-inference",
            "jobs-kinds",
            "jobs-outbound",
            "jobs-queue",
            "jobs-runtime",
            "jobs-store",
            "engine-media",
        ],
        &["jobs-view", "engine-infer"],
        &["jobs-webhooks"],
        &["api", "scheduler", "worker"],
        &["longshore"],
        &["bench", "e2e"],
    ];
    let floor = |name: &str| {
        let found = floors.iter().position(|floor| floor.contains(&name));
        found.unwrap_or_else(|| panic!("{name} stands on no floor: add it here"))
    };
    for package in graph.keys() {
        for used in ours(&graph, package) {
            assert!(floor(used) < floor(package), "{package} uses {used}");
        }
    }
    // The harness and the benchmark know the programs as everybody does: from outside.
    for outside in ["bench", "e2e"] {
        let used = ours(&graph, outside);
        assert!(used.iter().all(|used| floor(used) < 2), "{outside} uses {used:?}");
    }
}

#[test]
fn each_server_and_each_engine_has_one_crate_that_names_it() {
    let graph = graph();
    assert_eq!(users(&graph, "sqlx"), ["jobs-store"]);
    assert_eq!(users(&graph, "redis"), ["jobs-queue"]);
    assert_eq!(users(&graph, "ffmpeg-next"), ["engine-media"]);
    assert_eq!(users(&graph, "tokenizers"), ["engine-infer"]);
    assert_eq!(users(&graph, "object_store"), ["jobs-artifacts"]);
    assert_eq!(users(&graph, "axum"), ["api"]);
    // What goes out to foreign addresses is checked in one place.
    assert_eq!(users(&graph, "hickory-resolver"), ["jobs-outbound"]);
}

#[test]
fn no_server_links_an_engine() {
    let graph = graph();
    for package in ["longshore", "api", "scheduler", "worker"] {
        for engine in ["engine-infer", "engine-media"] {
            assert!(!linked(&graph, package).contains(engine), "{package} links {engine}");
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_program_that_serves_loads_no_engine() {
    let ldd = std::process::Command::new("ldd").arg(e2e::longshore()).output().expect("ldd");
    let libraries = String::from_utf8_lossy(&ldd.stdout);
    assert!(ldd.status.success() && libraries.contains("libc"), "{libraries}");
    for engine in ["libav", "libsw"] {
        assert!(!libraries.contains(engine), "{libraries}");
    }
}

//! The scripts that Redis runs, each with what all of them share in front.

use std::sync::LazyLock;

use redis::Script;

macro_rules! script {
    ($header:literal, $file:literal) => {
        LazyLock::new(|| Script::new(concat!($header, "\n", include_str!("lua/queue.lua"), include_str!($file))))
    };
}

/// Puts tasks in their groups.
pub(crate) static PUSH: LazyLock<Script> = script!("#!lua", "lua/push.lua");
// A Redis whose memory is used up takes nothing new. What makes room goes on.
/// Takes tasks in fair order.
pub(crate) static CLAIM: LazyLock<Script> = script!("#!lua flags=allow-oom", "lua/claim.lua");
/// Tasks are not held any more.
pub(crate) static FORGET: LazyLock<Script> = script!("#!lua flags=allow-oom", "lua/forget.lua");
/// A task is not ready any more.
pub(crate) static WITHDRAW: LazyLock<Script> = script!("#!lua flags=allow-oom", "lua/withdraw.lua");
/// Tasks are held.
pub(crate) static HOLD: LazyLock<Script> = script!("#!lua flags=allow-oom", "lua/hold.lua");
/// Finds tasks that have no entry.
pub(crate) static MISSING: LazyLock<Script> = script!("#!lua flags=allow-oom", "lua/missing.lua");
/// Finds entries that are held for long.
pub(crate) static STALE: LazyLock<Script> = script!("#!lua flags=allow-oom", "lua/stale.lua");
/// Lets groups that wait try again.
pub(crate) static SETTLE: LazyLock<Script> = script!("#!lua flags=allow-oom", "lua/settle.lua");
/// What the index says of tasks.
pub(crate) static PLACES: LazyLock<Script> = script!("#!lua flags=allow-oom", "lua/places.lua");
/// Counts what a queue holds.
pub(crate) static RECOUNT: LazyLock<Script> = script!("#!lua flags=allow-oom", "lua/recount.lua");
/// Says where a task stands.
pub(crate) static EXPLAIN: LazyLock<Script> = script!("#!lua flags=no-writes", "lua/explain.lua");

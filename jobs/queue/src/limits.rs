//! The settings of queues and groups, as Redis knows them, and how much waits and runs under them.

use std::collections::BTreeMap;

use jobs_core::{GroupKey, GroupSettings, QueueSettings};

use crate::{Queue, QueueError, queue::BATCH, script};

/// How much a queue holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Depth {
    /// So many tasks are ready.
    pub ready: u64,
    /// So many are taken by workers.
    pub held: u64,
    /// So many groups take turns now.
    pub groups: u64,
    /// So many groups have something ready that their limits keep back.
    pub groups_waiting: u64,
}

impl Queue {
    /// Replaces the settings of a queue, with those of all groups that have their own. Groups that waited for a limit look
    /// again whether they have to.
    ///
    /// # Errors
    /// When Redis is not available.
    pub async fn configure(
        &self,
        queue: &str,
        settings: &QueueSettings,
        groups: &BTreeMap<GroupKey, GroupSettings>,
    ) -> Result<(), QueueError> {
        let key = format!("{}:limits", self.base(queue));
        let mut pipe = redis::pipe();
        pipe.atomic().cmd("DEL").arg(&key).ignore();
        if *settings != QueueSettings::default() || !groups.is_empty() {
            pipe.cmd("HSET").arg(&key).arg("queue").arg(json(settings)).ignore();
        }
        if !settings.group_defaults.is_empty() {
            pipe.cmd("HSET").arg(&key).arg("groups").arg(json(&settings.group_defaults)).ignore();
        }
        for (group, own) in groups {
            let effective = own.over(&settings.group_defaults);
            pipe.cmd("HSET").arg(&key).arg(format!("group:{group}")).arg(json(&effective)).ignore();
        }
        let () = pipe.query_async(&mut self.connection()).await?;
        loop {
            let mut settle = self.script(&script::SETTLE, queue);
            let settled: u64 = settle.arg(BATCH).invoke_async(&mut self.connection()).await?;
            if settled == 0 {
                return Ok(());
            }
        }
    }

    /// How much a queue holds.
    ///
    /// # Errors
    /// When Redis is not available.
    pub async fn depth(&self, queue: &str) -> Result<Depth, QueueError> {
        let base = self.base(queue);
        let mut pipe = redis::pipe();
        pipe.cmd("GET").arg(format!("{base}:depth"));
        for (command, key) in [("ZCARD", "held"), ("ZCARD", "ring"), ("SCARD", "parked"), ("ZCARD", "later")] {
            pipe.cmd(command).arg(format!("{base}:{key}"));
        }
        let (ready, held, groups, parked, later): (Option<u64>, u64, u64, u64, u64) =
            pipe.query_async(&mut self.connection()).await?;
        Ok(Depth { ready: ready.unwrap_or_default(), held, groups, groups_waiting: parked + later })
    }

    /// How many tasks of each of `groups` of a queue are ready, and how many are taken, in their order.
    ///
    /// # Errors
    /// When Redis is not available.
    pub async fn group_depths(&self, queue: &str, groups: &[&GroupKey]) -> Result<Vec<(u64, u64)>, QueueError> {
        let base = self.base(queue);
        let mut depths = Vec::with_capacity(groups.len());
        for batch in groups.chunks(BATCH) {
            let mut pipe = redis::pipe();
            for group in batch {
                pipe.cmd("ZCARD").arg(format!("{base}:ready:{group}"));
            }
            let ready: Vec<u64> = pipe.query_async(&mut self.connection()).await?;
            let names: Vec<&str> = batch.iter().map(|group| group.as_str()).collect();
            let running: Vec<Option<u64>> = redis::cmd("HMGET")
                .arg(format!("{base}:running"))
                .arg(names)
                .query_async(&mut self.connection())
                .await?;
            depths.extend(ready.into_iter().zip(running.into_iter().map(Option::unwrap_or_default)));
        }
        Ok(depths)
    }
}

/// Settings are plain data: they can always be written.
fn json(settings: &impl serde::Serialize) -> String {
    serde_json::to_string(settings).unwrap_or_default()
}

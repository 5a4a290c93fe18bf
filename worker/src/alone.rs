//! A process that runs one task and nothing else, because the task lost its workers again and again.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jobs_core::{Event, LogLevel, TaskId, WorkerId};
use jobs_runtime::{Config, Shutdown};
use jobs_store::{
    StoreError,
    transition::{Claim, Finish},
};
use tracing::{error, info, warn};

use crate::{
    control::{self, Control, Registration, STOPPING},
    courier::Errand,
    life::{Life, is_passing},
    limits::Limits,
    recorder::End,
    source::Claimed,
};

/// Runs `task` under `life`, the only one that this process has, and returns when it has ended, or is not for this process to run.
/// A soft stop lets it finish, a hard one gives it back.
///
/// # Errors
/// When the configuration is not complete or a part of it cannot be used. Outages of Postgres or Redis are waited for.
pub async fn run_alone(config: Config, task: TaskId, life: WorkerId, shutdown: Shutdown) -> anyhow::Result<()> {
    // The whole process is the attempt's.
    Limits::of(&config.worker).bind_this_process();
    let registration = Registration { name: config.worker.name(), queues: BTreeMap::new(), only: Some(life) };
    let control = Control::start(&config, jobs_kinds::registry(), control::engines(&config), registration)?;
    if let Some((claimed, queue)) = claim(&control, task, &shutdown).await {
        run(&control, claimed, queue, &shutdown).await;
    }
    control.stop().await;
    info!(task.id = %task, "stopped");
    Ok(())
}

/// Claims the task, however long Postgres takes to answer; gives it with its queue.
async fn claim(control: &Control, task: TaskId, shutdown: &Shutdown) -> Option<(Claimed, Arc<str>)> {
    let mut lives = control.lives.clone();
    let life = tokio::select! {
        life = lives.wait_for(Option::is_some) => life.ok().and_then(|life| life.clone())?,
        () = shutdown.soft.cancelled() => return None,
    };
    let mut wait = Duration::from_millis(50);
    let mut told = false;
    loop {
        match try_claim(control, &life, task).await {
            Ok(claimed) => return claimed,
            Err(error) if is_passing(&error) => {
                if !std::mem::replace(&mut told, true) {
                    warn!(error = &error as &dyn std::error::Error, task.id = %task, "a claim waits for Postgres");
                }
            }
            Err(error) => {
                error!(error = &error as &dyn std::error::Error, task.id = %task, "a claim failed");
                return None;
            }
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = life.over.cancelled() => return None,
            () = shutdown.hard.cancelled() => return None,
        }
        wait = (wait * 2).min(Duration::from_secs(1));
    }
}

/// Claims the task if it is still there for one that runs alone.
async fn try_claim(
    control: &Control,
    life: &Arc<Life>,
    task: TaskId,
) -> Result<Option<(Claimed, Arc<str>)>, StoreError> {
    let (queue, group): (Arc<str>, _) = match control.store.find(task).await {
        Ok(task) => (task.queue.as_str().into(), task.group_key()),
        Err(StoreError::NotFound(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let Some(claim) = control.store.claim_suspect(life.id, task).await? else {
        // Ours after all if the answer to an earlier claim was lost. It is given back without blame, and comes again.
        let held = control.store.held(life.id).await?;
        for (task, epoch) in held {
            let finish = Finish { task, epoch, event: Event::Release, output: None, error: None, wait: Duration::ZERO };
            let end = End { worker: life.id, queue: queue.clone(), group: group.clone(), finish, counted: None };
            // The recorder outlives everything here.
            let _ = control.recorder.send(end).await;
        }
        return Ok(None);
    };
    let cancel = control.held.add(claim.task, claim.epoch);
    control.courier.send(Errand::Announce(vec![task]));
    Ok(Some((Claimed { life: life.clone(), claim, cancel }, queue)))
}

/// Runs the attempt to its end.
async fn run(control: &Control, claimed: Claimed, queue: Arc<str>, shutdown: &Shutdown) {
    let Claim { task, epoch, lost, .. } = claimed.claim;
    let speaker = (claimed.life.id, task, epoch);
    let line = format!("runs alone in a process of its own: its worker was lost {lost} times");
    control.reporter.log(speaker, LogLevel::Warn, line);
    // Now: the attempt may leave no time for it.
    control.reporter.flush(speaker, &claimed.life.over).await;
    let attempts = control.attempts.clone();
    let mut running = tokio::spawn(async move { attempts.run(claimed, queue).await });
    tokio::select! {
        ended = &mut running => {
            if let Err(error) = ended {
                error!(error = &error as &dyn std::error::Error, task.id = %task, "the attempt was not brought to its end");
            }
            return;
        }
        () = shutdown.hard.cancelled() => control.release.cancel(),
    }
    if tokio::time::timeout(STOPPING, running).await.is_err() {
        warn!(task.id = %task, "the attempt does not stop; its lease ends with this process");
    }
}

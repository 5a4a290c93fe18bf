//! Other systems, at their documented best settings: see `bench/peers`.

mod known;
mod rival;
mod tally;

use anyhow::ensure;

use crate::{
    figure::Figure,
    load::Shape,
    scenario::{drain, drain_of, idle_pickup, reads, submits, throughput},
    stage::Stage,
    subject::Subject as _,
};

use known::Peer;
pub(crate) use known::{BULLMQ, CELERY, GRAPHILE_WORKER, PG_BOSS};
use rival::Rival;

/// Everything that is measured of a peer with an HTTP API. Each part begins with empty servers.
pub(crate) async fn over_http(stage: &Stage, peer: &'static Peer) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for shape in [Shape::SINGLE, Shape::BATCH] {
        let mut rival = Rival::start(stage, peer).await?;
        let (figure, accepted) = submits(&mut rival, &stage.options, shape).await?;
        let waiting = rival.waiting().await?;
        ensure!(waiting == accepted, "accepted {accepted} tasks, and {waiting} wait");
        figures.push(figure);
        rival.stop().await?;
    }
    let mut rival = Rival::start(stage, peer).await?;
    let count = stage.options.size(peer.drain, peer.drain / 10);
    figures.extend(drain(&mut rival, count).await?);
    let (more, accepted) = throughput(&mut rival, &stage.options, count).await?;
    figures.extend(more);
    let (more, accepted) = idle_pickup(&mut rival, &stage.options, accepted).await?;
    figures.extend(more);
    let (figure, accepted) = reads(&mut rival, &stage.options, accepted).await?;
    figures.push(figure);
    rival.check(accepted).await?;
    rival.stop().await?;
    Ok(figures)
}

/// A backlog that a peer without an HTTP API runs off.
pub(crate) async fn drained(stage: &Stage, peer: &'static Peer) -> anyhow::Result<Vec<Figure>> {
    let count = stage.options.size(peer.drain, peer.drain / 10);
    let mut rival = Rival::start(stage, peer).await?;
    rival.fill(count).await?;
    let figures = drain_of(&mut rival, count).await?;
    rival.stop().await?;
    Ok(figures)
}

//! Submit and wait for the end in one request: the whole way there and back.

use std::time::Instant;

use hyper::{Method, StatusCode, header::HeaderValue};

use crate::{
    figure::Figure,
    load::Target,
    samples::Samples,
    stage::Stage,
    subject::Subject as _,
    system::{LONGSHORE, System},
};

pub(super) async fn run(stage: &Stage) -> anyhow::Result<Vec<Figure>> {
    let rounds = stage.options.size(500, 50);
    let warm = 20;
    let mut system = System::start_with_worker(stage).await?;
    let target = system.target();
    let mut connection = system.connect().await?;
    let mut times = Samples::default();
    for round in 0..warm + rounds {
        let mut request = connection.request(Method::POST, Target::SINGLE, target.task(round).into())?;
        request.headers_mut().insert("prefer", HeaderValue::from_static("wait=10"));
        let began = Instant::now();
        connection.send(request).await?.expect(StatusCode::OK)?;
        if round >= warm {
            times.add(began.elapsed());
        }
    }
    system.check(warm + rounds).await?;
    system.stop().await?;
    Ok(times.figures(LONGSHORE, "wait.p50", "wait.p99"))
}

//! dev
#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).init();
    let config = jobs_runtime::Config::load()?;
    let shutdown = jobs_runtime::Shutdown::on_signals(std::time::Duration::from_secs(15))?;
    api::serve(config, shutdown).await
}

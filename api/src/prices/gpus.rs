//! `GET /gpus`: the GPUs that are known, and the names that are not.

use axum::{Json, extract::State};
use jobs_prices::gpu;
use schemars::JsonSchema;
use serde::Serialize;

use super::quotes::decimal;
use crate::{app::Shared, caller::Caller, problem::Problem};

/// The GPUs that are known, and the names that are not.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct GpuList {
    /// The GPUs, the fastest first.
    data: Vec<GpuView>,
    /// Names in offers of the project that the table does not know: they are kept, and not compared.
    unknown: Vec<UnknownGpu>,
}

/// A GPU.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Gpu")]
struct GpuView {
    /// The name that offers are compared by.
    gpu: &'static str,
    /// Who makes it.
    vendor: &'static str,
    /// Its generation.
    architecture: &'static str,
    /// How it is mounted.
    form: &'static str,
    /// Its memory, in GB.
    vram_gb: String,
    /// How fast that is read, in GB a second.
    bandwidth_gb_s: String,
    /// Dense FP16 or BF16, in TFLOPS.
    tflops: String,
    /// What it may draw, in W.
    tdp_w: String,
    /// How much it does, next to an H100-SXM at 100.
    performance: Option<String>,
}

/// A name that the table does not know.
#[derive(Debug, Serialize, JsonSchema)]
struct UnknownGpu {
    /// The name.
    name: String,
    /// Who calls it so.
    provider: String,
    /// In how many offers.
    offers: i64,
}

/// List GPUs.
///
/// What is known of each, and which names of the project's offers are not: a table decides, and nothing is guessed.
#[utoipa::path(
    get,
    path = "/gpus",
    operation_id = "listGpus",
    tag = "prices",
    security(("key" = ["tasks:read"])),
    responses((status = 200, description = "The GPUs.", body = ref("#/components/schemas/GpuList"))),
    extensions(("x-problems" = json!(["not_acceptable"])))
)]
pub(crate) async fn list(State(app): State<Shared>, caller: Caller) -> Result<Json<GpuList>, Problem> {
    let unknown = app.store.unknown_gpus(caller.project).await?.into_iter();
    let unknown = unknown.map(|row| UnknownGpu { name: row.gpu_raw, provider: row.provider, offers: row.offers });
    let mut specs: Vec<_> = gpu::specs().iter().map(|spec| (spec.performance(), spec)).collect();
    specs.sort_by(|left, right| right.0.cmp(&left.0).then_with(|| left.1.gpu.cmp(right.1.gpu)));
    let data = specs.into_iter().map(|(performance, spec)| GpuView {
        gpu: spec.gpu,
        vendor: spec.vendor,
        architecture: spec.architecture,
        form: spec.form,
        vram_gb: decimal(spec.vram_gb),
        bandwidth_gb_s: decimal(spec.bandwidth_gb_s),
        tflops: decimal(spec.tflops),
        tdp_w: decimal(spec.tdp_w),
        performance: performance.map(|performance| decimal(performance.round_dp(1))),
    });
    Ok(Json(GpuList { data: data.collect(), unknown: unknown.collect() }))
}

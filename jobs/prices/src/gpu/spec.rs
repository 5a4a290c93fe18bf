//! What is known of each GPU.

use std::sync::LazyLock;

use rust_decimal::{Decimal, MathematicalOps};
use serde::Serialize;

/// A GPU, as its maker describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Spec {
    /// The name that offers are compared by.
    pub gpu: &'static str,
    /// Who makes it.
    pub vendor: &'static str,
    /// Its generation.
    pub architecture: &'static str,
    /// How it is mounted: `SXM`, `PCIe`, `OAM`, `superchip`.
    pub form: &'static str,
    /// Its memory, in GB.
    pub vram_gb: Decimal,
    /// How fast that is read, in GB a second.
    pub bandwidth_gb_s: Decimal,
    /// Dense FP16 or BF16 with FP32 accumulation, in TFLOPS.
    pub tflops: Decimal,
    /// What it may draw, in W.
    pub tdp_w: Decimal,
    /// Where the figures are from: see the head of the table.
    pub provenance: &'static str,
}

/// All that are known.
#[must_use]
pub fn specs() -> &'static [Spec] {
    &SPECS
}

/// The GPU of this name.
#[must_use]
pub fn spec(gpu: &str) -> Option<&'static Spec> {
    SPECS.iter().find(|spec| spec.gpu == gpu)
}

impl Spec {
    /// How much it does, next to an H100-SXM at 100: the geometric mean of speed, bandwidth and memory, by the weights
    /// 0.45, 0.35 and 0.20. `None` only where a figure is missing.
    #[must_use]
    pub fn performance(&self) -> Option<Decimal> {
        let share = |figure: Decimal, best: i64, weight: i64| {
            figure.checked_div(Decimal::from(best))?.checked_powd(Decimal::new(weight, 2))
        };
        let all = [share(self.tflops, 989, 45)?, share(self.bandwidth_gb_s, 3_350, 35)?, share(self.vram_gb, 80, 20)?];
        all.into_iter().try_fold(Decimal::ONE_HUNDRED, Decimal::checked_mul)
    }

    /// The G-Score: performance for each unit of the hourly price; with the reliability of the offer, where it is known.
    #[must_use]
    pub fn g_score(&self, per_gpu_hour: Decimal, reliability: Option<Decimal>) -> Option<Decimal> {
        let score = self.performance()?.checked_div(per_gpu_hour)?;
        reliability.map_or(Some(score), |reliability| score.checked_mul(reliability))
    }
}

static SPECS: LazyLock<Vec<Spec>> = LazyLock::new(|| {
    let rows = include_str!("../../data/gpus.tsv").lines().filter(|line| !line.starts_with('#'));
    let spec = |line: &'static str| {
        let columns: Vec<&str> = line.split('\t').collect();
        let &[gpu, vendor, architecture, form, vram, bandwidth, tflops, tdp, provenance] = columns.as_slice() else {
            return None;
        };
        Some(Spec {
            gpu,
            vendor,
            architecture,
            form,
            vram_gb: vram.parse().ok()?,
            bandwidth_gb_s: bandwidth.parse().ok()?,
            tflops: tflops.parse().ok()?,
            tdp_w: tdp.parse().ok()?,
            provenance,
        })
    };
    rows.filter_map(spec).collect()
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_read() {
        let rows = include_str!("../../data/gpus.tsv").lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(specs().len(), rows);
    }

    #[test]
    fn performance_is_relative_to_an_h100() {
        let performance = |gpu| spec(gpu).and_then(Spec::performance).unwrap().round_dp(1).to_string();
        assert_eq!(["H100-SXM", "B200", "A100-PCIe-80GB", "T4"].map(performance), ["100", "227.8", "49.1", "9.4"]);
    }

    #[test]
    fn the_score_falls_with_the_price() {
        let h100 = spec("H100-SXM").unwrap();
        assert_eq!(h100.g_score(Decimal::TWO, None), Some(Decimal::from(50)));
        assert_eq!(h100.g_score(Decimal::TWO, Some(Decimal::new(5, 1))), Some(Decimal::from(25)));
        assert_eq!(h100.g_score(Decimal::ZERO, None), None);
    }
}

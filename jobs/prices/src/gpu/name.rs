//! Which GPU a name means.

use std::sync::LazyLock;

use regex::Regex;
use rust_decimal::Decimal;
use serde::Serialize;

use super::{Spec, spec};

/// The GPU that a name means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Named {
    /// The name that offers are compared by; `None` where the name is not known, or has no class of its own.
    pub gpu: Option<&'static str>,
    /// The name leaves the variant open, and this is the one that is sold most.
    pub assumed: bool,
    /// How the memory of the offer fits to the GPU.
    pub fit: Fit,
}

/// How the memory of an offer fits to the GPU that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// The offer does not say how much there is.
    Unknown,
    /// Within a quarter of what the GPU has.
    Whole,
    /// Less than three quarters: a part of a GPU, which is never compared with whole ones.
    Slice,
    /// More than five quarters: not this GPU, or the memory of several.
    TooMuch,
}

/// Says which GPU a provider means by a name, and whether an offer with so much memory is a whole one.
#[must_use]
pub fn name(raw: &str, vram_gb: Option<Decimal>) -> Named {
    let plain = plain(raw);
    let said = vram_gb.or_else(|| memory_in(&plain));
    let Some(row) = ROWS.iter().find(|row| row.pattern.is_match(&plain) && row.fits(said)) else {
        return Named { gpu: None, assumed: false, fit: Fit::Unknown };
    };
    let fit = row.gpu.and_then(spec).map_or(Fit::Unknown, |spec| fit(spec, vram_gb));
    Named { gpu: row.gpu, assumed: row.assumed, fit }
}

fn fit(spec: &Spec, vram_gb: Option<Decimal>) -> Fit {
    let Some(vram) = vram_gb.filter(|vram| *vram > Decimal::ZERO) else { return Fit::Unknown };
    match vram / spec.vram_gb {
        share if share < Decimal::new(75, 2) => Fit::Slice,
        share if share > Decimal::new(125, 2) => Fit::TooMuch,
        _ => Fit::Whole,
    }
}

/// A row of the table.
struct Row {
    pattern: Regex,
    gpu: Option<&'static str>,
    from: Option<Decimal>,
    to: Option<Decimal>,
    /// It also matches where nothing is said of the memory.
    silent: bool,
    assumed: bool,
}

impl Row {
    fn fits(&self, said: Option<Decimal>) -> bool {
        if self.silent || self.from.is_none() && self.to.is_none() {
            return said.is_none_or(|said| self.to.is_none_or(|to| said <= to));
        }
        said.is_some_and(|said| self.from.is_none_or(|from| said >= from) && self.to.is_none_or(|to| said <= to))
    }
}

/// The name in capitals, its separators as single spaces, without what says nothing.
fn plain(raw: &str) -> String {
    let spaced: String = raw.to_uppercase().chars().map(|c| if c.is_alphanumeric() { c } else { ' ' }).collect();
    let idle = ["NVIDIA", "AMD", "INTEL", "GEFORCE", "TESLA", "GRAPHICS", "INSTINCT", "GPU"];
    let words = spaced.split_whitespace().filter(|word| !idle.contains(word));
    // "RTX4090" is "RTX 4090".
    let parts = words.flat_map(|word| match word.strip_prefix("RTX") {
        Some(model) => ["RTX", model],
        None => [word, ""],
    });
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The memory that a name says: the "80" of "A100 80GB".
fn memory_in(plain: &str) -> Option<Decimal> {
    MEMORY.captures(plain)?.get(1)?.as_str().parse().ok()
}

static MEMORY: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b(\d{1,3}) ?GI?B?\b"));

static ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let rows = include_str!("../../data/gpu-names.tsv").lines().filter(|line| !line.starts_with('#'));
    let row = |line: &'static str| {
        let mut columns = line.split('\t');
        let mut next = || columns.next().unwrap_or_default();
        let (text, gpu, from, to, assumed) = (next(), next(), next(), next(), next());
        let gpu = (gpu != "-").then_some(gpu);
        Row {
            pattern: pattern(text),
            gpu,
            from: from.parse().ok(),
            to: to.parse().ok(),
            silent: from == "?",
            assumed: assumed == "assumed",
        }
    };
    rows.map(row).collect()
});

/// A pattern of the table; one that does not compile matches nothing, and a test says so.
fn pattern(text: &str) -> Regex {
    Regex::new(text).or_else(|_| Regex::new(r"[^\s\S]")).unwrap_or_else(|_| unreachable!("an empty class compiles"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gpu(raw: &str) -> Option<&'static str> {
        name(raw, None).gpu
    }

    #[test]
    fn every_row_compiles_and_names_a_gpu_that_is_known() {
        let rows = include_str!("../../data/gpu-names.tsv").lines().filter(|line| !line.starts_with('#'));
        for (line, row) in rows.zip(ROWS.iter()) {
            let text = line.split('\t').next().unwrap();
            assert!(Regex::new(text).is_ok(), "{text}");
            assert!(row.gpu.is_none_or(|gpu| spec(gpu).is_some()), "{line}");
        }
    }

    #[test]
    fn names_that_look_alike_are_kept_apart() {
        let pairs = [
            ("NVIDIA RTX 6000 Ada Generation", Some("RTX-6000-Ada")),
            ("RTX A6000", Some("RTX-A6000")),
            ("A6000", Some("RTX-A6000")),
            ("RTX PRO 6000 Blackwell Server Edition", Some("RTX-PRO-6000")),
            ("Quadro RTX 5000", None),
            ("RTX A5000", Some("RTX-A5000")),
            ("RTX 5000 Ada", Some("RTX-5000-Ada")),
            ("L40S", Some("L40S")),
            ("GH200 480GB", Some("GH200-96GB")),
            ("NVIDIA A10-4Q", None),
            ("L40", Some("L40")),
            ("L4", Some("L4")),
            ("A10G", Some("A10G")),
            ("A10", Some("A10")),
            ("GeForce RTX 4070 Ti SUPER", None),
            ("GeForce RTX 4070 Ti", Some("RTX-4070-Ti")),
            ("RTX 3090 Ti", Some("RTX-3090-Ti")),
            ("rtx4090 PCIe", Some("RTX-4090")),
            ("RTXA6000", Some("RTX-A6000")),
            ("H100 NVL", Some("H100-NVL")),
            ("A100-SXM4-80GB MIG 1g.10gb", None),
            ("NVIDIA GeForce GTX 1070", None),
        ];
        for (raw, expected) in pairs {
            assert_eq!(gpu(raw), expected, "{raw}");
        }
    }

    #[test]
    fn memory_tells_variants_and_slices() {
        let of = |raw, vram: i64| name(raw, Some(Decimal::from(vram)));
        assert_eq!(of("A100", 40).gpu, Some("A100-40GB"));
        assert_eq!(of("A100 PCIe", 80), Named { gpu: Some("A100-PCIe-80GB"), assumed: false, fit: Fit::Whole });
        assert_eq!(of("H100", 94).gpu, Some("H100-NVL"));
        assert_eq!(of("A100", 4), Named { gpu: Some("A100-SXM-80GB"), assumed: true, fit: Fit::Slice });
        assert_eq!(of("RTX 4090", 48).fit, Fit::TooMuch);
        assert!(name("NVIDIA H100", None).assumed);
    }
}

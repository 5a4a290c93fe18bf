//! GPUs: what they are called, and what is known of them. Both are data: `data/gpu-names.tsv` and `data/gpus.tsv`.

mod name;
mod spec;

pub use self::{
    name::{Fit, Named, name},
    spec::{Spec, spec, specs},
};

//! The definitions that come with the program.

/// A definition with its recorded answer.
#[derive(Debug, Clone, Copy)]
pub struct Shipped {
    /// The provider's id, and the name of its files.
    pub id: &'static str,
    /// The definition, in TOML.
    pub definition: &'static str,
    /// An answer and what is read from it, in JSON: `response`, `offers`, `skipped`.
    pub sample: &'static str,
}

/// Lists files of the folder `providers`, so that the list cannot name one that is not there.
macro_rules! shipped {
    ($($id:literal),* $(,)?) => {
        &[$(Shipped {
            id: $id,
            definition: include_str!(concat!("../../providers/", $id, ".toml")),
            sample: include_str!(concat!("../../providers/", $id, ".json")),
        }),*]
    };
}

/// All of them, in the order of their ids.
#[must_use]
pub const fn shipped() -> &'static [Shipped] {
    shipped![
        "akash",
        "aws-spot",
        "azure",
        "cudo",
        "digitalocean",
        "gcp-gpu",
        "ionet",
        "jarvislabs",
        "lambda",
        "prime-intellect",
        "render",
        "runpod",
        "runpod-graphql",
        "salad",
        "scaleway",
        "seeweb",
        "shadeform",
        "vast",
        "verda",
        "vultr",
    ]
}

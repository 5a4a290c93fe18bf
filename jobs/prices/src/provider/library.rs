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

impl Shipped {
    /// The one of this name.
    #[must_use]
    pub fn named(id: &str) -> Option<&'static Self> {
        shipped().iter().find(|shipped| shipped.id == id)
    }

    /// The definition, read.
    ///
    /// # Errors
    /// Never for those of [`shipped`]: a test reads them all.
    pub fn read(&self) -> Result<super::Definition, toml::de::Error> {
        toml::from_str(self.definition)
    }
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

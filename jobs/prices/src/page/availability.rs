//! Whether a thing can be bought, by the names of schema.org.

const NAMES: [&str; 11] = [
    "InStock",
    "OutOfStock",
    "SoldOut",
    "PreOrder",
    "PreSale",
    "BackOrder",
    "LimitedAvailability",
    "InStoreOnly",
    "OnlineOnly",
    "Discontinued",
    "Reserved",
];

/// Other ways to say so, letters only.
const OTHERS: [(&str, &str); 12] = [
    ("available", "InStock"),
    ("availablefororder", "BackOrder"),
    ("instoreonly", "InStoreOnly"),
    ("oos", "OutOfStock"),
    ("unavailable", "OutOfStock"),
    ("outofstock", "OutOfStock"),
    ("notinstock", "OutOfStock"),
    ("pending", "PreOrder"),
    ("madetoorder", "BackOrder"),
    ("limited", "LimitedAvailability"),
    ("true", "InStock"),
    ("false", "OutOfStock"),
];

/// The local name that a text means: an address of schema.org, a name in any case, or words.
#[must_use]
pub fn availability(text: &str) -> Option<&'static str> {
    let local = text.trim().rsplit(['/', '#', ':']).next().unwrap_or_default();
    let letters: String = local.chars().filter(|c| c.is_alphabetic()).collect::<String>().to_lowercase();
    let known = NAMES.iter().copied().find(|name| name.eq_ignore_ascii_case(&letters));
    known.or_else(|| OTHERS.iter().find(|(other, _)| *other == letters).map(|(_, name)| *name))
}

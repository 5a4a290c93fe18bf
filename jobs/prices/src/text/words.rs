//! The words around an amount, in the languages that prices are written in.

use rust_decimal::Decimal;

use super::Kind;

const FROM: [&str; 43] = [
    "from",
    "alk.",
    "v.a.",
    "va.",
    "starting at",
    "starting from",
    "starts at",
    "as low as",
    "ab",
    "schon ab",
    "à partir de",
    "a partir de",
    "dès",
    "desde",
    "da",
    "a partire da",
    "vanaf",
    "fra",
    "från",
    "frå",
    "alkaen",
    "od",
    "от",
    "від",
    "de la",
    "începând de la",
    "από",
    "min.",
    "min",
    "ξεκινά από",
    "dari",
    "mulai",
    "mulai dari",
    "از",
    "من",
    "ابتداء من",
    "từ",
    "chỉ từ",
    "nuo",
    "no",
    "alates",
    "onwards from",
    "starting",
];
const FROM_AFTER: [&str; 10] = ["から", "より", "起", "부터", "से शुरू", "'den", "'dan", "den başlayan", "-tól", "and up"];
const UP_TO: [&str; 14] = [
    "up to", "bis zu", "bis", "jusqu'à", "hasta", "fino a", "até", "tot", "op til", "upp till", "do", "до", "max",
    "max.",
];
const RANGE: [&str; 23] = [
    "-", "–", "—", "−", "~", "〜", "～", "to", "bis", "à", "a", "al", "hasta", "až", "do", "до", "til", "till", "tot",
    "até", "...", "…", "至",
];
const INSTEAD: [&str; 14] = [
    "statt",
    "instead of",
    "was",
    "au lieu de",
    "en lugar de",
    "invece di",
    "i.p.v.",
    "zamiast",
    "вместо",
    "reg.",
    "uvp",
    "rrp",
    "list",
    "before",
];
/// What stands before a price that is not asked any more, or before what is taken off.
const ANOTHER_TIME: [&str; 52] = [
    "was",
    "statt",
    "instead of",
    "rrp",
    "uvp",
    "msrp",
    "srp",
    "reg.",
    "reg",
    "regular",
    "regular price",
    "list",
    "list price",
    "old price",
    "original price",
    "original",
    "originally",
    "before",
    "retail price",
    "au lieu de",
    "prix conseillé",
    "ancien prix",
    "en lugar de",
    "antes",
    "precio anterior",
    "invece di",
    "prima",
    "prezzo di listino",
    "i.p.v.",
    "adviesprijs",
    "van",
    "zamiast",
    "cena regularna",
    "вместо",
    "старая цена",
    "tidigare",
    "ordinarie pris",
    "ord. pris",
    "førpris",
    "før",
    "ennen",
    "eredeti ár",
    "původní cena",
    "de:",
    "原价",
    "定価",
    "通常価格",
    "정가",
    "save",
    "you save",
    "sie sparen",
    "économisez",
];
const MONTHS: [&str; 57] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
    "jan",
    "feb",
    "apr",
    "jun",
    "jul",
    "aug",
    "sep",
    "sept",
    "oct",
    "nov",
    "dec",
    "januar",
    "februar",
    "märz",
    "mai",
    "juni",
    "juli",
    "oktober",
    "dezember",
    "janvier",
    "février",
    "mars",
    "avril",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
    "enero",
    "febrero",
    "marzo",
    "abril",
    "mayo",
    "junio",
    "julio",
    "agosto",
    "septiembre",
    "octubre",
    "noviembre",
    "diciembre",
    "gennaio",
    "luglio",
    "dicembre",
];
const FREE: [&str; 26] = [
    "free",
    "for free",
    "free of charge",
    "gratis",
    "kostenlos",
    "gratuit",
    "gratuite",
    "gratuito",
    "grátis",
    "gratuita",
    "ingyenes",
    "ilmainen",
    "zdarma",
    "zadarmo",
    "za darmo",
    "darmowe",
    "бесплатно",
    "безкоштовно",
    "безплатно",
    "δωρεάν",
    "ücretsiz",
    "무료",
    "無料",
    "免费",
    "免費",
    "مجاني",
];
const PER: [&str; 8] = ["per", "pro", "par", "por", "each", "je", "za", "a"];

/// What the words right before an amount say.
pub(super) fn before(chars: &[char]) -> Option<Kind> {
    let text = tail(chars);
    let ends = |words: &[&str]| words.iter().any(|word| ends_with_word(&text, word));
    if ends(&UP_TO) {
        return Some(Kind::UpTo);
    }
    ends(&FROM).then_some(Kind::From)
}

/// Whether the words right after an amount say that it is the lowest.
pub(super) fn is_from_after(chars: &[char]) -> bool {
    let text = head(chars);
    let text = text.trim_start();
    FROM_AFTER.iter().any(|word| text.starts_with(word)) || text.starts_with('+')
}

/// Whether what stands between two amounts makes a range of them.
pub(super) fn is_range(between: &str) -> bool {
    let between = between.trim().to_lowercase();
    RANGE.contains(&between.as_str())
}

/// Whether what stands between two amounts says that the first is paid instead of the second.
pub(super) fn is_instead(between: &str) -> bool {
    let between = between.trim().trim_matches(['(', ',', ':', '/', '|']).trim().to_lowercase();
    INSTEAD.iter().any(|word| between.starts_with(word))
}

/// Whether the words before an amount say that it is not what is asked now.
pub(super) fn is_of_another_time(chars: &[char]) -> bool {
    let text = tail(chars);
    ANOTHER_TIME.iter().any(|word| ends_with_word(&text, word))
}

/// Whether a figure stands beside the name of a month: "July 4", "24. Dezember".
pub(super) fn is_beside_a_month(chars: &[char], start: usize, end: usize) -> bool {
    let after: String = chars[end..].iter().take(14).collect();
    let after = after.trim_start_matches([' ', ',', '.']).to_lowercase();
    let begins = |word: &str| after.strip_prefix(word).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric));
    is_after_a_month(chars, start) || MONTHS.iter().any(|month| begins(month))
}

/// Whether the name of a month stands before a figure.
pub(super) fn is_after_a_month(chars: &[char], start: usize) -> bool {
    let before: String = chars[start.saturating_sub(14)..start].iter().collect();
    let before = before.trim_end_matches([' ', ',', '.']).to_lowercase();
    MONTHS.iter().any(|month| ends_with_word(&before, month))
}

/// Whether a text without figures says that it costs nothing. "Free shipping" and "sugar-free" do not.
pub(super) fn is_free(chars: &[char]) -> bool {
    const GOES_ON: [&str; 17] = [
        "per", "incl", "incl.", "excl", "excl.", "for", "of", "with", "today", "now", "inkl.", "off", "each", "als",
        "ttc", "ex", "plus",
    ];
    let text: String = chars.iter().collect::<String>().to_lowercase();
    FREE.iter().any(|word| {
        let Some((before, after)) = text.split_once(word) else { return false };
        let begins = !before.ends_with(|c: char| c.is_alphanumeric() || c == '-');
        let next = after.split_whitespace().next().unwrap_or_default();
        let is_apart = !after.starts_with(char::is_alphanumeric) && !after.starts_with('-');
        begins && is_apart && (!next.starts_with(char::is_alphabetic) || GOES_ON.contains(&next))
    })
}

/// Whether what stands between an amount and its coins is nothing, or an "and".
pub(super) fn is_and(between: &str) -> bool {
    ["", ".", "and", "und", "et", "e", "y", "i", "и", "en", "og", "och", "ja"]
        .contains(&between.trim().to_lowercase().as_str())
}

/// Whether a word for coins follows.
pub(super) fn is_coin(after: &[char]) -> bool {
    const COINS: [&str; 24] = [
        "cent",
        "cents",
        "ct",
        "centimes",
        "céntimos",
        "centesimi",
        "centavos",
        "centov",
        "gr",
        "groszy",
        "коп",
        "копеек",
        "копейки",
        "копійок",
        "ст",
        "стотинки",
        "öre",
        "øre",
        "pence",
        "p",
        "paise",
        "bani",
        "fils",
        "haléřů",
    ];
    let text = head(after).trim_start().to_lowercase();
    COINS.iter().any(|coin| text.strip_prefix(coin).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric)))
}

/// What the amount is for: the word after a slash, or after "per".
pub(super) fn per(chars: &[char]) -> Option<String> {
    let text = head(chars);
    let text = text.trim_start();
    let unit = match text.strip_prefix('/') {
        Some(unit) => unit.trim_start(),
        None => PER.iter().filter(|word| word.len() > 2).find_map(|word| text.strip_prefix(word)?.strip_prefix(' '))?,
    };
    let word = |text: &str| -> String {
        text.chars().take_while(|c| c.is_alphanumeric() || matches!(c, '²' | '³')).collect()
    };
    let first = word(unit);
    // "100 g" is a unit of two words.
    let is_number = !first.is_empty() && first.chars().all(|c| c.is_ascii_digit());
    let second = if is_number { word(unit[first.len()..].trim_start()) } else { String::new() };
    let unit = if second.is_empty() { first } else { format!("{first} {second}") };
    (!unit.is_empty()).then_some(unit)
}

/// "1.5M": the amount that is meant when the letters are a multiple.
pub(super) fn multiple(after: &[char], amount: Decimal) -> Option<Decimal> {
    const MULTIPLES: [(&str, i64); 18] = [
        ("k", 1_000),
        ("K", 1_000),
        ("тыс", 1_000),
        ("tis", 1_000),
        ("M", 1_000_000),
        ("mn", 1_000_000),
        ("Mio", 1_000_000),
        ("million", 1_000_000),
        ("Million", 1_000_000),
        ("millones", 1_000_000),
        ("млн", 1_000_000),
        ("Mrd", 1_000_000_000),
        ("billion", 1_000_000_000),
        ("lakh", 100_000),
        ("crore", 10_000_000),
        ("万", 10_000),
        ("萬", 10_000),
        ("만", 10_000),
    ];
    let text: String = after.iter().take(16).collect();
    let tight = text.trim_start();
    let is_spaced = tight.len() != text.len();
    let (_, factor) = MULTIPLES.iter().find(|(word, _)| {
        let rest = tight.strip_prefix(word);
        let ends = rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphabetic() && c.is_ascii()));
        ends && (!is_spaced || word.chars().count() > 1)
    })?;
    amount.checked_mul(Decimal::from(*factor))
}

fn tail(chars: &[char]) -> String {
    let from = chars.len().saturating_sub(40);
    let text: String = chars[from..].iter().collect();
    text.trim_end_matches([' ', ':', '~']).to_lowercase()
}

fn head(chars: &[char]) -> String {
    chars.iter().take(40).collect()
}

fn ends_with_word(text: &str, word: &str) -> bool {
    let Some(rest) = text.strip_suffix(word) else { return false };
    !rest.ends_with(char::is_alphanumeric)
}

//! Figures in a text: digits with the separators between them, and the number that they mean.

use rust_decimal::Decimal;

use super::{Refusal, sign::Found};

/// More digits than this do not fit into a decimal, and no price has them.
const MAX_DIGITS: usize = 28;

/// Digits that belong together.
#[derive(Debug)]
pub(super) struct Figure {
    pub(super) start: usize,
    pub(super) end: usize,
    /// The digits between the separators; empty before a leading decimal separator.
    runs: Vec<String>,
    marks: Vec<Mark>,
    /// Its first digit touches a letter that is no sign: `A4`.
    pub(super) in_word: bool,
    /// Why it is no amount.
    pub(super) refused: Option<Refusal>,
}

/// A separator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Space,
    Dot,
    Comma,
    Apostrophe,
    MiddleDot,
    /// U+066B, which is nothing but a decimal separator.
    Decimal,
    /// U+066C, which is nothing but a group separator.
    Group,
}

/// The number that a figure means.
#[derive(Debug)]
pub(super) struct Meaning {
    pub(super) amount: Option<Decimal>,
    /// Other numbers that it may mean.
    pub(super) readings: Vec<Decimal>,
    pub(super) refused: Option<Refusal>,
}

impl Meaning {
    /// The meaning of plain digits with a full stop.
    pub(super) fn of_decimal(text: &str) -> Self {
        let digits = text.chars().filter(char::is_ascii_digit).count();
        let amount = if digits > MAX_DIGITS { None } else { text.parse().ok() };
        Self { amount, readings: Vec::new(), refused: amount.is_none().then_some(Refusal::TooLong) }
    }
}

impl Figure {
    pub(super) const fn is_amount(&self) -> bool {
        self.refused.is_none()
    }

    /// Its digits, where there is no separator between them.
    pub(super) fn only_digits(&self) -> Option<&str> {
        if let [digits] = self.runs.as_slice() { Some(digits) } else { None }
    }

    /// Whether it has decimals for certain.
    pub(super) fn has_decimals(&self) -> bool {
        self.decimal_mark(None, None).is_some()
    }

    /// Its digits without group separators; `None` where it has decimals.
    pub(super) fn whole(&self) -> Option<String> {
        (!self.has_decimals() && self.is_grouped(self.runs.len())).then(|| self.runs.concat())
    }

    /// The number. A coin of `exponent` decimals, and a known decimal separator, settle what is open otherwise.
    pub(super) fn meaning(&self, exponent: Option<u32>, decimal: Option<char>) -> Meaning {
        let refuse = |refused| Meaning { amount: None, readings: Vec::new(), refused: Some(refused) };
        if let Some(refused) = self.refused {
            return refuse(refused);
        }
        if let Some(inner) = self.without_lead(decimal) {
            return inner.meaning(exponent, decimal);
        }
        let mark = self.decimal_mark(exponent, decimal);
        let whole = mark.map_or(self.runs.len(), |at| at + 1);
        let fraction = self.runs[whole..].concat();
        let text = match fraction.as_str() {
            "" => self.runs[..whole].concat(),
            fraction => format!("0{}.{fraction}", self.runs[..whole].concat()),
        };
        if self.is_grouped(whole) {
            return Meaning::of_decimal(&text);
        }
        // "10 20" may be one number that somebody spaced, or two.
        let is_spaced = self.marks[..whole - 1].iter().all(|mark| *mark == Mark::Space);
        if !is_spaced {
            return refuse(Refusal::Malformed);
        }
        let parts = self.runs.iter().filter_map(|run| run.parse().ok()).collect();
        Meaning { readings: parts, ..Meaning::of_decimal(&text) }
    }

    /// "$.750.30" without its first full stop, which belongs to the sign when there are other separators. Where it is known to be
    /// the decimal one, the others part digits.
    fn without_lead(&self, decimal: Option<char>) -> Option<Self> {
        let leads = self.runs.first().is_some_and(String::is_empty) && self.marks.len() > 1;
        if !leads {
            return None;
        }
        let is_decimal = decimal == Some('.') && self.marks[0] == Mark::Dot && !self.marks[1..].contains(&Mark::Dot);
        let (runs, marks) = if is_decimal {
            (vec![String::new(), self.runs[1..].concat()], vec![Mark::Decimal])
        } else {
            (self.runs[1..].to_vec(), self.marks[1..].to_vec())
        };
        Some(Self { runs, marks, start: self.start, end: self.end, in_word: self.in_word, refused: self.refused })
    }

    /// Which separator is the decimal one.
    fn decimal_mark(&self, exponent: Option<u32>, known: Option<char>) -> Option<usize> {
        let at = self.marks.len().checked_sub(1)?;
        let last = self.marks[at];
        let (head, tail) = (&self.runs[at], &self.runs[at + 1]);
        let count = self.marks.iter().filter(|mark| **mark == last).count();
        let is_decimal = match last {
            Mark::Decimal => true,
            Mark::Group | Mark::Space => false,
            Mark::Apostrophe | Mark::MiddleDot => count == 1 && at == 0 && tail.len() <= 2,
            Mark::Dot | Mark::Comma if count > 1 => false,
            // Something else parts the groups, so this does not.
            Mark::Dot | Mark::Comma if at > 0 => true,
            Mark::Dot | Mark::Comma => {
                let is_known =
                    known.is_some_and(|known| (known == '.') == (last == Mark::Dot) && matches!(known, '.' | ','));
                let could_be_group = tail.len() == 3 && (1..=3).contains(&head.len()) && !head.starts_with('0');
                !could_be_group || is_known || exponent == Some(3)
            }
        };
        is_decimal.then_some(at)
    }

    /// Whether the first runs are parted as thousands are: by one kind of separator, in threes, as in India, or in fours.
    fn is_grouped(&self, whole: usize) -> bool {
        let (runs, marks) = (&self.runs[..whole], &self.marks[..whole - 1]);
        let [first, middle @ .., last] = runs else { return true };
        if marks.is_empty() {
            return true;
        }
        let is_one_kind = marks.windows(2).all(|pair| pair[0] == pair[1]);
        let all = |size: usize| last.len() == size && middle.iter().all(|run| run.len() == size);
        let in_threes = all(3) && (1..=3).contains(&first.len());
        let in_india = last.len() == 3 && middle.iter().all(|run| run.len() == 2) && (1..=2).contains(&first.len());
        let in_fours = marks[0] == Mark::Comma && marks.len() > 1 && all(4) && (1..=4).contains(&first.len());
        is_one_kind && (in_threes || in_india || in_fours)
    }
}

/// All figures, from left to right.
pub(super) fn find(chars: &[char], signs: &[Found]) -> Vec<Figure> {
    let mut figures = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        if let Some(figure) = figure(chars, at, signs) {
            at = figure.end;
            figures.push(figure);
        } else {
            at += 1;
        }
    }
    figures
}

/// The figure that begins here.
fn figure(chars: &[char], start: usize, signs: &[Found]) -> Option<Figure> {
    let before = start.checked_sub(1).and_then(|before| chars.get(before)).copied();
    let is_digit = |at: usize| chars.get(at).is_some_and(char::is_ascii_digit);
    let touches_sign = signs.iter().any(|sign| sign.end == start && sign.start < start);
    let mut runs = Vec::new();
    let mut marks = Vec::new();
    let mut end = start;
    if !is_digit(start) {
        // ".99", but not the full stop of "Rs.99". That of "$..99" is its first one.
        let leads = matches!(mark(chars[start]), Some(Mark::Dot | Mark::Comma | Mark::Decimal)) && is_digit(start + 1);
        let is_after_abbreviation = before == Some('.')
            && signs.iter().any(|sign| sign.end + 1 == start && sign.sign.letters.last() != Some(&'.'));
        let ends_something = !is_after_abbreviation
            && before.is_some_and(|c| c.is_alphanumeric() || mark(c).is_some_and(|mark| mark != Mark::Space));
        let in_sign = signs.iter().any(|sign| (sign.start..sign.end).contains(&start));
        if !leads || ends_something || in_sign {
            return None;
        }
        runs.push(String::new());
        marks.push(mark(chars[start])?);
        end = start + 1;
    }
    let is_day = super::words::is_after_a_month(chars, start);
    let is_apart = is_day || is_label(chars, start) || is_part_of_a_day(chars, start);
    // Where the runs end.
    let mut ends = vec![start; runs.len()];
    loop {
        let digits: String = chars[end..].iter().take_while(|c| c.is_ascii_digit()).collect();
        end += digits.len();
        runs.push(digits);
        ends.push(end);
        let Some((mark, next)) = separator(chars, end, &runs) else { break };
        if is_apart && mark == Mark::Space || is_day && next > end + 1 {
            break;
        }
        marks.push(mark);
        end = next;
    }
    let mut figure = Figure { start, end: *ends.last()?, runs, marks, in_word: false, refused: None };
    figure.part(&ends);
    // "A4" and "v2" are names; "Price57" has lost the space of its markup.
    let letters = chars[..start].iter().rev().take_while(|c| c.is_alphabetic()).count();
    figure.in_word = !touches_sign && (is_label(chars, start) || (1..=2).contains(&letters));
    Some(figure)
}

/// Whether what stands before a figure says that it is a name or a count: "#1", "Size 42".
fn is_label(chars: &[char], start: usize) -> bool {
    const LABELS: [&str; 20] = [
        "no.",
        "nr.",
        "nº",
        "n°",
        "№",
        "size",
        "gr.",
        "größe",
        "taille",
        "talla",
        "maat",
        "qty",
        "qty.",
        "menge",
        "model",
        "modell",
        "pack of",
        "set of",
        "art.",
        "размер",
    ];
    let before: String = chars[start.saturating_sub(10)..start].iter().collect();
    let before = before.trim_end_matches([' ', ':']).to_lowercase();
    let is_word = |label: &&str| before.strip_suffix(*label).is_some_and(|rest| !rest.ends_with(char::is_alphanumeric));
    before.ends_with('#') || LABELS.iter().any(is_word)
}

/// Whether a figure is the end of "2026-11-20".
fn is_part_of_a_day(chars: &[char], start: usize) -> bool {
    let before = |back: usize| start.checked_sub(back).and_then(|at| chars.get(at)).copied();
    matches!(before(1), Some('-' | '/')) && before(2).is_some_and(|c| c.is_ascii_digit())
}

/// The separator at this place and where the next digits begin, if digits follow. A space may stand beside a separator:
/// prices are put together from pieces of markup.
fn separator(chars: &[char], at: usize, runs: &[String]) -> Option<(Mark, usize)> {
    let blanks = |from: usize| chars[from.min(chars.len())..].iter().take_while(|c| **c == ' ').count();
    let is_digit = |at: usize| chars.get(at).is_some_and(char::is_ascii_digit);
    let before = blanks(at);
    let Some(found) = chars.get(at + before).and_then(|c| mark(*c)) else {
        return (before > 0 && before <= 2 && is_digit(at + before)).then_some((Mark::Space, at + before));
    };
    let after = blanks(at + before + 1);
    let next = at + before + 1 + after;
    let is_spaced = before + after > 0;
    let is_point = matches!(found, Mark::Dot | Mark::Comma);
    let follows = chars[next.min(chars.len())..].iter().take_while(|c| c.is_ascii_digit()).count();
    // "10, 200, 3000": a list is spaced as well, but its parts are no groups and no cents.
    let is_piece = is_point && before <= 1 && after <= 1 && (1..=3).contains(&follows) && runs.len() <= 3;
    (is_digit(next) && (!is_spaced || is_piece)).then_some((found, next))
}

const fn mark(c: char) -> Option<Mark> {
    Some(match c {
        '.' => Mark::Dot,
        ',' => Mark::Comma,
        '\'' => Mark::Apostrophe,
        '·' => Mark::MiddleDot,
        '٫' => Mark::Decimal,
        '٬' => Mark::Group,
        _ => return None,
    })
}

/// Says which figures are something else than amounts.
pub(super) fn judge(chars: &[char], figures: &mut [Figure], signs: &[Found]) {
    let text: String = chars.iter().collect();
    for figure in figures.iter_mut() {
        let rest: String = chars[figure.end..].iter().take(12).collect();
        let rest = rest.trim_start().to_lowercase();
        if rest.starts_with('%') || ["percent", "prozent", "pct"].iter().any(|word| rest.starts_with(word)) {
            figure.refused = Some(Refusal::Percent);
        } else if figure.is_dotted_date() {
            figure.refused = Some(Refusal::Date);
        }
    }
    for figure in figures.iter_mut() {
        let is_signed = super::sign::is_beside(chars, figure.start, figure.end, signs);
        let is_plain = figure.only_digits().is_some_and(|digits| digits.len() <= 2 || digits.len() == 4);
        if is_plain && !is_signed && super::words::is_beside_a_month(chars, figure.start, figure.end) {
            figure.refused = Some(Refusal::Date);
        }
    }
    for next in 1..figures.len() {
        // The year of "July 4, 2026".
        let gap = &chars[figures[next - 1].end..figures[next].start];
        let follows = figures[next - 1].refused == Some(Refusal::Date) && gap.iter().all(|c| matches!(c, ' ' | ','));
        if follows && figures[next].only_digits().is_some_and(|digits| digits.len() == 4) {
            figures[next].refused = Some(Refusal::Date);
        }
        let (left, right) = (&figures[next - 1], &figures[next]);
        let between: String = chars[left.end..right.start].iter().collect();
        let is_signed = super::sign::is_beside(chars, left.start, left.end, signs)
            || super::sign::is_beside(chars, right.start, right.end, signs);
        let refused = match between.as_str() {
            "/" | "-" if is_date(figures, next, chars) => Refusal::Date,
            "/" if left.is_short() && right.is_short() && !is_signed => Refusal::Time,
            ":" if left.is_short() && right.is_short() => Refusal::Time,
            ".." | ",," | ".," | ",." => Refusal::Malformed,
            "-" | ") " if !is_signed && is_phone(figures, next) => Refusal::Phone,
            _ => continue,
        };
        figures[next - 1].refused = Some(refused);
        figures[next].refused = Some(refused);
    }
    let digits = text.chars().filter(char::is_ascii_digit).count();
    let lower = text.trim().to_lowercase();
    let is_called =
        lower.starts_with('+') || ["tel", "phone", "call", "fax"].iter().any(|word| lower.starts_with(word));
    if is_called && signs.is_empty() && digits >= 8 {
        figures.iter_mut().for_each(|figure| figure.refused = Some(Refusal::Phone));
    }
}

impl Figure {
    /// "24.12.2026"
    fn is_dotted_date(&self) -> bool {
        let lengths: Vec<usize> = self.runs.iter().map(String::len).collect();
        let is_dotted = self.marks.iter().all(|mark| *mark == Mark::Dot);
        is_dotted && matches!(lengths.as_slice(), [1 | 2, 1 | 2, 4] | [4, 2, 2])
    }

    /// Leaves what belongs to the next figure: the price of "Qty 1 12,990.00" and of "iPhone 15 1 299,00".
    fn part(&mut self, ends: &[usize]) {
        let Some(space) = self.marks.iter().position(|mark| *mark == Mark::Space) else { return };
        let is_all_spaces = self.marks.iter().all(|mark| *mark == Mark::Space);
        let is_whole = match self.decimal_mark(None, None) {
            Some(at) => self.is_grouped(at + 1),
            None => self.is_grouped(self.runs.len()),
        };
        // "10 20" is left as it is: nobody knows.
        let is_open = is_all_spaces && self.runs[space + 1..].iter().all(|run| run.len() != 3);
        if !is_whole && !is_open {
            self.runs.truncate(space + 1);
            self.marks.truncate(space);
            self.end = ends[space];
        }
    }

    fn is_short(&self) -> bool {
        self.only_digits().is_some_and(|digits| digits.len() <= 2)
    }
}

/// Three figures that are a day: "2026-12-24", "24/12/2026".
fn is_date(figures: &[Figure], next: usize, chars: &[char]) -> bool {
    let starts = [next.checked_sub(1), next.checked_sub(2)];
    starts.into_iter().flatten().any(|first| {
        let Some(three) = figures.get(first..first + 3) else { return false };
        let gaps = three.windows(2).map(|pair| chars.get(pair[0].end..pair[1].start).unwrap_or_default());
        let joined = gaps.into_iter().all(|gap| gap == ['/'] || gap == ['-']);
        let lengths: Vec<usize> = three.iter().map(|figure| figure.only_digits().map_or(9, str::len)).collect();
        joined && matches!(lengths.as_slice(), [4, 1 | 2, 1 | 2] | [1 | 2, 1 | 2, 2 | 4])
    })
}

/// Two figures that are parts of a number to call: "555-1234", "(555) 123-4567".
fn is_phone(figures: &[Figure], next: usize) -> bool {
    let length = |at: usize| figures.get(at).and_then(Figure::only_digits).map_or(0, str::len);
    let is_end = |at: usize| length(at - 1) == 3 && length(at) == 4;
    is_end(next) || next + 1 < figures.len() && length(next - 1) == 3 && is_end(next + 1)
}

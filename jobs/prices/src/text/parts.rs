//! The figures and the signs of a text, and which of them belong together.

use super::{
    Kind, Refusal,
    figure::{self, Figure},
    sign::{self, Found},
    words,
};
use crate::Currency;

/// A text, taken apart.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    chars: &'a [char],
    pub(super) figures: Vec<Figure>,
    signs: Vec<Found>,
}

impl<'a> Parts<'a> {
    pub(super) fn of(chars: &'a [char]) -> Self {
        let mut signs = sign::find(chars);
        let mut figures = figure::find(chars, &signs);
        figure::judge(chars, &mut figures, &signs);
        // A sign inside of a word that a figure belongs to is none: the "R" of "R2D2".
        signs.retain(|sign| figures.iter().all(|figure| sign.end <= figure.start || sign.start >= figure.end));
        Self { chars, figures, signs }
    }

    /// The figure that is the price: the first, unless it counts something and another stands next to a sign.
    pub(super) fn price(&self) -> Option<usize> {
        let amounts: Vec<usize> = (0..self.figures.len()).filter(|at| self.figures[*at].is_amount()).collect();
        let amounts = self.of_today(amounts);
        let first = *amounts.first()?;
        let is_signed = |at: usize| {
            !self.figures[at].in_word && self.signs.iter().any(|sign| sign.belongs_to(self.chars, &self.figures, at))
        };
        if is_signed(first) {
            return Some(first);
        }
        let Some(signed) = amounts.iter().copied().find(|at| is_signed(*at)) else {
            return amounts.iter().copied().find(|at| !self.figures[*at].in_word).or(Some(first));
        };
        // "100 – 200 €" and "12,99 instead of 15,99 €" begin with the price; "3 for 10 €" and "A4 5 €" do not.
        for at in (first..signed).rev() {
            let (figure, gap) = (&self.figures[at], self.between(at, at + 1));
            let is_priced = figure.has_decimals() && !gap.trim_start().starts_with(char::is_alphabetic);
            let is_price = is_priced || self.is_rising(at) && words::is_range(&gap) || words::is_instead(&gap);
            if !figure.is_amount() || figure.in_word || !is_price {
                return Some(at + 1);
            }
        }
        Some(first)
    }

    /// The amounts without those that words say not to be the price: "was $20 now $15", "Save $5: $20", "(1 kg = 8 €) 2 €". All of them
    /// where nothing would be left.
    fn of_today(&self, amounts: Vec<usize>) -> Vec<usize> {
        let is_old = |at: &usize| {
            let start = self.figures[*at].start;
            let sign = self.signs.iter().find(|sign| sign.end <= start && self.is_of(sign.end, start, &[' ', '.']));
            words::is_of_another_time(&self.chars[..sign.map_or(start, |sign| sign.start)]) || self.is_taken_off(*at)
        };
        let is_aside = |at: &usize| {
            let before = self.chars[..self.figures[*at].start].iter().rev();
            before.take_while(|c| **c != ')').any(|c| *c == '(')
        };
        let is_priced = |at: &usize| {
            // "Was $5 now $0.00" is a field that nobody filled.
            let is_something = self.figures[*at].meaning(None, None).amount.is_some_and(|amount| !amount.is_zero());
            let mut signs = self.signs.iter();
            let is_signed = signs.any(|sign| sign.belongs_to(self.chars, &self.figures, *at));
            is_something && (is_signed || self.figures[*at].has_decimals())
        };
        let without = |amounts: Vec<usize>, is_no_price: &dyn Fn(&usize) -> bool| {
            let left: Vec<usize> = amounts.iter().copied().filter(|at| !is_no_price(at)).collect();
            if left.iter().any(is_priced) { left } else { amounts }
        };
        without(without(amounts, &is_old), &is_aside)
    }

    /// Whether a share and what is left of the amount follow: "$20 -25% $15".
    fn is_taken_off(&self, at: usize) -> bool {
        let Some([share, rest]) = self.figures.get(at + 1..at + 3) else { return false };
        let amount = |figure: &Figure| figure.meaning(None, None).amount;
        let is_next = self.between(at, at + 1).chars().all(|c| matches!(c, ' ' | '\n' | '-' | '−' | '–' | '('));
        let is_share = share.refused == Some(Refusal::Percent) && is_next;
        is_share && rest.is_amount() && amount(rest) < amount(&self.figures[at])
    }

    /// Whether the next figure is not less than this one: "100 - 200 €" is a range, "50 - $2.00" a row of a table.
    fn is_rising(&self, at: usize) -> bool {
        let amount = |at: usize| self.figures[at].meaning(None, None).amount;
        amount(at) <= amount(at + 1)
    }

    /// The sign of the price, and what it may mean: strong signs of the text, of the hint, then the weak ones.
    pub(super) fn currency(
        &self,
        price: Option<usize>,
        hint: Option<&[char]>,
    ) -> (Option<&'static str>, Vec<Currency>) {
        let span = price.map(|at| (self.figures[at].start, self.figures[at].end));
        let in_text = sign::best(self.chars, span, &self.signs).copied();
        let hinted = hint.map_or_else(Vec::new, sign::find);
        let in_hint = hinted.iter().find(|sign| sign.sign.strong).or(hinted.first()).copied();
        let chosen = match (in_text, in_hint) {
            (Some(text), Some(hint)) if !text.sign.strong && hint.sign.strong => hint,
            (Some(text), _) => text,
            (None, Some(hint)) => hint,
            (None, None) => return (None, Vec::new()),
        };
        let may_be = &chosen.sign.currencies;
        // "$5" beside "CAD": the sign is the text's, its meaning the hint's. "$5.990 CLP" says both.
        let beside = self.signs.iter().filter(|sign| {
            span.is_some_and(|(start, end)| sign::is_beside(self.chars, start, end, std::slice::from_ref(*sign)))
        });
        let named = |sign: &Found| may_be.iter().find(|currency| sign.sign.currencies == [**currency]);
        let agreed = in_hint.as_ref().and_then(named).or_else(|| beside.filter(|_| may_be.len() > 1).find_map(named));
        (Some(chosen.sign.text), agreed.map_or_else(|| may_be.clone(), |agreed| vec![*agreed]))
    }

    /// "35€99": the sign stands where the decimal separator would. Gives the amount with a full stop.
    pub(super) fn sign_in_the_middle(&self, at: usize, decimal: Option<char>) -> Option<String> {
        let (whole, cents) = (self.figures.get(at)?, self.figures.get(at + 1)?);
        let sign = self.signs.iter().find(|sign| sign.start >= whole.end && sign.end <= cents.start)?;
        let is_tight = whole.end == sign.start && sign.end == cents.start;
        let touches = self.is_blank(whole.end, sign.start) && self.is_blank(sign.end, cents.start);
        // Only the euro is written so with a space; "5$ 10" are two prices.
        // Coins of their own are said to be such: "12 zł 50 gr", "5 Euro und 50 Cent".
        let is_in_coins = words::is_and(&self.between(at, at + 1)) && words::is_coin(&self.chars[cents.end..]);
        let is_written_so = is_tight || is_in_coins || touches && sign.sign.text == "€";
        if !is_written_so {
            return None;
        }
        let goes_on = self.signs.iter().any(|sign| sign.start >= cents.end && self.is_blank(cents.end, sign.start));
        // Cents, unless the sign is known to be the decimal separator.
        let is_known = decimal.is_some_and(|decimal| sign.sign.letters == [decimal]);
        let is_part = |digits: &&str| (digits.len() == 2 || is_known && is_tight) && cents.is_amount() && !goes_on;
        let digits = cents.only_digits().filter(is_part)?;
        Some(format!("{}.{digits}", whole.whole()?))
    }

    /// What the words around a price say of it, where `after` is behind its sign.
    pub(super) fn kind(&self, at: usize, last: usize, after: usize) -> Kind {
        let next = self.figures.get(last + 1).filter(|next| next.is_amount());
        if next.is_some() && words::is_range(&self.between(last, last + 1)) {
            return Kind::Range;
        }
        let start = self.figures[at].start;
        let is_before = |sign: &&Found| sign.end <= start && self.is_of(sign.end, start, &[' ', '.']);
        let before = self.signs.iter().rev().find(is_before).map_or(start, |sign| sign.start);
        let said = words::before(&self.chars[..before]);
        said.unwrap_or(if words::is_from_after(&self.chars[after..]) { Kind::From } else { Kind::Exact })
    }

    /// A minus that begins the text, right before the figures or their sign: a discount, not a price.
    pub(super) fn is_negative(&self, at: usize) -> bool {
        let start = self.figures[at].start;
        let is_minus = |at: usize| matches!(self.chars.get(at), Some('-' | '−' | '﹣' | '－'));
        let first = self.chars.iter().position(|c| *c != ' ').unwrap_or(start);
        let sign = self.signs.iter().find(|sign| sign.end <= start && start - sign.end <= 2);
        // "-$5" and "-5", or "$-5" and "$ -5".
        let begins = sign.filter(|sign| self.is_blank(sign.end, start)).map_or(start, |sign| sign.start);
        let leads = is_minus(first) && first + 1 == begins;
        let follows = sign.is_some_and(|sign| {
            sign.start == first && is_minus(start - 1) && sign.end < start && self.is_blank(sign.end, start - 1)
        });
        leads || follows
    }

    /// Where what follows a figure begins, its sign left out.
    pub(super) fn after_sign(&self, at: usize) -> usize {
        let end = self.figures[at].end;
        let is_after = |sign: &&Found| sign.start >= end && self.is_of(end, sign.start, &[' ', ',', '-', '.', '–']);
        self.signs.iter().find(is_after).map_or(end, |sign| sign.end)
    }

    /// What stands between two figures, without the signs and the full stops of those that are abbreviations.
    fn between(&self, left: usize, right: usize) -> String {
        let is_sign = |at: &usize| {
            let ends = |sign: &Found| sign.end == *at && self.chars[*at] == '.';
            self.signs.iter().any(|sign| (sign.start..sign.end).contains(at) || ends(sign))
        };
        (self.figures[left].end..self.figures[right].start).filter(|at| !is_sign(at)).map(|at| self.chars[at]).collect()
    }

    fn is_blank(&self, from: usize, to: usize) -> bool {
        self.is_of(from, to, &[' '])
    }

    fn is_of(&self, from: usize, to: usize, these: &[char]) -> bool {
        self.chars[from..to].iter().all(|c| these.contains(c))
    }
}

//! The choice of the next token from its logits.

use std::cmp::Ordering;

use jobs_core::port::model::Sampling;
use llguidance::toktrie::SimpleVob;
use rand::{RngExt, SeedableRng, rngs::StdRng};

/// So many tokens nearly always have all of the probability that is asked for; the others need not be sorted.
const LIKELY: usize = 1_024;

/// Chooses the tokens of one answer.
pub(crate) struct Sampler {
    sampling: Sampling,
    random: StdRng,
    /// The tokens that were seen, in their order, and how often the answer has each: 0 where only the prompt has it.
    seen: Vec<(u32, u32)>,
}

impl Sampler {
    pub(crate) fn new(sampling: Sampling, prompt: &[u32]) -> Self {
        let random = StdRng::seed_from_u64(sampling.seed);
        let mut sampler = Self { sampling, random, seen: Vec::new() };
        if sampler.sampling.repetition_penalty != 1.0 {
            let mut tokens = prompt.to_vec();
            tokens.sort_unstable();
            tokens.dedup();
            sampler.seen = tokens.into_iter().map(|token| (token, 0)).collect();
        }
        sampler
    }

    /// Remembers a token of the answer.
    pub(crate) fn saw(&mut self, token: u32) {
        if !self.has_penalties() {
            return;
        }
        match self.seen.binary_search_by_key(&token, |(token, _)| *token) {
            Ok(at) => self.seen[at].1 += 1,
            Err(at) => self.seen.insert(at, (token, 1)),
        }
    }

    /// The next token: one of those that `mask` allows, if there is one.
    ///
    /// The logits are changed. None is chosen when nothing is allowed.
    pub(crate) fn choose(&mut self, logits: &mut [f32], mask: Option<&SimpleVob>) -> Option<u32> {
        self.penalize(logits);
        if self.sampling.temperature <= 0.0 {
            return most_likely(logits, mask);
        }
        let candidates = self.candidates(logits, mask);
        let total: f32 = candidates.iter().map(|(_, weight)| weight).sum();
        let mut point = self.random.random::<f32>() * total;
        for (token, weight) in &candidates {
            point -= weight;
            if point < 0.0 {
                return Some(*token);
            }
        }
        candidates.first().map(|(token, _)| *token)
    }

    fn has_penalties(&self) -> bool {
        let Sampling { repetition_penalty, frequency_penalty, presence_penalty, .. } = self.sampling;
        repetition_penalty != 1.0 || frequency_penalty != 0.0 || presence_penalty != 0.0
    }

    fn penalize(&self, logits: &mut [f32]) {
        if !self.has_penalties() {
            return;
        }
        let Sampling { repetition_penalty, frequency_penalty, presence_penalty, .. } = self.sampling;
        for (token, times) in &self.seen {
            let Some(logit) = logits.get_mut(*token as usize) else { continue };
            // After Keskar et al., <https://arxiv.org/abs/1909.05858>, as transformers does it.
            *logit = if *logit > 0.0 { *logit / repetition_penalty } else { *logit * repetition_penalty };
            if *times > 0 {
                *logit -= frequency_penalty * *times as f32 + presence_penalty;
            }
        }
    }

    /// The tokens that are considered, with weights: that of the most likely one is 1.
    fn candidates(&self, logits: &[f32], mask: Option<&SimpleVob>) -> Vec<(u32, f32)> {
        let Sampling { temperature, top_k, top_p, min_p, .. } = self.sampling;
        let mut tokens: Vec<(u32, f32)> = Vec::new();
        match mask {
            Some(mask) => mask.iter_set_entries(|token| tokens.push((token as u32, logits[token]))),
            None => tokens.extend(logits.iter().enumerate().map(|(token, logit)| (token as u32, *logit))),
        }
        let highest = tokens.iter().map(|(_, logit)| *logit).fold(f32::NEG_INFINITY, f32::max);
        if top_k > 0 {
            keep_most_likely(&mut tokens, top_k as usize);
        }
        for (_, weight) in &mut tokens {
            *weight = ((*weight - highest) / temperature).exp();
        }
        if top_p < 1.0 {
            keep_nucleus(&mut tokens, top_p);
        }
        tokens.retain(|(_, weight)| *weight >= min_p);
        tokens
    }
}

/// The order of tokens by likelihood. Equal ones keep the order of the vocabulary, so that a seed means one answer.
fn by_likelihood(a: &(u32, f32), b: &(u32, f32)) -> Ordering {
    b.1.total_cmp(&a.1).then(a.0.cmp(&b.0))
}

/// Leaves the `count` most likely tokens, in their order.
fn keep_most_likely(tokens: &mut Vec<(u32, f32)>, count: usize) {
    if tokens.len() > count {
        tokens.select_nth_unstable_by(count - 1, by_likelihood);
        tokens.truncate(count);
    }
    tokens.sort_unstable_by(by_likelihood);
}

/// Leaves the fewest tokens that have a share of `top_p` of the weight.
fn keep_nucleus(tokens: &mut Vec<(u32, f32)>, top_p: f32) {
    let wanted = top_p * tokens.iter().map(|(_, weight)| weight).sum::<f32>();
    let mut best = tokens.clone();
    keep_most_likely(&mut best, LIKELY);
    if best.iter().map(|(_, weight)| weight).sum::<f32>() < wanted {
        // Rare: the model has hardly an opinion.
        best.clone_from(tokens);
        best.sort_unstable_by(by_likelihood);
    }
    let mut below = 0.0;
    let nucleus = best.iter().take_while(|(_, weight)| {
        let is_in = below < wanted;
        below += weight;
        is_in
    });
    let nucleus = nucleus.count().max(1);
    best.truncate(nucleus);
    *tokens = best;
}

/// The token with the highest logit of those that are allowed; the first of several.
fn most_likely(logits: &[f32], mask: Option<&SimpleVob>) -> Option<u32> {
    let mut best: Option<(u32, f32)> = None;
    let mut look = |token: usize, logit: f32| {
        if best.is_none_or(|(_, highest)| logit > highest) {
            best = Some((token as u32, logit));
        }
    };
    match mask {
        Some(mask) => mask.iter_set_entries(|token| look(token, logits[token])),
        None => logits.iter().enumerate().for_each(|(token, logit)| look(token, *logit)),
    }
    best.map(|(token, _)| token)
}

/// The natural logarithm of the probability of `token`, and the `count` most likely tokens with theirs.
pub(crate) fn logprobs(logits: &[f32], token: u32, count: usize) -> (f32, Vec<(u32, f32)>) {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let total: f64 = logits.iter().map(|logit| f64::from(logit - highest).exp()).sum();
    let normal = highest + total.ln() as f32;
    let mut best: Vec<(u32, f32)> = Vec::with_capacity(count + 1);
    for (token, logit) in logits.iter().enumerate() {
        if count == 0 || best.len() == count && best.last().is_some_and(|(_, lowest)| logit <= lowest) {
            continue;
        }
        let at = best.partition_point(|(_, higher)| higher >= logit);
        best.insert(at, (token as u32, *logit));
        best.truncate(count);
    }
    best.iter_mut().for_each(|(_, logit)| *logit -= normal);
    (logits.get(token as usize).map_or(f32::NEG_INFINITY, |logit| logit - normal), best)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose_often(sampling: Sampling, logits: &[f32], mask: Option<&SimpleVob>) -> Vec<u32> {
        let mut sampler = Sampler::new(sampling, &[]);
        (0..4_000).filter_map(|_| sampler.choose(&mut logits.to_vec(), mask)).collect()
    }

    fn share(of: u32, tokens: &[u32]) -> f32 {
        tokens.iter().filter(|token| **token == of).count() as f32 / tokens.len() as f32
    }

    const WARM: Sampling = Sampling { temperature: 1.0, seed: 7, ..Sampling::GREEDY };

    #[test]
    fn tokens_come_as_often_as_their_probability_says() {
        let logits = [0.5f32.ln(), 0.3f32.ln(), 0.2f32.ln()];
        let tokens = choose_often(WARM, &logits, None);
        for (token, expected) in [(0, 0.5), (1, 0.3), (2, 0.2)] {
            assert!((share(token, &tokens) - expected).abs() < 0.03, "{token}: {}", share(token, &tokens));
        }
        assert_eq!(tokens, choose_often(WARM, &logits, None));
        assert_ne!(tokens, choose_often(Sampling { seed: 8, ..WARM }, &logits, None));
    }

    #[test]
    fn each_rule_leaves_out_what_it_says() {
        let logits = [0.5f32.ln(), 0.3f32.ln(), 0.15f32.ln(), 0.05f32.ln()];
        let seen = |sampling: Sampling, mask: Option<&SimpleVob>| {
            let mut tokens = choose_often(sampling, &logits, mask);
            tokens.sort_unstable();
            tokens.dedup();
            tokens
        };
        assert_eq!(seen(WARM, None), [0, 1, 2, 3]);
        assert_eq!(seen(Sampling { top_k: 2, ..WARM }, None), [0, 1]);
        assert_eq!(seen(Sampling { top_p: 0.75, ..WARM }, None), [0, 1]);
        assert_eq!(seen(Sampling { top_p: 0.85, ..WARM }, None), [0, 1, 2]);
        assert_eq!(seen(Sampling { min_p: 0.2, ..WARM }, None), [0, 1, 2]);
        assert_eq!(seen(Sampling::GREEDY, None), [0]);
        let mask = SimpleVob::from_slice(&[false, false, true, true]);
        assert_eq!(seen(WARM, Some(&mask)), [2, 3]);
        assert_eq!(seen(Sampling::GREEDY, Some(&mask)), [2]);
    }

    #[test]
    fn what_was_said_becomes_less_likely() {
        let logits = [1.0, 0.9, -1.0];
        let next = |sampling: Sampling, said: &[u32]| {
            let mut sampler = Sampler::new(sampling, &[]);
            said.iter().for_each(|token| sampler.saw(*token));
            sampler.choose(&mut logits.to_vec(), None)
        };
        assert_eq!(next(Sampling { presence_penalty: 0.2, ..Sampling::GREEDY }, &[0]), Some(1));
        assert_eq!(next(Sampling { frequency_penalty: 0.04, ..Sampling::GREEDY }, &[0, 0, 0]), Some(1));
        assert_eq!(next(Sampling { frequency_penalty: 0.04, ..Sampling::GREEDY }, &[0]), Some(0));
        assert_eq!(next(Sampling { repetition_penalty: 1.5, ..Sampling::GREEDY }, &[0]), Some(1));
    }

    #[test]
    fn probabilities_are_those_of_the_model() {
        let logits = [0.5f32.ln() + 3.0, 0.3f32.ln() + 3.0, 0.2f32.ln() + 3.0];
        let (of, best) = logprobs(&logits, 2, 2);
        assert!((of - 0.2f32.ln()).abs() < 1e-6);
        assert_eq!(best.iter().map(|(token, _)| *token).collect::<Vec<_>>(), [0, 1]);
        assert!((best[1].1 - 0.3f32.ln()).abs() < 1e-6);
    }
}

//! How an answer is written, as far as a client or an operator says so.

use jobs_core::{Fault, port::model::Sampling};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Choices about how tokens are drawn. What is left out is decided by the model's defaults, then by [`Sampling::GREEDY`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// How adventurous the choice is, from 0 (always the most likely token) to 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 2))]
    pub temperature: Option<f32>,
    /// Considers only the most likely tokens that have this probability together: more than 0, at most 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 1))]
    pub top_p: Option<f32>,
    /// Considers only so many most likely tokens; 0 considers all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_k: Option<u32>,
    /// Considers only tokens with at least this share of the probability of the most likely one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1))]
    pub min_p: Option<f32>,
    /// Makes tokens of the prompt and the answer less likely: more than 0, at most 2; 1 changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 2))]
    pub repetition_penalty: Option<f32>,
    /// Makes tokens less likely for each time that the answer has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -2, max = 2))]
    pub frequency_penalty: Option<f32>,
    /// Makes tokens less likely that the answer has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -2, max = 2))]
    pub presence_penalty: Option<f32>,
    /// The same seed gives the same answer from the same model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

impl Parameters {
    /// Everything that is out of its range, with pointers relative to the parameters.
    #[must_use]
    pub fn check(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut within = |name: &str, value: Option<f32>, fits: fn(f32) -> bool, range: &str| {
            // A comparison with NaN is false, so it never fits.
            if value.is_some_and(|value| !fits(value)) {
                faults.push(Fault::new(format!("/{name}"), format!("must be {range}")));
            }
        };
        within("temperature", self.temperature, |value| (0.0..=2.0).contains(&value), "from 0 to 2");
        within("top_p", self.top_p, |value| value > 0.0 && value <= 1.0, "more than 0 and at most 1");
        within("min_p", self.min_p, |value| (0.0..=1.0).contains(&value), "from 0 to 1");
        within(
            "repetition_penalty",
            self.repetition_penalty,
            |value| value > 0.0 && value <= 2.0,
            "more than 0 and at most 2",
        );
        within("frequency_penalty", self.frequency_penalty, |value| (-2.0..=2.0).contains(&value), "from -2 to 2");
        within("presence_penalty", self.presence_penalty, |value| (-2.0..=2.0).contains(&value), "from -2 to 2");
        faults
    }

    /// These choices, `defaults` where there is none, and greedy decoding where there is none either.
    ///
    /// `seed` is used where nobody chose one: take something that differs from task to task and is the same in each of its
    /// attempts.
    #[must_use]
    pub fn resolve(&self, defaults: &Self, seed: u64) -> Sampling {
        let greedy = Sampling::GREEDY;
        let pick = |mine: Option<f32>, default: Option<f32>, otherwise: f32| mine.or(default).unwrap_or(otherwise);
        Sampling {
            temperature: pick(self.temperature, defaults.temperature, greedy.temperature),
            top_p: pick(self.top_p, defaults.top_p, greedy.top_p),
            top_k: self.top_k.or(defaults.top_k).unwrap_or(greedy.top_k),
            min_p: pick(self.min_p, defaults.min_p, greedy.min_p),
            repetition_penalty: pick(self.repetition_penalty, defaults.repetition_penalty, greedy.repetition_penalty),
            frequency_penalty: pick(self.frequency_penalty, defaults.frequency_penalty, greedy.frequency_penalty),
            presence_penalty: pick(self.presence_penalty, defaults.presence_penalty, greedy.presence_penalty),
            seed: self.seed.or(defaults.seed).unwrap_or(seed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_out_of_range_is_named() {
        let wrong =
            Parameters { temperature: Some(2.5), top_p: Some(0.0), min_p: Some(f32::NAN), ..Default::default() };
        let pointers: Vec<_> = wrong.check().into_iter().map(|fault| fault.pointer).collect();
        assert_eq!(pointers, ["/temperature", "/top_p", "/min_p"]);
        assert_eq!(Parameters::default().check(), []);
    }

    #[test]
    fn a_client_decides_before_the_model_and_the_model_before_us() {
        let client = Parameters { temperature: Some(0.7), ..Default::default() };
        let model = Parameters { temperature: Some(0.1), top_k: Some(40), ..Default::default() };
        let sampling = client.resolve(&model, 9);
        assert_eq!(sampling, Sampling { temperature: 0.7, top_k: 40, seed: 9, ..Sampling::GREEDY });
    }
}

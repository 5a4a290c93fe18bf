//! The form of an answer, kept to while it is written.
//!
//! Before each token the grammar says which tokens may come next. Where it leaves no choice the tokens are taken without
//! asking the model. When an answer is nearly as long as it may be, whatever brings it to an end is preferred.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use jobs_core::port::model::{ModelError, ModelFault, ResponseFormat};
use jobs_inference::grammar;
use llguidance::{
    Matcher, ParserFactory,
    earley::SlicedBiasComputer,
    toktrie::{InferenceCapabilities, SimpleVob, TokEnv},
};

use crate::vocabulary::Vocabulary;

/// Compiled grammars that are kept.
const KEPT: usize = 128;
/// What ends a document, outside of its texts, in the order in which it is tried.
const CLOSERS: [&[u8]; 5] = [b"}", b"]", b",", b":", b"\""];
/// What ends a text.
const TEXT_CLOSERS: [&[u8]; 3] = [b"\"", b"@", b"."];

/// Compiles the grammars of one model, and keeps those that are used again and again.
pub(crate) struct Grammars {
    vocabulary: Arc<Vocabulary>,
    /// Made on first use: it takes a second for a large vocabulary, and many models are never asked for a form.
    factory: OnceLock<Result<ParserFactory, String>>,
    compiled: Mutex<Compiled>,
}

#[derive(Default)]
struct Compiled {
    matchers: HashMap<String, Matcher>,
    /// The names of the matchers, the one that was used last at the end.
    order: VecDeque<String>,
}

/// The form of one answer.
pub(crate) struct Constraint {
    matcher: Matcher,
    closing: Option<Closing>,
}

/// How a JSON document is brought to an end.
struct Closing {
    tokens: TokEnv,
    is_in_text: bool,
    is_escaped: bool,
}

impl Grammars {
    pub(crate) fn new(vocabulary: Arc<Vocabulary>) -> Self {
        Self { vocabulary, factory: OnceLock::new(), compiled: Mutex::default() }
    }

    /// The form that answers of `format` must have; none where any text will do.
    ///
    /// # Errors
    /// `unsupported_schema`, with a pointer relative to the request.
    pub(crate) fn constraint(&self, format: &ResponseFormat) -> Result<Option<Constraint>, ModelError> {
        let unsupported = |message: String| ModelError::new(ModelFault::UnsupportedSchema, message);
        let grammar = grammar::grammar(format)
            .map_err(|fault| unsupported(fault.detail).at(format!("/response_format{}", fault.pointer)))?;
        let Some(grammar) = grammar else { return Ok(None) };
        let factory = self.factory.get_or_init(|| factory(&self.vocabulary)).as_ref();
        let factory = factory.map_err(|error| ModelError::new(ModelFault::EngineFailed, error.clone()))?;
        let closing = format.is_json().then(|| Closing {
            tokens: factory.tok_env().clone(),
            is_in_text: false,
            is_escaped: false,
        });
        let name = serde_json::to_string(format).unwrap_or_default();
        if let Some(matcher) = self.lock().get(&name) {
            return Ok(Some(Constraint { matcher, closing }));
        }
        // Not under the lock: another request need not wait for this compilation.
        let matcher = Matcher::new(factory.create_parser(grammar));
        if let Some(error) = matcher.get_error() {
            let line = error.lines().next().unwrap_or_default().to_owned();
            return Err(match grammar::check(format) {
                Err(fault) => unsupported(fault.detail).at(format!("/response_format{}", fault.pointer)),
                Ok(()) => ModelError::new(ModelFault::SchemaTooComplex, line).at("/response_format"),
            });
        }
        self.lock().put(name, matcher.deep_clone());
        Ok(Some(Constraint { matcher, closing }))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Compiled> {
        self.compiled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn factory(vocabulary: &Vocabulary) -> Result<ParserFactory, String> {
    let abilities = InferenceCapabilities { ff_tokens: true, ..InferenceCapabilities::default() };
    let factory = ParserFactory::new(&vocabulary.trie(), abilities, &SlicedBiasComputer::general_slices());
    let mut factory = factory.map_err(|error| error.to_string())?;
    factory.quiet();
    factory.limits_mut().verbose_errors = false;
    Ok(factory)
}

impl Compiled {
    /// A fresh copy: a matcher that has failed, or was used, is never used again.
    fn get(&mut self, name: &str) -> Option<Matcher> {
        let matcher = self.matchers.get(name)?.deep_clone();
        if let Some(at) = self.order.iter().position(|other| other == name) {
            self.order.remove(at);
            self.order.push_back(name.to_owned());
        }
        Some(matcher)
    }

    fn put(&mut self, name: String, matcher: Matcher) {
        if self.matchers.insert(name.clone(), matcher).is_none() {
            self.order.push_back(name);
        }
        if self.order.len() > KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.matchers.remove(&oldest);
        }
    }
}

impl Constraint {
    /// The tokens that may come next: those that end an answer among them where it may end.
    pub(crate) fn mask(&mut self) -> Result<SimpleVob, ModelError> {
        self.matcher.compute_mask_or_eos().map_err(|error| self.failed(&error.to_string()))
    }

    /// Takes a token. It must be one that the mask allowed.
    pub(crate) fn take(&mut self, token: u32) -> Result<(), ModelError> {
        self.matcher.consume_token(token).map_err(|error| self.failed(&error.to_string()))?;
        self.follow(&[token]);
        Ok(())
    }

    /// Takes the tokens that must come next, if the answer has no choice.
    pub(crate) fn take_forced(&mut self) -> Vec<u32> {
        let tokens = self.matcher.consume_ff_tokens();
        self.follow(&tokens);
        tokens
    }

    /// Whether the answer is complete, so that nothing may follow.
    pub(crate) fn is_complete(&self) -> bool {
        self.matcher.is_stopped() && self.matcher.stop_reason().is_ok()
    }

    /// Whether the answer may end here.
    pub(crate) fn may_end(&mut self) -> bool {
        self.matcher.is_accepting().unwrap_or(false)
    }

    /// The token that brings a JSON document nearer to its end, if one is allowed.
    pub(crate) fn closer(&self, mask: &SimpleVob) -> Option<u32> {
        let closing = self.closing.as_ref()?;
        let closers: &[&[u8]] = if closing.is_in_text { &TEXT_CLOSERS } else { &CLOSERS };
        let trie = closing.tokens.tok_trie();
        closers.iter().filter_map(|closer| trie.token_id(closer)).find(|token| mask.is_allowed(*token))
    }

    /// Follows whether the document is within a text, where `}` is a letter like others.
    fn follow(&mut self, tokens: &[u32]) {
        let Some(closing) = &mut self.closing else { return };
        for byte in closing.tokens.tok_trie().decode(tokens) {
            match (closing.is_in_text, byte) {
                (true, _) if closing.is_escaped => closing.is_escaped = false,
                (true, b'\\') => closing.is_escaped = true,
                (_, b'"') => closing.is_in_text = !closing.is_in_text,
                _ => {}
            }
        }
    }

    fn failed(&self, error: &str) -> ModelError {
        let line = error.lines().next().unwrap_or_default();
        ModelError::new(ModelFault::SchemaTooComplex, format!("the form of the answer takes too much work: {line}"))
            .at("/response_format")
    }
}

//! The vocabulary of a model: texts cut into tokens, and tokens put together to texts.

use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
    sync::Arc,
};

use jobs_core::port::model::{ModelError, ModelFault};
use llguidance::toktrie::{TokEnv, TokRxInfo, TokTrie, TokenId, TokenizerEnv};
use serde_json::Value;
use tokenizers::Tokenizer;

use crate::checkpoint::{Checkpoint, invalid};

/// A tokenizer, and what each of its tokens stands for.
pub(crate) struct Vocabulary {
    tokenizer: Tokenizer,
    /// The bytes of each token; of those that say something to the model and nothing to people, none.
    words: Vec<Vec<u8>>,
    /// Tokens that say something to the model and nothing to people.
    special: BTreeSet<u32>,
    /// Tokens that end an answer, the usual one first.
    pub(crate) ends: Vec<u32>,
    /// Whether the first word of a text is written with a space before it, which the text does not have.
    drops_first_space: bool,
    longest: usize,
}

/// How the words of a vocabulary are spelled.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Spelling {
    /// Each byte is a letter (GPT-2 and most since).
    Bytes,
    /// A word's beginning is marked, and bytes that are no letter are written `<0x0A>` (SentencePiece).
    Marked,
}

impl Vocabulary {
    /// Reads the `tokenizer.json` of a decoder whose last layer has `size` tokens.
    pub(crate) fn load(files: &Checkpoint, size: usize) -> Result<Self, ModelError> {
        let mut tokenizer = open(&files.dir)?;
        // A prompt is cut by nobody: what does not fit is refused.
        tokenizer.with_truncation(None).map_err(|error| invalid(error.to_string()))?;
        tokenizer.with_padding(None);
        let decoder = serde_json::to_value(tokenizer.get_decoder()).unwrap_or_default().to_string();
        let spelling = match (decoder.contains("ByteLevel"), decoder.contains("ByteFallback")) {
            (true, _) => Spelling::Bytes,
            (_, true) => Spelling::Marked,
            _ => return Err(invalid("the tokenizer spells its words in a way that is not known")),
        };
        let letters = letters();
        let added = tokenizer.get_added_tokens_decoder();
        let highest = tokenizer.get_vocab(true).into_values().max().unwrap_or(0) as usize;
        if highest >= size {
            return Err(invalid(format!("the tokenizer has a token {highest}, and the model only {size} tokens")));
        }
        let mut words = Vec::with_capacity(size);
        let mut special = BTreeSet::new();
        for id in 0..size as u32 {
            let word = match (tokenizer.id_to_token(id), added.get(&id)) {
                (Some(_), Some(token)) if token.special => None,
                (Some(word), Some(_)) => Some(word.into_bytes()),
                (Some(word), None) => spell(&word, spelling, &letters),
                (None, _) => None,
            };
            if word.is_none() {
                special.insert(id);
            }
            words.push(word.unwrap_or_default());
        }
        let ends = ends(files, &tokenizer)?;
        if let Some(end) = ends.iter().find(|end| **end as usize >= size) {
            return Err(invalid(format!("answers end with the token {end}, and the model has only {size} tokens")));
        }
        let longest = words.iter().map(Vec::len).max().unwrap_or(1).max(1);
        let drops_first_space = spelling == Spelling::Marked && decoder.contains("Strip");
        Ok(Self { tokenizer, words, special, ends, drops_first_space, longest })
    }

    /// The tokens of a prompt, at most `most`. `marked` is whether the tokenizer may add what prompts begin with: a chat
    /// template has written it already.
    ///
    /// # Errors
    /// When there are more.
    pub(crate) fn encode(&self, text: &str, marked: bool, most: usize) -> Result<Vec<u32>, ModelError> {
        // No token is longer than the longest, so this much text cannot fit: found out before any work is done.
        if text.len() / self.longest > most {
            return Err(too_long(format!("a prompt of {} bytes has more than {most} tokens", text.len())));
        }
        let encoding = self.tokenizer.encode_fast(text, marked);
        let encoding = encoding.map_err(|error| invalid(format!("the tokenizer failed: {error}")))?;
        let tokens = encoding.get_ids();
        if tokens.len() > most {
            return Err(too_long(format!("the prompt has {} tokens, and only {most} have room", tokens.len())));
        }
        Ok(tokens.to_vec())
    }

    /// The bytes that a token stands for. At the beginning of an answer a space may be dropped.
    pub(crate) fn word(&self, token: u32, is_first: bool) -> &[u8] {
        let word = self.words.get(token as usize).map(Vec::as_slice).unwrap_or_default();
        match word {
            [b' ', rest @ ..] if is_first && self.drops_first_space => rest,
            word => word,
        }
    }

    /// What a token looks like alone.
    pub(crate) fn show(&self, token: u32) -> String {
        if self.special.contains(&token) {
            return self.tokenizer.id_to_token(token).unwrap_or_default();
        }
        String::from_utf8_lossy(self.word(token, false)).into_owned()
    }

    /// Whether a token ends an answer.
    pub(crate) fn is_end(&self, token: u32) -> bool {
        self.ends.contains(&token)
    }

    /// The vocabulary as the compiler of grammars wants it.
    pub(crate) fn trie(&self) -> TokEnv {
        let word = |(id, word): (usize, &Vec<u8>)| {
            if !self.special.contains(&(id as u32)) {
                return word.clone();
            }
            let name = self.tokenizer.id_to_token(id as u32).unwrap_or_else(|| format!("<|{id}|>"));
            [&[TokTrie::SPECIAL_TOKEN_MARKER], name.as_bytes()].concat()
        };
        let words: Vec<Vec<u8>> = self.words.iter().enumerate().map(word).collect();
        let info = TokRxInfo::new(words.len() as u32, self.ends[0]);
        let trie = TokTrie::from(&info, &words).with_eos_tokens(&self.ends);
        Arc::new(Words { tokenizer: self.tokenizer.clone(), trie })
    }
}

/// The tokenizer beside the weights.
pub(crate) fn open(dir: &Path) -> Result<Tokenizer, ModelError> {
    let path = dir.join("tokenizer.json");
    if !path.exists() {
        return Err(invalid(format!("there is no {}", path.display())));
    }
    Tokenizer::from_file(&path).map_err(|error| invalid(format!("{}: {error}", path.display())))
}

fn too_long(message: String) -> ModelError {
    ModelError::new(ModelFault::ContextLengthExceeded, message)
}

/// The tokens that end an answer, from the files in the order in which they are believed.
fn ends(files: &Checkpoint, tokenizer: &Tokenizer) -> Result<Vec<u32>, ModelError> {
    let generation = files.json("generation_config.json")?.unwrap_or_default();
    let settings = files.json("tokenizer_config.json")?.unwrap_or_default();
    let name = settings["eos_token"].as_str().or_else(|| settings["eos_token"]["content"].as_str());
    let mut ends = Vec::new();
    let mut add = |id: u64| {
        if let Ok(id) = u32::try_from(id)
            && !ends.contains(&id)
        {
            ends.push(id);
        }
    };
    // A chat ends with the token of the tokenizer, whatever the weights were trained with at first.
    name.and_then(|name| tokenizer.token_to_id(name)).into_iter().for_each(|id| add(id.into()));
    for config in [&generation, &files.config] {
        match &config["eos_token_id"] {
            Value::Array(several) => several.iter().filter_map(Value::as_u64).for_each(&mut add),
            one => one.as_u64().into_iter().for_each(&mut add),
        }
    }
    if ends.is_empty() { Err(invalid("nothing says which token ends an answer")) } else { Ok(ends) }
}

/// The bytes of a word; none where it is not spelled as the others are.
fn spell(word: &str, spelling: Spelling, letters: &HashMap<char, u8>) -> Option<Vec<u8>> {
    if spelling == Spelling::Bytes {
        return word.chars().map(|letter| letters.get(&letter).copied()).collect();
    }
    let byte = word.strip_prefix("<0x").and_then(|rest| rest.strip_suffix('>'));
    match byte.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
        Some(byte) => Some(vec![byte]),
        None => Some(word.replace('▁', " ").into_bytes()),
    }
}

/// The letter of each byte: itself where it can be seen, and a letter from 256 on where it cannot.
fn letters() -> HashMap<char, u8> {
    let mut next = 0x100;
    let letter = |byte: u8| {
        if matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF) {
            return (char::from(byte), byte);
        }
        next += 1;
        (char::from_u32(next - 1).unwrap_or_default(), byte)
    };
    (0..=255).map(letter).collect()
}

/// The vocabulary, for the compiler of grammars.
struct Words {
    tokenizer: Tokenizer,
    trie: TokTrie,
}

impl TokenizerEnv for Words {
    fn tok_trie(&self) -> &TokTrie {
        &self.trie
    }

    fn tokenize_bytes(&self, bytes: &[u8]) -> Vec<TokenId> {
        let encode = |text: &str| match self.tokenizer.encode_fast(text, false) {
            Ok(encoding) => encoding.get_ids().to_vec(),
            // Letter by letter is right, too, only longer.
            Err(_) => self.trie.greedy_tokenize(text.as_bytes()),
        };
        self.trie.tokenize_with_greedy_fallback(bytes, encode)
    }
}

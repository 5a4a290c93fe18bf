//! A tokenizer whose words are made up: bytes, the signs of JSON, and syllables put together.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::Family;

/// Tokens that say something to the model: the end of texts, and the beginning and the end of messages.
const SPECIAL: [&str; 3] = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];
/// What stands together in JSON.
const SIGNS: [(&str, &str); 8] =
    [("{", "\""), ("\"", ":"), ("\"", ","), ("\"", "}"), ("}", ","), ("[", "\""), ("\"", "]"), ("\":", "\"")];
const CONSONANTS: &str = "tnsrldhcmpgbfvwk";
const VOWELS: &str = "eaiou";
/// How a space is spelled.
const SPACE: &str = "Ġ";

/// A `tokenizer.json` with `size` tokens.
pub(super) fn document(family: Family, size: usize) -> Value {
    if family == Family::Bert { word_pieces(size) } else { byte_pairs(size) }
}

/// Byte-level BPE, as GPT-2 has it.
fn byte_pairs(size: usize) -> Value {
    let mut words = Words::new(size);
    SPECIAL.iter().for_each(|word| words.add((*word).to_owned()));
    letters().into_iter().for_each(|letter| words.add(letter));
    let mut merges = Vec::new();
    for (left, right) in
        SIGNS.iter().copied().chain(pairs().iter().map(|(left, right)| (left.as_str(), right.as_str())))
    {
        if words.is_full() {
            break;
        }
        if words.known.contains(&format!("{left}{right}")) {
            continue;
        }
        words.add(format!("{left}{right}"));
        merges.push(json!([left, right]));
    }
    let added = SPECIAL.iter().enumerate().map(|(id, content)| added(id, content)).collect::<Vec<_>>();
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added, "normalizer": null,
        "pre_tokenizer": { "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true },
        "post_processor": null,
        "decoder": { "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true },
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
            "vocab": words.vocabulary(), "merges": merges,
        },
    })
}

/// Syllables, and what begins with a space; then words of two syllables, and of three.
fn pairs() -> Vec<(String, String)> {
    let syllables: Vec<(String, String)> = CONSONANTS
        .chars()
        .flat_map(|consonant| VOWELS.chars().map(move |vowel| (consonant.to_string(), vowel.to_string())))
        .collect();
    let whole: Vec<String> = syllables.iter().map(|(consonant, vowel)| format!("{consonant}{vowel}")).collect();
    let spaced: Vec<(String, String)> = whole.iter().map(|word| (SPACE.to_owned(), word.clone())).collect();
    let starts: Vec<String> = whole.iter().cloned().chain(whole.iter().map(|word| format!("{SPACE}{word}"))).collect();
    let join = |starts: &[String]| -> Vec<(String, String)> {
        starts.iter().flat_map(|start| whole.iter().map(|end| (start.clone(), end.clone()))).collect()
    };
    let doubles = join(&starts);
    // More than anybody asks for.
    let some: Vec<String> = doubles.iter().take(600).map(|(start, end)| format!("{start}{end}")).collect();
    let triples = join(&some);
    [syllables, spaced, doubles, triples].concat()
}

/// WordPiece, as BERT has it: letters, and syllables within words.
fn word_pieces(size: usize) -> Value {
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"];
    let mut words = Words::new(size);
    special.iter().for_each(|word| words.add((*word).to_owned()));
    let signs = ('!'..='~').filter(|letter| !letter.is_ascii_uppercase());
    for letter in signs {
        words.add(letter.to_string());
        words.add(format!("##{letter}"));
    }
    for (left, right) in pairs().into_iter().filter(|(left, _)| !left.starts_with(SPACE)) {
        words.add(format!("{left}{right}"));
        words.add(format!("##{left}{right}"));
    }
    let added = special.iter().enumerate().map(|(id, content)| added(id, content)).collect::<Vec<_>>();
    let mark = |name: &str, kind: usize| json!({ "SpecialToken": { "id": name, "type_id": kind } });
    let text = |id: &str, kind: usize| json!({ "Sequence": { "id": id, "type_id": kind } });
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added,
        "normalizer": {
            "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null,
            "lowercase": true,
        },
        "pre_tokenizer": { "type": "BertPreTokenizer" },
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [mark("[CLS]", 0), text("A", 0), mark("[SEP]", 0)],
            "pair": [mark("[CLS]", 0), text("A", 0), mark("[SEP]", 0), text("B", 1), mark("[SEP]", 1)],
            "special_tokens": {
                "[CLS]": { "id": "[CLS]", "ids": [2], "tokens": ["[CLS]"] },
                "[SEP]": { "id": "[SEP]", "ids": [3], "tokens": ["[SEP]"] },
            },
        },
        "decoder": { "type": "WordPiece", "prefix": "##", "cleanup": true },
        "model": {
            "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": words.vocabulary(),
        },
    })
}

fn added(id: usize, content: &str) -> Value {
    json!({
        "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
        "special": true,
    })
}

/// The letters that byte-level tokenizers write bytes with.
fn letters() -> Vec<String> {
    let is_seen = |byte: u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    let seen = (0..=255).filter(|byte| is_seen(*byte)).map(char::from);
    let hidden = (0..=255).filter(|byte| !is_seen(*byte)).count() as u32;
    let others = (0..hidden).filter_map(|at| char::from_u32(0x100 + at));
    seen.chain(others).map(String::from).collect()
}

/// Words with their numbers, each once, up to a count.
struct Words {
    words: Vec<String>,
    known: HashSet<String>,
    size: usize,
}

impl Words {
    fn new(size: usize) -> Self {
        Self { words: Vec::new(), known: HashSet::new(), size }
    }

    fn is_full(&self) -> bool {
        self.words.len() >= self.size
    }

    fn add(&mut self, word: String) {
        if !self.is_full() && self.known.insert(word.clone()) {
            self.words.push(word);
        }
    }

    fn vocabulary(&self) -> Map<String, Value> {
        self.words.iter().enumerate().map(|(id, word)| (word.clone(), json!(id))).collect()
    }
}

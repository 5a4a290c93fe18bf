//! Answers, and what is shared between those that are written at once.

use std::{sync::Arc, time::Duration};

use engine_infer::{Family, LocalEngine};
use futures::future::join_all;
use jobs_core::port::model::{
    FinishReason, GenerateRequest, GenerationSink, Message, ModelEngine, ModelFault, Prompt, Role, Sampling,
};
use serde_json::json;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::models::{Nowhere, ask, engine, request, tiny};

const WARM: Sampling = Sampling { temperature: 1.0, top_p: 0.9, seed: 11, ..Sampling::GREEDY };

/// Requests of different lengths, some with a common beginning, some drawn by chance.
fn mixed() -> Vec<GenerateRequest> {
    let one = |at: u32| {
        let sampling = Sampling { seed: u64::from(at), ..if at.is_multiple_of(3) { WARM } else { Sampling::GREEDY } };
        let shared = "A beginning that several prompts have in common, so that it is read once. ";
        let start = if at.is_multiple_of(2) { shared } else { "" };
        let prompt = format!("{start}Prompt {at} {}", "na ne ni ".repeat(at as usize % 5));
        GenerateRequest { sampling, logprobs: Some(0), ..request(&prompt, 8 + at % 24) }
    };
    (0..24).map(one).collect()
}

async fn tokens(engine: &LocalEngine) -> Vec<Vec<u32>> {
    let answers = join_all(mixed().into_iter().map(|request| ask(engine, request))).await;
    let tokens = |answer: Result<_, _>| {
        let answer: jobs_core::port::model::Completion = answer.unwrap();
        answer.logprobs.unwrap().into_iter().map(|token| token.id).collect()
    };
    answers.into_iter().map(tokens).collect()
}

#[tokio::test]
async fn an_answer_is_the_same_whoever_shares_its_batch() {
    let dir = tiny(Family::Llama);
    for dtype in ["f32", "q8_0"] {
        let mut answers = Vec::new();
        for (slots, max_batch_tokens) in [(1, 256), (4, 16), (8, 64)] {
            let settings = json!({ "dtype": dtype, "slots": slots, "max_batch_tokens": max_batch_tokens });
            answers.push(tokens(&engine(dir.path(), settings)).await);
        }
        assert_eq!(answers[0], answers[1], "{dtype}: 1 and 4 slots");
        assert_eq!(answers[0], answers[2], "{dtype}: 1 and 8 slots");
    }
}

#[tokio::test]
async fn what_was_read_before_is_not_read_again() {
    let dir = tiny(Family::Llama);
    let engine = engine(dir.path(), json!({}));
    let first = ask(&engine, request("A prompt that comes twice, word for word.", 12)).await.unwrap();
    let second = ask(&engine, request("A prompt that comes twice, word for word.", 12)).await.unwrap();
    assert_eq!(first.usage.cached_tokens, 0);
    assert_eq!(second.usage.cached_tokens, second.usage.prompt_tokens - 1);
    assert_eq!(first.text, second.text);
    assert_eq!(first.usage.forward_passes, 12);
}

#[tokio::test]
async fn a_stop_ends_an_answer_and_is_no_part_of_it() {
    let dir = tiny(Family::Llama);
    let engine = engine(dir.path(), json!({}));
    let whole = ask(&engine, request("Once", 40)).await.unwrap();
    assert_eq!(whole.finish_reason, FinishReason::Length);
    // Some letters from the middle, which begin in one token and end in another.
    let letters: Vec<char> = whole.text.chars().collect();
    let plain = letters.windows(5).skip(letters.len() / 2).find(|part| part.iter().all(char::is_ascii_lowercase));
    let stop: String = plain.unwrap().iter().collect();
    let cut = whole.text.find(&stop).unwrap();
    let stopped = ask(&engine, GenerateRequest { stop: vec![stop], ..request("Once", 40) }).await.unwrap();
    assert_eq!((stopped.finish_reason, stopped.text.as_str()), (FinishReason::Stop, &whole.text[..cut]));
}

#[tokio::test]
async fn a_conversation_is_laid_out_by_the_models_template() {
    let dir = tiny(Family::Llama);
    let engine = engine(dir.path(), json!({}));
    let say = |role, content: &str| Message { role, content: content.to_owned() };
    let chat = Prompt::Chat(vec![say(Role::System, "Be brief."), say(Role::User, "Hi")]);
    let text = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n";
    let chat = ask(&engine, GenerateRequest { prompt: chat, ..request("", 16) }).await.unwrap();
    let text = ask(&engine, request(text, 16)).await.unwrap();
    assert_eq!((chat.text, chat.usage.prompt_tokens), (text.text, text.usage.prompt_tokens));
}

/// Says when the first text comes.
#[derive(Default)]
struct Begun(Notify);

impl GenerationSink for Begun {
    fn text(&self, _delta: &str, _tokens: u32) {
        self.0.notify_one();
    }
}

#[tokio::test]
async fn an_answer_that_nobody_wants_any_more_makes_room_for_another() {
    let dir = tiny(Family::Llama);
    let engine = engine(dir.path(), json!({ "slots": 1 }));
    let (begun, cancel) = (Begun::default(), CancellationToken::new());
    let long = engine.generate(request("Long", 2_000), &begun, cancel.clone());
    let stop = async {
        begun.0.notified().await;
        cancel.cancel();
    };
    let (canceled, ()) = tokio::join!(long, stop);
    assert_eq!(canceled.unwrap_err().fault, ModelFault::Canceled);
    // Dropped without a word.
    let begun = Begun::default();
    tokio::select! {
        _ = engine.generate(request("Long again", 2_000), &begun, CancellationToken::new()) => panic!("it was too fast"),
        () = begun.0.notified() => {}
    }
    let next = tokio::time::timeout(Duration::from_secs(30), ask(&engine, request("Next", 4))).await;
    assert_eq!(next.unwrap().unwrap().usage.completion_tokens, 4);
}

#[tokio::test]
async fn more_requests_than_may_wait_are_refused() {
    let dir = tiny(Family::Llama);
    let engine = Arc::new(engine(dir.path(), json!({ "slots": 1, "limits": { "max_queued": 2 } })));
    let (begun, cancel) = (Begun::default(), CancellationToken::new());
    let long = engine.generate(request("Long", 2_000), &begun, cancel.clone());
    let others = async {
        begun.0.notified().await;
        let others = (0..5).map(|_| engine.generate(request("Other", 4), &Nowhere, cancel.clone()));
        let mut others: Vec<_> = others.collect();
        let mut refused = 0;
        while refused < 3 {
            let (end, _, rest) = futures::future::select_all(others).await;
            assert_eq!(end.unwrap_err().fault, ModelFault::Overloaded);
            refused += 1;
            others = rest;
        }
        cancel.cancel();
        join_all(others).await
    };
    let (_, waiting) = tokio::join!(long, others);
    assert!(waiting.iter().all(|end| end.as_ref().is_err_and(|error| error.fault == ModelFault::Canceled)));
}

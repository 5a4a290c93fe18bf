"""What transformers answers, token by token: the reference of the tests of parity.

usage: reference.py MODEL PROMPTS OUT

MODEL is a directory; PROMPTS a JSON list of texts. For a decoder OUT gets the tokens of each prompt and the 64 that follow
it, greedily, in 32-bit floats, up to the end of the answer; for an encoder the vector of each text, as
sentence-transformers pools it. Needs `pip install torch transformers`.
"""

import json
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, PreTrainedTokenizerFast

TOKENS = 64


def answers(model, tokenizer, prompts, end):
    model = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32, attn_implementation="eager").eval()
    for prompt in prompts:
        ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        text, cache, answer, gap = torch.tensor([ids]), None, [], float("inf")
        for _ in range(TOKENS):
            out = model(text, past_key_values=cache, use_cache=True)
            cache = out.past_key_values
            best = torch.topk(out.logits[0, -1], 2)
            gap = min(gap, (best.values[0] - best.values[1]).item())
            token = best.indices[0].item()
            if token == end:
                break
            answer.append(token)
            text = torch.tensor([[token]])
        yield {"prompt": ids, "answer": answer, "gap": round(gap, 6)}


def vectors(model, tokenizer, texts):
    model = AutoModel.from_pretrained(model, dtype=torch.float32, attn_implementation="eager").eval()
    for text in texts:
        ids = torch.tensor([tokenizer(text, truncation=True, max_length=256)["input_ids"]])
        mean = model(ids).last_hidden_state[0].mean(dim=0)
        yield [round(number, 7) for number in (mean / mean.norm()).tolist()]


def main():
    path, prompts, out = sys.argv[1:]
    with open(prompts, encoding="utf8") as file:
        prompts = json.load(file)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = AutoConfig.from_pretrained(path)
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=os.path.join(path, "tokenizer.json"))
    with torch.no_grad():
        if config.model_type == "bert":
            found = list(vectors(path, tokenizer, prompts))
        else:
            found = list(answers(path, tokenizer, prompts, config.eos_token_id))
    with open(out, "w", encoding="utf8") as file:
        json.dump(found, file, separators=(",", ":"))


main()

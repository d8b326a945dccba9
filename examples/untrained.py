"""Writes small models with random weights: `python examples/untrained.py vit gpt2`, after `fetch.py digits reuters`.

    vit     examples/data/models/small-vit    4 layers x 128 for images of 28 x 28, 0.8 M parameters
    gpt2    examples/data/models/small-gpt2   4 layers x 128, a tokenizer of 4,000 tokens made of the Reuters news

No trained model of their kinds comes with a package of the registries. A search trains them first, as it does
with every model whose head is untrained. They are for trying things: what they reach says nothing of trained models.

Exit code 1: the news aren't there, or a folder is.
"""

import argparse
import csv
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from tokenizers import ByteLevelBPETokenizer
from transformers import GPT2Config, GPT2Model, PreTrainedTokenizerFast, ViTConfig, ViTModel

DATA = Path(__file__).parent / "data"
SEED, TOKENS, END = 0, 4000, "<|endoftext|>"


def vit(folder: Path, _data: Path) -> None:
    config = ViTConfig(
        hidden_size=128, intermediate_size=512, num_hidden_layers=4, num_attention_heads=4, image_size=28, patch_size=7
    )
    ViTModel(config).save_pretrained(folder)


def gpt2(folder: Path, data: Path) -> None:
    with (data / "reuters" / "train.csv").open(newline="", encoding="utf-8") as file:
        texts = [row["text"] for row in csv.DictReader(file)]
    tokenizer = ByteLevelBPETokenizer()
    tokenizer.train_from_iterator(texts, vocab_size=TOKENS, special_tokens=[END], show_progress=False)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END, unk_token=END).save_pretrained(folder)
    end = tokenizer.token_to_id(END)
    # An output layer of its own: tied to the table, it would be no head that is missing, and the model stay untrained.
    config = GPT2Config(
        vocab_size=tokenizer.get_vocab_size(), n_embd=128, n_layer=4, n_head=4, n_positions=128,
        tie_word_embeddings=False, bos_token_id=end, eos_token_id=end,
    )  # fmt: skip
    GPT2Model(config).save_pretrained(folder)


MODELS: dict[str, Callable[[Path, Path], None]] = {"vit": vit, "gpt2": gpt2}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", choices=MODELS, metavar="NAME", help=", ".join(MODELS))
    parser.add_argument("--data", type=Path, default=DATA, help="default: examples/data")
    options = parser.parse_args(arguments)
    for name in dict.fromkeys(options.names):
        folder = options.data / "models" / f"small-{name}"
        if folder.exists():
            print(f"untrained: {folder} is there; nothing is written over it", file=sys.stderr)
            return 1
        torch.manual_seed(SEED)
        try:
            MODELS[name](folder, options.data)
        except FileNotFoundError as error:
            print(f"untrained: {error.filename} is missing: fetch it with `fetch.py reuters`", file=sys.stderr)
            return 1
        print(f"{name}: {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

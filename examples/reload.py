"""Uses an exported model as any program would: `python examples/reload.py FOLDER [--text TEXT]`.

It differs from an ordinary Transformers model in one line, `import greenfront`, which tells Transformers how
the modules of a compressed model are rebuilt before the weights are read.
"""

import argparse
import sys
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, logging

import greenfront  # noqa: F401 - registers the compressed modules with Transformers

NEWS = "the company said net profit for the first quarter rose to five mln dlrs or ten cts a share from four mln"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="what `greenfront export` wrote")
    parser.add_argument("--text", default=NEWS, help="the text to classify; default: a line of company news")
    options = parser.parse_args(arguments)
    if not (options.folder / "config.json").is_file():
        print(f"reload: {options.folder} holds no exported model: it has no config.json", file=sys.stderr)
        return 2

    logging.disable_progress_bar()
    tokenizer = AutoTokenizer.from_pretrained(options.folder)
    model = AutoModelForSequenceClassification.from_pretrained(options.folder).eval()
    with torch.inference_mode():
        logits = model(**tokenizer(options.text, truncation=True, return_tensors="pt")).logits[0]
    share, label = logits.softmax(dim=-1).max(dim=-1)

    print(f"text:  {options.text}")
    print(f"label: {model.config.id2label[int(label)]} ({float(share):.1%})")
    print(f"model: {sum(tensor.numel() for tensor in model.parameters()) / 1e6:.1f} M parameters")
    return 0


if __name__ == "__main__":
    sys.exit(main())

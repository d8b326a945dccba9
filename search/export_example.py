"""`example.py` beside an exported `model.onnx`: 15 lines at most that put a question of the task's kind to it."""

from collections.abc import Collection
from string import Template

from greenfront.config import DataConfig
from greenfront.evaluators.image_examples import MODES

_HEAD = '''\
"""$does: `python example.py $usage`. Needs onnxruntime and transformers."""
import sys
from pathlib import Path
$more
folder = Path(__file__).parent
session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
'''
_ONNX = "import onnxruntime\n"
_LABELS = "labels = AutoConfig.from_pretrained(folder).id2label\n"
_TOKENIZER = "tokenizer = AutoTokenizer.from_pretrained(folder, model_max_length=$length)\n"
_RUN = "(logits,) = session.run(None, {given.name: tokens[given.name] for given in session.get_inputs()})\n"

_TEXT = f"""\
{_LABELS}{_TOKENIZER}\
texts = sys.argv[1:] or $texts
tokens = tokenizer(*texts, truncation=True, return_tensors="np"$types)
{_RUN}\
print(labels[logits[0].argmax()])
"""
_WORDS = f"""\
{_LABELS}{_TOKENIZER}\
words = " ".join(sys.argv[1:] or ["Ada Lovelace lived in London"]).split()
tokens = tokenizer(words, is_split_into_words=True, truncation=True, return_tensors="np"$types)
{_RUN}\
first = {{word: place for place, word in reversed([*enumerate(tokens.word_ids(0))]) if word is not None}}
print(*(f"{{words[word]}}/{{labels[logits[0, first[word]].argmax()]}}" for word in sorted(first)))
"""
_QUESTION = f"""\
{_TOKENIZER}\
texts = sys.argv[1:] or ["Who lived in London?", "Ada Lovelace lived in London, and was a countess."]
tokens = tokenizer(*texts, truncation="only_second", return_tensors="np"$types)
start, end = session.run(None, {{given.name: tokens[given.name] for given in session.get_inputs()}})
context = [place for place, part in enumerate(tokens.sequence_ids(0)) if part == 1]
_, i, j = max((start[0, i] + end[0, j], i, j) for i in context for j in context if i <= j < i + 30)
print(texts[1][tokens[0].offsets[i][0] : tokens[0].offsets[j][1]])
"""
_NEXT = f"""\
{_TOKENIZER}\
ids = tokenizer(" ".join(sys.argv[1:] or ["The"]), truncation=True, return_tensors="np")["input_ids"][:, -$room:]
for _ in range(10):
    (logits,) = session.run(None, {{x.name: np.ones_like(ids) for x in session.get_inputs()}} | {{"input_ids": ids}})
    ids = np.append(ids, logits[:, -1:].argmax(-1), axis=1)
print(tokenizer.decode(ids[0]))
"""
_IMAGE = f"""\
{_LABELS}\
processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
image = Image.open(sys.argv[1]) if sys.argv[1:] else Image.new("RGB", (64, 64))
pixels = processor(image.convert("$mode"), return_tensors="np")["pixel_values"]
(logits,) = session.run(None, {{"pixel_values": pixels}})
print(labels[logits[0].argmax()])
"""
_TOKENS = f"{_ONNX}from transformers import AutoTokenizer\n"
_TOKENS_OF_LABELS = f"{_ONNX}from transformers import AutoConfig, AutoTokenizer\n"
_SCRIPTS: dict[str, tuple[str, str, str, str]] = {
    "text-classification": ("Classifies a text", '"a text"', _TOKENS_OF_LABELS, _TEXT),
    "token-classification": ("Labels the words of a text", '"a text"', _TOKENS_OF_LABELS, _WORDS),
    "question-answering": ("Finds an answer in a text", '"a question" "a text"', _TOKENS, _QUESTION),
    "causal-language-modelling": ("Goes on with a text", '"a text"', f"import numpy as np\n{_TOKENS}", _NEXT),
    "image-classification": (
        "Classifies an image", "FILE",
        f"{_ONNX}from PIL import Image\nfrom transformers import AutoConfig, AutoImageProcessor\n", _IMAGE,
    ),
}  # fmt: skip
"""By task: what the script does, its arguments, what it imports, what follows its head."""
_TEXTS = ["Net profit rose to five million dollars.", "The company earned more."]


def example_script(task: str, data: DataConfig, inputs: Collection[str], channels: int) -> str:
    """The script for a task; `inputs`: what the model reads, `channels`: of its images.

    It imports ONNX Runtime, NumPy and what turns raw inputs into the model's, and runs without arguments, too.
    """
    does, usage, more, body = _SCRIPTS[task]
    texts = _TEXTS[: 1 if data.text_pair is None else 2]
    return Template(_HEAD + body).substitute(
        does=does,
        usage='"a text" "another"' if task == "text-classification" and len(texts) == 2 else usage,
        more=more,
        length=data.max_length,
        room=max(1, data.max_length - 10),
        texts=str(texts).replace("'", '"'),
        types=", return_token_type_ids=True" if "token_type_ids" in inputs else "",
        mode=MODES.get(channels, "RGB"),
    )

"""Comparing what an export wrote with the candidate: both are asked the same, each export in a clean process."""

import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import PreTrainedModel

from greenfront.errors import GreenfrontError
from greenfront.evaluators import Examples, batches, score
from greenfront.evaluators.examples import Indices
from greenfront.evaluators.outputs import Collected, Outputs
from greenfront.spaces.answers import answer_tensors, asked_rows
from greenfront.spaces.quantized import unrounded_inputs

Answers = dict[str, Tensor]
BATCH = 32
SAME = 0.01
"""An example counts the same where nothing that the metric knows of it changes by more, as a share of the most."""
FEW = 100
"""One example in so many may count otherwise, and always one: logits may be nearly equal."""

_ASKED = """
import sys
from safetensors.numpy import load_file, save_file
path, asked, answered, auto_class, *names = sys.argv[1:]
batches, found = {}, {}
for key, value in load_file(asked).items():
    number, name = key.split(".", 1)
    batches.setdefault(number, {})[name] = value
"""
_ANSWERED = """
for number, inputs in batches.items():
    for name, answer in zip(names, ask(inputs)):
        found[f"{number}.{name}"] = answer
save_file(found, answered)
"""
FOLDER = f"""{_ASKED}
import greenfront
import torch
import transformers
model = getattr(transformers, auto_class).from_pretrained(path, local_files_only=True, trust_remote_code=False).eval()
def ask(inputs):
    with torch.inference_mode():
        output = model(**{{name: torch.from_numpy(value) for name, value in inputs.items()}})
    return [output[name].contiguous().numpy() for name in names]
{_ANSWERED}"""
"""A process that has nothing but `import greenfront` more than any that loads a model."""
ONNX = f"""{_ASKED}
import onnxruntime
session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
read = [given.name for given in session.get_inputs()]
def ask(inputs):
    return session.run(names, {{name: inputs[name] for name in read}})
{_ANSWERED}"""
"""A process with ONNX Runtime alone."""


@dataclass(frozen=True)
class Questions:
    """What a candidate and its exports are asked: random inputs, and test examples where there are any."""

    random: Mapping[str, Tensor]
    metric: str
    examples: Examples | None
    batches: tuple[tuple[Indices, dict[str, Tensor]], ...]
    """Of the examples: which ones, and what `Examples.batch` makes of them."""

    @classmethod
    def of(cls, random: Mapping[str, Tensor], examples: Examples | None, metric: str) -> "Questions":
        """These inputs, and the examples in batches of `BATCH`."""
        cut = () if examples is None else ((i, examples.batch(i)) for i in batches(examples, BATCH))
        return cls(random, metric, examples, tuple(cut))

    def inputs(self) -> list[dict[str, Tensor]]:
        """What a model reads, batch by batch, the random one first; all of them have the same keys."""
        return [dict(self.random), *(self._complete(batch) for _, batch in self.batches)]

    def outputs(self, answers: Sequence[Answers]) -> Outputs | None:
        """What the metric needs of the answers to the examples; None without examples.

        Raises:
            Diverged: a logit is NaN or infinite.
        """
        if self.examples is None:
            return None
        collected = Collected(self.metric, self.examples)
        for (indices, batch), found in zip(self.batches, answers[1:], strict=True):
            collected.add(indices, asked_rows(found, batch).float().numpy(), None)
        return collected.outputs()

    def differences(self, found: Sequence[Answers], expected: Sequence[Answers]) -> list[float]:
        """The largest of each batch of examples, where the metric asks."""
        rows = (
            [asked_rows(each[1 + n], batch) for each in (found, expected)] for n, (_, batch) in enumerate(self.batches)
        )
        return [difference({"": one}, {"": other}) for one, other in rows]

    def _complete(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """A batch with the keys of the random one: token types that are all zero may be left out."""
        return {name: batch[name] if name in batch else torch.zeros_like(batch["input_ids"]) for name in self.random}


@dataclass(frozen=True)
class Expected:
    """The candidate's own answers, and how far from them rounding alone may lead.

    Where linears round their inputs, a difference in a float's last digit may become one of a whole step, and the next
    layer has more of them: with another number of threads, or in another runtime, the errors of rounding are others,
    but not larger. So twice what the rounding changes is allowed, of logits and of examples: the most that it changes
    in any answer, for on a few random inputs alone it may come out small by chance.
    """

    questions: Questions
    answers: list[Answers]
    outputs: Outputs | None
    leeway: float
    """Of a logit, beyond the tolerance; 0 where nothing is rounded."""
    leeway_examples: int
    """How many may count otherwise, beyond one in `FEW`."""

    @classmethod
    def of(cls, model: PreTrainedModel, questions: Questions) -> "Expected":
        """As the model answers here; raises Diverged where it answers with NaN."""
        answers = _answers(model, questions.inputs())
        outputs = questions.outputs(answers)
        with unrounded_inputs():
            plain = _answers(model, questions.inputs()[:1])
            if not difference(plain[0], answers[0]):  # nothing is rounded
                return cls(questions, answers, outputs, 0.0, 0)
            plain += _answers(model, questions.inputs()[1:])
        leeway = 2 * max(difference(plain[0], answers[0]), *questions.differences(plain, answers))
        return cls(questions, answers, outputs, leeway, 2 * otherwise(questions.outputs(plain), outputs))

    @property
    def score(self) -> float | None:
        """The metric on the examples; more is better."""
        return None if self.outputs is None else score(self.outputs).value

    def check(self, what: str, found: Sequence[Answers], tolerance: float) -> tuple[float, float | None]:
        """The largest difference of a logit on the random inputs, and the metric on the examples.

        Raises:
            GreenfrontError: a logit differs by more than the tolerance, or too many examples count otherwise, and
                rounding doesn't explain it.
        """
        largest = difference(found[0], self.answers[0])
        if not largest < tolerance + self.leeway:
            raise GreenfrontError(f"{what} gives logits that differ by {largest:.2e} from the candidate's")
        outputs = self.questions.outputs(found)
        if outputs is None or self.outputs is None:
            return largest, None
        count, total = otherwise(outputs, self.outputs), len(outputs.statistics)
        most = max(1, total // FEW) + self.leeway_examples
        if count > most:
            raise GreenfrontError(
                f"{what} answers {count} of {total} test examples otherwise than the candidate; at most {most} may"
            )
        return largest, score(outputs).value


def difference(found: Answers, expected: Answers) -> float:
    """The largest between two models' answers; infinite where one answers with NaN."""
    differences = [(found[name] - expected[name]).abs().max().item() for name in expected]
    return math.inf if any(map(math.isnan, differences)) else max(differences)


def otherwise(one: Outputs | None, other: Outputs | None) -> int:
    """How many examples count otherwise for the metric, by more than `SAME` of the most that it knows of them."""
    if one is None or other is None:
        return 0
    changes = np.abs(one.statistics - other.statistics).max(1)
    return int((changes > SAME * np.abs(other.statistics).max(1)).sum())


def in_clean_process(
    script: str, path: Path, questions: Questions, names: Sequence[str], auto_class: str
) -> list[Answers]:
    """The answers that a process with nothing of this one gives: by `FOLDER` or `ONNX`.

    Raises:
        GreenfrontError: it fails, with the last line it had to say.
    """
    inputs = questions.inputs()
    with tempfile.TemporaryDirectory(prefix="greenfront-export-") as scratch:
        asked, answered = Path(scratch) / "asked.safetensors", Path(scratch) / "answered.safetensors"
        save_file({f"{n}.{key}": v.contiguous() for n, given in enumerate(inputs) for key, v in given.items()}, asked)
        ran = subprocess.run(
            [sys.executable, "-c", script, str(path.resolve()), str(asked), str(answered), auto_class, *names],
            cwd=scratch,
            env={**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"},
            capture_output=True,
            text=True,
        )
        if ran.returncode:
            said = ran.stderr.strip().splitlines() or [f"it ended with code {ran.returncode} and no message"]
            raise GreenfrontError(f"the export doesn't load in a clean process: {said[-1]}")
        found = load_file(answered)
    return [{name: found[f"{number}.{name}"] for name in names} for number in range(len(inputs))]


def _answers(model: PreTrainedModel, inputs: Sequence[Mapping[str, Tensor]]) -> list[Answers]:
    with torch.inference_mode():
        return [answer_tensors(model, given) for given in inputs]

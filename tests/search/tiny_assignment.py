"""What a worker needs, of the toy classifier: examples, its logits, its library."""

import numpy as np
import torch

from greenfront.config import FineTuneConfig
from greenfront.evaluators import TextExamples, predict
from greenfront.evaluators.text_examples import pack
from greenfront.search.worker import Assignment
from greenfront.spaces import Library
from tests.search.toy_run import SPACE, toy_model, toy_space


def examples(count: int, seed: int) -> TextExamples:
    """Random tokens, 4 to 16 of them; the labels are the toy's own answers."""
    rng = np.random.default_rng(seed)
    tokens, offsets = pack(
        [rng.integers(1, 40, size=int(rng.integers(4, 17))).tolist() for _ in range(count)], np.int32
    )
    unlabelled = TextExamples(tokens, offsets, np.zeros(count, dtype=np.int64))
    labels = predict(toy_model(), unlabelled).argmax(1)
    return TextExamples(tokens, offsets, labels.astype(np.int64))


def assignment(**fine_tune: object) -> Assignment:
    """32 training and 48 validation examples; `fine_tune` replaces these settings."""
    train, validation, model = examples(32, seed=0), examples(48, seed=1), toy_model()
    batches = [train.batch(np.arange(start, start + 8)) for start in range(0, 32, 8)]
    settings = {"steps": 4, "batch_size": 8, "precision": "float32", **fine_tune}
    with torch.random.fork_rng():
        library = Library.compute(model, batches, toy_space(), SPACE)
    return Assignment(
        original=model, library=library, train=train, train_logits=predict(model, train), validation=validation,
        validation_logits=predict(model, validation), fine_tune=FineTuneConfig.model_validate(settings),
        metric="accuracy", seed=0, threads=1,
    )  # fmt: skip

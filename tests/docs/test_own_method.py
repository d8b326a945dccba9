"""The page on adding a compression method: its code is one, by the contract and by an oracle."""

import pytest
import torch

from greenfront.spaces import METHODS
from greenfront.spaces.attention import exact_flops
from tests.docs.pages import DOCS, module_of, python_of
from tests.spaces.attention import random_heads, run

PAGE = DOCS / "how-to" / "own-method.md"
FILE, TEST = python_of(PAGE)
pooled = module_of(PAGE, FILE, "page_pooled")
METHOD = pooled.Pooled()
with pytest.MonkeyPatch.context() as listed:  # as the lines of the page would list it
    listed.setitem(METHODS, METHOD.name, METHOD)
    TestContract = module_of(PAGE, TEST, "page_test_pooled").TestContract


@pytest.fixture(autouse=True)
def is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a test here runs: other tests know of no such method."""
    monkeypatch.setitem(METHODS, METHOD.name, METHOD)


@pytest.mark.parametrize("valid", [[True] * 7, [True] * 5 + [False] * 2, [False] * 5 + [True] * 2])
def test_a_token_attends_to_the_means_of_blocks(valid: list[bool]) -> None:
    query, key, value = random_heads(1, 1, 7, 4, seed=0)
    kept = torch.tensor([valid])
    found = run(pooled.PooledAttention(3), (query, key, value), kept)
    blocks = [[k for k in block if valid[k]] for block in (range(3), range(3, 6), range(6, 7))]
    blocks = [block for block in blocks if block]
    for q in range(7):
        if valid[q]:
            scores = torch.stack([query[0, 0, q] @ key[0, 0, block].mean(0) / 2 for block in blocks])
            shares = (scores.exp() * torch.tensor([float(len(block)) for block in blocks])).double()
            means = torch.stack([value[0, 0, block].mean(0) for block in blocks]).double()
            expected = (shares[:, None] * means).sum(0) / shares.sum()
            torch.testing.assert_close(found[0, 0, q].double(), expected, rtol=1e-4, atol=1e-5)


def test_its_flops_are_those_of_fewer_keys() -> None:
    assert pooled.PooledAttention(4).flops(18, 8, causal=False) == exact_flops(18, 5, 8)

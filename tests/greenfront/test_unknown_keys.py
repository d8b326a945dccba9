"""An unknown key is answered with the valid one that was meant."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenfront.config import (
    BudgetsConfig,
    DataConfig,
    EmbeddingsConfig,
    FineTuneConfig,
    FinishConfig,
    HeadsConfig,
    LinformerConfig,
    LowRankConfig,
    ModelConfig,
    RayConfig,
    ResourcesConfig,
    RunConfig,
    SearchConfig,
    Section,
    SpaceConfig,
    TargetConfig,
    WidthConfig,
    parse_config,
)
from greenfront.errors import ConfigError
from greenfront.yaml_source import nearest
from tests.greenfront.raw_config import minimal

LETTERS = "abcdefghijklmnopqrstuvwxyz_"
SECTIONS: dict[tuple[str, ...], type[Section]] = {
    (): RunConfig,
    ("model",): ModelConfig,
    ("data",): DataConfig,
    ("hardware",): TargetConfig,
    ("budgets",): BudgetsConfig,
    ("space",): SpaceConfig,
    ("space", "low_rank"): LowRankConfig,
    ("space", "embeddings"): EmbeddingsConfig,
    ("space", "linformer"): LinformerConfig,
    ("space", "heads"): HeadsConfig,
    ("space", "width"): WidthConfig,
    ("search",): SearchConfig,
    ("fine_tune",): FineTuneConfig,
    ("finish",): FinishConfig,
    ("ray",): RayConfig,
    ("ray", "resources_per_worker"): ResourcesConfig,
}


def one_edit_away(word: str) -> set[str]:
    """Every word with one letter more, less or another, or two neighbours swapped: by enumeration."""
    cuts = [(word[:n], word[n:]) for n in range(len(word) + 1)]
    return {
        *(a + b[1:] for a, b in cuts if b),
        *(a + b[1] + b[0] + b[2:] for a, b in cuts if len(b) > 1),
        *(a + letter + b[1:] for a, b in cuts if b for letter in LETTERS),
        *(a + letter + b for a, b in cuts for letter in LETTERS),
    } - {word, ""}


def test_every_section_is_among_those_tested() -> None:
    assert set(SECTIONS.values()) == set(Section.__subclasses__())


@given(st.sampled_from(sorted(SECTIONS)), st.data())
def test_an_unknown_key_one_edit_from_a_valid_one_is_answered_with_it(
    place: tuple[str, ...], data: st.DataObject
) -> None:
    valid = set(SECTIONS[place].model_fields)
    meant = data.draw(st.sampled_from(sorted(valid)))
    wrong = data.draw(st.sampled_from(sorted(one_edit_away(meant) - valid)))
    raw = minimal()
    section = raw
    for name in place:
        section[name] = dict(section.get(name, {}))
        section = section[name]
    section[wrong] = 1
    with pytest.raises(ConfigError) as caught:
        parse_config(raw)
    said = re.search(rf"{wrong}: unknown key \(with value 1\); did you mean `(\w+)`\?", str(caught.value))
    assert said is not None
    assert said[1] in valid
    assert wrong in one_edit_away(said[1])


@given(st.text(LETTERS, max_size=8), st.lists(st.text(LETTERS, max_size=8), max_size=6))
def test_nearest_is_one_of_the_valid_words_or_none(word: str, valid: list[str]) -> None:
    found = nearest(word, valid)
    assert found is None or found in valid
    if word in valid:
        assert found is not None
    if any(word in one_edit_away(candidate) for candidate in valid):
        assert found == word or word in one_edit_away(str(found))

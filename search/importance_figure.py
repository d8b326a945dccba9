"""What a study's parameters matter, as tables: by kind, and by layer where parameters are of layers."""

from collections.abc import Sequence

from greenfront.search import wording
from greenfront.search.history import History
from greenfront.search.importance import ENOUGH, Importance, importances, says_all, scored
from greenfront.search.markup import Bar, table

MOST_KINDS = 15
"""So many kinds are shown, the most important ones."""


def importance_tables(history: History) -> list[str]:
    """By kind and by layer, as markup; none where trials are too few."""
    trials = scored(history)
    if len(trials) < ENOUGH:
        return []
    by_kind, by_layer = importances(trials)
    groups = (("kinds", "Importance by kind", by_kind[:MOST_KINDS]), ("layers", "Importance by layer", by_layer))
    return [_table(title, f"importance-{name}", group) for name, title, group in groups if group]


def importance_words(history: History) -> str:
    """What is shown, or why nothing is."""
    count = len(scored(history))
    trials = wording.counted(count, "scored trial")
    if not all(says_all(each.trial) for each in history.tried):
        trials += " of the sampler's own"
    if count < ENOUGH:
        return f"With {trials} it can't be told from chance which parameters matter; from {ENOUGH} on it stands here."
    return (
        f"How much the parameters tell the better half of {trials}, by divergence, from the rest, as a "
        f"share of what all of them tell (PED-ANOVA). What chance comes to is said beside it: the same trials "
        f"with their divergences shuffled come to as much."
    )


def _table(title: str, name: str, found: Sequence[Importance]) -> str:
    head = ("parameters", "share of the importance", "by chance, at most", "told from chance", "how many")
    rows = [
        (each.name, Bar(each.share), wording.share(each.chance), "yes" if each.told else "no",
         str(each.parameters))
        for each in found
    ]  # fmt: skip
    return table(title, name, head, rows)

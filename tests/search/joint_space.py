"""A small space in which settings depend on each other."""

from greenfront.spaces import Choice, Site, Space
from greenfront.spaces.method import Reduction


def joint_space() -> Space:
    """A layer that may be skipped, an attention whose heads may go, two linears with ranks and bits."""
    layer, attention = Site("l", "layer", (9, 9), "Layer"), Site("l.a", "attention", (3, 8), "Attention")
    query, output = Site("l.a.q", "linear", (24, 24), "Linear"), Site("l.o", "linear", (24, 24), "Linear")
    gone = (Reduction("l.a", "all", 1, "skip", "attention"), Reduction("l.o", "all", 1, "skip", "attention"))
    heads = (Reduction("l.a.q", "out", 8, "heads"), Reduction("l.o", "in", 8, "heads"))
    ranks, bits = ({"rank": 4}, {"rank": 8}), ({"bits": 8},)
    return Space(
        (
            Choice(layer, "blocks", ({"skip": "attention"},), gone),
            Choice(attention, "heads", ({"heads": 1}, {"heads": 2}), heads),
            Choice(query, "low_rank", ranks),
            Choice(query, "bits", bits),
            Choice(output, "low_rank", ranks),
            Choice(output, "bits", bits),
        )
    )


JOINT = joint_space()

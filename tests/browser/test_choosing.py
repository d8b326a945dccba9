"""The page names whom `greenfront select` names, under whatever budgets its lines are dragged to."""

import itertools
import random
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from greenfront.config import COST_OF, HIGHER_IS_BETTER, BudgetsConfig
from greenfront.cost_names import DIMENSION_OF
from greenfront.errors import BudgetError
from greenfront.search import wording
from greenfront.search.front import Front, mark_front
from greenfront.search.report import write_report
from greenfront.search.select import select
from greenfront.units import parse_bound, parse_share
from tests.browser.pages import Browser, Opened
from tests.search.front_builder import NO_BUDGETS, build_candidate, build_front, build_plan, judged

UNITS = {name: wording.WORDS[cost].unit for name, cost in COST_OF.items()}
ASK = """(cases) => cases.map(([texts, targets]) => {
  const asked = {...view.budgets};
  for (const [name, text] of Object.entries(texts)) {
    const cost = costNamed(name);
    asked[name] = cost ? {value: parseFloat(text) * cost.scale, relative: false, text}
      : {value: parseFloat(text) / 100, relative: true, text};
  }
  const found = selection(asked, targets);
  return {
    id: found.chosen?.id ?? null, reason: found.reason ?? null, lost: found.lost ?? null, slack: found.slack,
    closest: found.closest?.id ?? null, binding: found.binding ?? null,
  };
})"""


def selected(front: Front, texts: dict[str, str], target: str | None = None) -> tuple[str | None, str]:
    """Whom `select` chooses under these budgets, None for nobody; and what it says."""
    drop = parse_share(texts["accuracy_drop"], "drop") if "accuracy_drop" in texts else None
    bounds: dict[str, Any] = {
        name: parse_bound(text, DIMENSION_OF[name], name) for name, text in texts.items() if name in COST_OF
    }
    try:
        found = select(front, accuracy_drop=drop, target=target, **bounds)
    except BudgetError as error:
        return None, str(error)
    return found.candidate.id, " ".join(found.reasons)


def asked_of_both(page: Any, front: Front, cases: list[dict[str, str]], target: str | None) -> None:
    """The same questions to page and command line; every answer with its reasons has to be the same."""
    targets = list(front.targets) if target is None else [target]
    answers = page.evaluate(ASK, [[texts, targets] for texts in cases])
    named = set()
    for texts, answer in zip(cases, answers, strict=True):
        id_, said = selected(front, texts, target)
        if id_ is None:
            assert answer["id"] is None, texts
            assert f"closest is {answer['closest']}" in said
        else:
            assert answer["id"] == id_, texts
            assert f"Chosen {id_}: {answer['reason']}." in said
            assert answer["lost"] is None or f"lost: {answer['lost']}." in said
        named.add(id_)
    assert len(named) > 3  # or the cases ask nothing


def random_cases(front: Front, count: int, seed: int) -> list[dict[str, str]]:
    """Up to three budgets each, near the costs of some candidate."""
    rng = random.Random(seed)
    target, cases = front.target, []
    for _ in range(count):
        texts = {}
        for name in rng.sample(sorted(COST_OF), rng.randint(0, 3)):
            near = rng.choice((front.original, *front.candidates)).costs()[target].value(COST_OF[name])
            value = near * rng.choice((0.8, 1.0, 1.0001, 1.2)) / wording.WORDS[COST_OF[name]].scale
            texts[name] = wording.number(value) + UNITS[name]
        if rng.random() < 0.5:
            texts["accuracy_drop"] = f"{rng.uniform(0.01, 8):.2f}%"
        cases.append(texts)
    return cases


def tangled_front(targets: tuple[str, ...], budgets: BudgetsConfig, objectives: tuple[str, ...]) -> Front:
    """Many candidates of equal scores and costs, many of them tied, each target with its own front."""
    rng = random.Random(5)
    original = build_front((), targets=targets).original
    made = []
    for number in range(40):
        step = rng.randrange(6)
        made.append(
            build_candidate(
                build_plan(number), latency_ms=(2.0, 3.0, 5.0, 8.0, 13.0, 15.0)[step], size_mb=rng.choice((30.0, 45.0)),
                validation=0.87 + 0.01 * (step + rng.randrange(2)), verified=number < 30, targets=targets,
            )
        )  # fmt: skip
    ids = [candidate.id for candidate in made]
    tied = [replace(c, tied=tuple(rng.sample([i for i in ids if i != c.id], 3))) for c in made]
    found = mark_front([judged(c, original, budgets) for c in tied], objectives, targets[0])
    further = {t: {c.id for c in mark_front(found, objectives, t) if c.on_front} for t in targets[1:]}
    found = tuple(replace(c, other_fronts=tuple(t for t in targets[1:] if c.id in further[t])) for c in found)
    return Front(judged(original, original, budgets), found, "accuracy", targets, budgets, objectives)


@pytest.mark.parametrize(
    ("objectives", "budgets", "targets"),
    [
        (("accuracy", "latency"), BudgetsConfig.model_validate({"latency": "70%", "accuracy_drop": "5%"}), ("a", "b")),
        (("accuracy", "throughput"), BudgetsConfig.model_validate({"accuracy": 0.9}), ("a",)),
        (("accuracy", "size"), NO_BUDGETS, ("a",)),
    ],
    ids=["two targets", "throughput", "size"],
)
def test_the_rule_is_that_of_select(
    objectives: tuple[str, ...], budgets: BudgetsConfig, targets: tuple[str, ...], browser: Browser, tmp_path: Path
) -> None:
    front = tangled_front(targets, budgets, objectives)
    write_report(front, tmp_path / "report.html", run_info={})
    with browser.opened(tmp_path / "report.html") as opened:
        for seed, target in enumerate((None, *targets)):
            asked_of_both(opened.page, front, random_cases(front, 150, seed), target)


def test_numbers_are_written_as_everywhere_else(page: Opened) -> None:
    rng = random.Random(1)
    values = [rng.uniform(0.1, 10) * 10.0 ** rng.randint(-5, 6) for _ in range(200)] + [0.0, 1.0, 999.5, 0.9995, 1000.0]
    written = page.page.evaluate("values => values.map(number)", values)
    assert written == [wording.number(value) for value in values]
    pairs = list(itertools.pairwise(values))
    for name, cost in COST_OF.items():
        compared = page.page.evaluate(
            "([name, pairs]) => pairs.map(([a, b]) => compared(costNamed(name), a, b))", [name, pairs]
        )
        assert compared == [wording.compared(cost, a, b) for a, b in pairs]
        assert page.page.evaluate("name => costNamed(name).higher", name) == (name in HIGHER_IS_BETTER)
    assert page.page.evaluate("() => [score(0.9125), score(null), share(0.1239)]") == ["0.912", "-", "12.4%"]


def by_command(front: Front, line: str) -> tuple[str | None, str]:
    """What the command answers that the page shows: `greenfront select RUN --latency 3ms ...`."""
    words = line.split()
    assert words[:2] == ["greenfront", "select"]
    return selected(front, {words[at][2:].replace("-", "_"): words[at + 1] for at in range(3, len(words), 2)})


def question(page: Any) -> str:
    return str(page.locator("#answer code").last.text_content())


def test_a_dragged_line_names_whom_select_names(page: Opened, everything: tuple[Front, Path]) -> None:
    front, tab = everything[0], page.page
    seen = set()
    assert page.named() == by_command(front, question(tab))[0]
    for name, along in (("latency", (1, 0)), ("accuracy_drop", (0, 1))):
        handle = f"[data-budget={name}] circle"
        for step in (-60, -60, -60, 90, -140):
            box = tab.locator(handle).bounding_box()
            x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
            tab.mouse.move(x, y)
            tab.mouse.down()
            tab.mouse.move(x + along[0] * step, y + along[1] * step, steps=3)
            tab.mouse.up()
            line = question(tab)
            assert f"--{name.replace('_', '-')} " in line
            expected, said = by_command(front, line)
            if expected is None:
                assert f"closest is {page.named()}" in said
                assert "What binds:" in tab.text_content("#why")
            else:
                assert page.named() == expected
                assert f"export {everything[1].parent} {expected} --to {expected}" in tab.text_content("#answer")
            seen.add(page.named())
    assert len(seen) > 2


def test_a_line_moves_by_keys_and_goes_back(page: Opened, everything: tuple[Front, Path]) -> None:
    front, tab = everything[0], page.page
    before = page.named()
    line = tab.locator("[data-budget=latency]")
    line.focus()
    at_first = float(line.get_attribute("aria-valuenow"))
    seen = set()
    for _ in range(5):
        tab.keyboard.press("PageDown")
        seen.add(page.named())
        expected, said = by_command(front, question(tab))
        assert page.named() == expected or f"closest is {page.named()}" in said
    now = float(line.get_attribute("aria-valuenow"))
    assert now < at_first
    assert seen - {before}
    assert line.get_attribute("aria-valuetext").startswith("latency at most ")
    tab.keyboard.press("ArrowRight")
    assert now < float(line.get_attribute("aria-valuenow")) < at_first
    tab.keyboard.press("Delete")
    assert page.named() == before
    assert float(line.get_attribute("aria-valuenow")) == pytest.approx(at_first)


def test_a_budget_is_typed_on_any_axis(page: Opened, everything: tuple[Front, Path]) -> None:
    front, tab = everything[0], page.page
    tab.select_option("#x", "memory")
    tab.fill("#bound-size", "60")
    tab.press("#bound-size", "Enter")
    assert "--size 60MB" in question(tab)
    assert page.named() == by_command(front, question(tab))[0]
    assert "size at most 60.0 MB" in tab.text_content("#answer")
    tab.fill("#bound-size", "")
    tab.press("#bound-size", "Enter")
    assert "--size" not in question(tab)


def test_a_looser_budget_than_the_runs_finds_nothing_new_and_says_so(page: Opened) -> None:
    page.page.fill("#bound-latency", "19")
    page.page.press("#bound-latency", "Enter")
    assert "Looser than the run's own latency" in page.page.text_content("#answer")


def test_a_run_without_a_feasible_candidate_says_what_binds(browser: Browser, tmp_path: Path) -> None:
    budgets = BudgetsConfig.model_validate({"latency": "1 ms", "size": "60 MB"})
    front = build_front(budgets=budgets)
    write_report(front, tmp_path / "report.html", run_info={"run": "r"})
    with pytest.raises(BudgetError) as raised:
        select(front)
    with browser.opened(tmp_path / "report.html") as opened:
        assert "No candidate meets every budget. The closest is" in opened.page.text_content("#answer")
        assert f"closest is {opened.named()}" in str(raised.value)
        assert "What binds: latency at most 1.00 ms" in opened.page.text_content("#why")
        assert "the binding bound is latency at most 1.00 ms" in str(raised.value)


def test_a_page_that_was_moved_names_the_folder_where_it_lies(
    browser: Browser, everything: tuple[Front, Path], tmp_path: Path
) -> None:
    moved = tmp_path / "elsewhere with a space"
    shutil.copytree(everything[1].parent, moved)
    with browser.opened(moved / "report.html") as opened:
        line = str(opened.page.locator("#answer code").first.text_content())
        assert line.startswith(f"greenfront export '{moved}' ")
        assert opened.page.is_visible("#moved")
        opened.page.fill("#folder", "runs/mine")
        assert "greenfront export runs/mine " in opened.page.text_content("#answer")
    with browser.opened(everything[1]) as opened:
        assert not opened.page.is_visible("#moved")

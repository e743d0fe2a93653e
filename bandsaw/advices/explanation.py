"""Explanations of cache hits and misses: the differences from the kept results."""

from __future__ import annotations

from ..exceptions import keyword_only
from ..stores.results import DAMAGED, TOO_OLD, parts_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterable, Mapping, Sequence

    from ..stores.results import CacheKey, Description, Miss, ResultStore

    Parts = Mapping[str, Sequence[str]]

# How many entries of a task are looked at, the newest ones.
_MOST_ENTRIES = 1000

_NAMES_OF_FACTS = {
    "python": "the version of Python",
    "environment": "where the task runs",
    "counts": "what of the code counts",
}


class Difference:
    """A difference between a call and one whose result is kept.

    Attributes:
        kind: One of `"argument"`, `"code"`, `"package"`, `"python"`, `"environment"`
            and `"counts"`.
        name: Which one it is, e.g. the name of the argument or of the function.
        old: What it was, as text; `None` if it was not there.
        new: What it is now, as text; `None` if it is not there any more.
    """

    @keyword_only("kind", "name", "old", "new")
    def __init__(
        self, *, kind: str, name: str, old: str | None, new: str | None
    ) -> None:
        self.kind = kind
        self.name = name
        self.old = old
        self.new = new

    def to_json(self) -> dict[str, str | None]:
        """Return the difference as plain data."""
        return dict(vars(self))

    def __str__(self) -> str:
        subject = f"{self.kind} {self.name}"
        if self.kind in _NAMES_OF_FACTS:
            subject = self.name
        if self.old is None:
            return f"{subject} is new"
        if self.new is None:
            return f"{subject} is gone"
        if "\n" in self.old + self.new:
            return f"{subject} has changed:\n{_diff(self.old, self.new)}"
        if self.old == self.new:
            return f"{subject} has changed, though its text is the same: {self.new}"
        return f"{subject} has changed from {self.old} to {self.new}"

    def __repr__(self) -> str:
        return f"<Difference {self.kind} {self.name}>"


class Explanation:
    """The answer of a cache to the question why.

    Attributes:
        is_hit: Whether the call is answered from the cache.
        task: The name of the task.
        place: Where the result is kept that answers the call, or the nearest one;
            `None` if there is none.
        differences: In what the call differs from the nearest one whose result is kept,
            as far as it counts.
        reason: Why there is no answer, when that is no difference.
        nearest: What is written down of the nearest call, `None` if there is none.
        unseen: What the code uses that could not be looked at, by name, and why. It
            counts by its assignment in the source.
    """

    @keyword_only("is_hit", "place", "differences", "reason", "nearest", "unseen")
    def __init__(
        self,
        task: str,
        *,
        is_hit: bool = False,
        place: str | None = None,
        differences: Iterable[Difference] = (),
        reason: str | None = None,
        nearest: dict[str, Any] | None = None,
        unseen: dict[str, str] | None = None,
    ) -> None:
        self.task = task
        self.is_hit = is_hit
        self.place = place
        self.differences = list(differences)
        self.reason = reason
        self.nearest = nearest
        self.unseen = unseen or {}

    def to_json(self) -> dict[str, Any]:
        """Return the explanation as plain data."""
        return {
            **vars(self),
            "differences": [difference.to_json() for difference in self.differences],
        }

    def __str__(self) -> str:
        lines = [f"{self.task} is not answered from the cache."]
        if self.is_hit:
            lines = [f"{self.task} is answered from {self.place}."]
        if self.reason is not None:
            lines.append(f"{self.reason[0].upper()}{self.reason[1:]}.")
        if self.differences:
            lines.append(f"It differs from {self.place}:")
            lines += [_indented(f"- {item}") for item in self.differences]
        if self.unseen:
            lines.append("Not looked at:")
            unseen = sorted(self.unseen.items())
            lines += [_indented(f"- {name}: {reason}") for name, reason in unseen]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<Explanation {self.task} {'hit' if self.is_hit else 'miss'}>"


def explain_miss(
    results: ResultStore, key: CacheKey, miss: Miss, description: Description
) -> Explanation:
    """Compare a call with what is kept for its task.

    Args:
        results: Where the results are kept.
        key: The key of the call.
        miss: Why it has no result.
        description: What would be written down of the call.

    Returns:
        The differences from the entry with the fewest of them, of equally near ones
        from the newest.
    """
    parts = parts_of(description.code)
    explanation = _nearest(results, key.task_id, description.record, parts)
    if miss.reason in (DAMAGED, TOO_OLD):
        explanation.reason = f"its entry is {miss.reason}"
    return explanation


def _nearest(
    results: ResultStore, task_id: str, record: dict[str, Any], parts: Parts
) -> Explanation:
    task = record["task"]
    best: Explanation | None = None
    for name, old in _records(results, f"{task_id}/"):
        differences = _differences(results, old, record, parts)
        if best is None or len(differences) < len(best.differences):
            place = results.location(name)
            best = Explanation(task, place=place, differences=differences, nearest=old)
    if best is not None:
        return best
    for name, old in _records(results, ""):
        if old.get("task") == task:
            return Explanation(
                task,
                place=results.location(name),
                reason="results are kept for a task of this name with another id: its "
                "version, or the code of a local function, was another one",
                nearest=old,
            )
    return Explanation(task, reason="nothing is kept for this task")


def _records(results: ResultStore, prefix: str) -> Iterable[tuple[str, dict[str, Any]]]:
    """Return the records of the newest entries that are whole, each with its name."""
    items = results.items(prefix)
    items.sort(key=lambda item: item.written, reverse=True)
    for item in items[:_MOST_ENTRIES]:
        entry = results.entry(item.name)
        if entry is not None:
            yield item.name, entry.record


def _without(text: str, other: str) -> str | None:
    """Return what a list has that another one has not, `None` if that is nothing.

    An environment may have hundreds of packages.
    """
    others = other.split(", ")
    return ", ".join(part for part in text.split(", ") if part not in others) or None


def _differences(
    results: ResultStore, old: dict[str, Any], new: dict[str, Any], parts: Parts
) -> list[Difference]:
    found = list(_argument_differences(old["arguments"], new["arguments"]))
    # What is installed here does not matter to a task that runs elsewhere.
    if new.get("environment") is None and old.get("environment") is None:
        found += _changes("package", old.get("packages", {}), new["packages"])
    for fact, subject in _NAMES_OF_FACTS.items():
        is_compared = fact != "python" or new.get("compare_python")
        if is_compared and old.get(fact) != new.get(fact):
            was, now = str(old.get(fact)), str(new.get(fact))
            found.append(
                Difference(
                    kind=fact,
                    name=subject,
                    old=_without(was, now),
                    new=_without(now, was),
                )
            )
    if old.get("document") != new.get("document"):
        document = old.get("document")
        before = {} if document is None else results.parts(document)
        if before is None:
            text = "what was not written down"
            found.append(
                Difference(
                    kind="code", name="of the task", old=text, new="what it is now"
                )
            )
        else:
            found += _code_differences(before, parts)
    return found


def _argument_differences(old: Parts, new: Parts) -> Iterable[Difference]:
    for name in sorted({*old, *new}):
        before, after = old.get(name), new.get(name)
        if before is None or after is None or before[0] != after[0]:
            yield Difference(
                kind="argument",
                name=name,
                old=None if before is None else before[1],
                new=None if after is None else after[1],
            )


def _changes(
    kind: str, old: Mapping[str, str], new: Mapping[str, str]
) -> Iterable[Difference]:
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            yield Difference(kind=kind, name=name, old=old.get(name), new=new.get(name))


def _code_differences(old: Parts, new: Parts) -> Iterable[Difference]:
    for name in sorted({*old, *new}):
        before, after = old.get(name), new.get(name)
        if before is None or after is None or before[1] != after[1]:
            yield Difference(
                kind="code",
                name=name,
                old=None if before is None else before[2],
                new=None if after is None else after[2],
            )


def _diff(old: str, new: str) -> str:
    import difflib

    lines = difflib.unified_diff(
        old.splitlines(), new.splitlines(), "before", "now", lineterm="", n=2
    )
    return "\n".join(lines)


def _indented(text: str) -> str:
    first, *others = text.split("\n")
    return "\n".join([first, *[f"  {line}" for line in others]])

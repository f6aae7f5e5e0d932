"""Which speakers tune: the dev speakers of each fold, chosen so that all take their turn."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Mapping, Sequence


def choose(
    tests: Sequence[set[str]],
    sex: Mapping[str, str],
    mates: Mapping[str, set[str]],
    wanted: int,
    seed: int,
) -> tuple[list[set[str]], str]:
    """Dev speakers of each fold, and a remark that says how many and of which sex.

    A speaker who shares a session with a test speaker cannot train and is the dev speaker
    (IEMOCAP's usual protocol), unless that took more than half of the speakers. Everywhere else
    dev takes both sexes in turn as long as one of the sex is left to train, and within a sex each
    is dev equally often, to within one where that can be.

    Args:
        tests: the test speakers of each fold.
        sex: of every speaker, 'f', 'm' or '?'.
        mates: speaker -> those with whom he shares a session.
        wanted: dev speakers a fold; at most half of those that are not test.
        seed: of the order in which speakers take their turns.

    Returns:
        One set a fold, empty where test leaves fewer than two speakers.
    """
    order = seeded_order(sex, seed)
    count = dict.fromkeys(order, 0)
    dev: list[set[str]] = []
    free: list[set[str]] = []
    for turn, test in enumerate(tests):
        others = [s for s in order if s not in test]
        partners = {m for t in test for m in mates.get(t, ())} - test
        if 0 < len(partners) <= len(others) // 2:
            dev.append(partners)
            free.append(set())
        else:
            quota = _sex_quota(others, sex, min(wanted, len(others) // 2), turn)
            chosen: set[str] = set()
            for one, n in quota.items():
                pool = sorted((s for s in others if sex[s] == one), key=lambda s: count[s])
                chosen.update(pool[:n])
            dev.append(chosen)
            free.append(set(others))
        for s in dev[-1]:
            count[s] += 1
    _even_out(dev, free, sex)
    sizes = sorted({len(d) for d in dev})
    remark = f"{' to '.join(map(str, sizes))} dev speaker{'s' * (sizes != [1])} a fold"
    if sizes[0] < wanted:
        remark += f" ({wanted} asked for: too few speakers)"
    if not all(free):
        remark += ", those of the test speakers' session"
    both = sum(len({sex[s] for s in d}) > 1 for d in dev)
    return dev, f"{remark}, both sexes in {both} of {len(dev)} folds"


def seeded_order(items: Iterable[str], seed: int) -> list[str]:
    """The items in an order that `seed` decides.

    By a hash and not a random generator: the order is the same in every version of every library.
    """
    return sorted(items, key=lambda s: hashlib.sha256(f"{seed}:{s}".encode()).hexdigest())


def _sex_quota(
    others: Sequence[str], sex: Mapping[str, str], size: int, turn: int
) -> dict[str, int]:
    """How many dev speakers of each sex: in turn, and not a sex's last speaker if avoidable."""
    left: dict[str, int] = {}
    for s in sorted(others):
        left[sex[s]] = left.get(sex[s], 0) + 1
    kinds = sorted(left)
    quota = dict.fromkeys(kinds, 0)
    for _ in range(size):
        spare = [q for q in kinds if left[q] >= 2] or [q for q in kinds if left[q]]
        pick = min(spare, key=lambda q: (quota[q], -left[q], (kinds.index(q) + turn) % len(kinds)))
        quota[pick] += 1
        left[pick] -= 1
    return quota


def _even_out(dev: list[set[str]], free: Sequence[set[str]], sex: Mapping[str, str]) -> None:
    """Exchange dev speakers, in place, until no chain of exchanges makes the counts more even.

    An edge a -> b stands for a fold where b, of a's sex, could be dev instead of a. A path from a
    speaker who is dev often to one who is dev at least twice less is such a chain; each one
    lowers the sum of squared counts, so this ends, and it ends at the optimum (it is a flow).
    """
    while True:
        count = {s: sum(s in d for d in dev) for s in sex}
        chains = (_chain(s, dev, free, sex, count) for s in sorted(sex, key=lambda s: -count[s]))
        path = next((chain for chain in chains if chain), None)
        if path is None:
            return
        for a, b, k in path:
            dev[k].remove(a)
            dev[k].add(b)


def _chain(
    start: str,
    dev: Sequence[set[str]],
    free: Sequence[set[str]],
    sex: Mapping[str, str],
    count: Mapping[str, int],
) -> list[tuple[str, str, int]] | None:
    came: dict[str, tuple[str, int]] = {start: ("", -1)}
    queue = deque([start])
    while queue:
        a = queue.popleft()
        if count[a] <= count[start] - 2:
            steps = []
            while a != start:
                before, k = came[a]
                steps.append((before, a, k))
                a = before
            return steps
        for k, members in enumerate(dev):
            if a in members and a in free[k]:
                for b in sorted(free[k] - members - set(came)):
                    if sex[b] == sex[a]:
                        came[b] = (a, k)
                        queue.append(b)
    return None

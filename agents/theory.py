"""What voting costs and how surely it succeeds (MAKER sections 3.2 and 4; facts E3-E9).

p is the chance that a valid answer is right, v that an answer is valid (not red-flagged), s the
number of dependent steps, k the margin of the vote, t the wanted chance that all steps are right.
The model is the paper's: one right candidate against one wrong one, so p > 0.5 is required. With
the wrong mass spread over several answers the vote does better than these formulas say.

Powers and logarithms are taken of small differences throughout (``log1p``, ``expm1``), since at a
million steps ``t ** (-1 / s) - 1`` is about 5e-8.
"""

from math import ceil, exp, expm1, inf, log, log1p, sqrt


def _odds_log(p: float) -> float:
    """ln((1-p)/p): negative for p > 0.5, -inf at certainty."""
    return -inf if p >= 1 else log((1 - p) / p)


def step_success(p: float, k: int) -> float:
    """Chance that the vote on one step is right: 1 / (1 + ((1-p)/p)^k) (E3)."""
    if p <= 0:
        return 0.0
    return 1 / (1 + exp(min(700.0, k * _odds_log(p))))


def run_success(p: float, k: int, steps: int) -> float:
    """Chance that all ``steps`` votes are right (E4 with one step per call)."""
    if p <= 0:
        return 0.0
    return exp(-steps * log1p(exp(min(700.0, k * _odds_log(p)))))


def exact_k(p: float, steps: int, target: float) -> float:
    """The real-valued margin that meets ``target`` exactly (E5); inf for p <= 0.5."""
    if not 0 < target < 1:
        raise ValueError(f"target must lie between 0 and 1, not {target}")
    if p <= 0.5:
        return inf
    if p >= 1:
        return 0.0
    return log(expm1(-log(target) / steps)) / _odds_log(p)


def k_min(p: float, steps: int, target: float) -> int | None:
    """The least margin that meets ``target`` (E5), or None when no margin does (p <= 0.5)."""
    k = exact_k(p, steps, target)
    return None if k == inf else max(1, ceil(k - 1e-12))


def expected_votes(p: float, k: int) -> float:
    """Mean number of valid votes until one of two candidates is k ahead (E9, exact)."""
    if abs(2 * p - 1) < 1e-9:
        return float(k * k)
    if p >= 1 or p <= 0:
        return float(k)
    ratio = ((1 - p) / p) if p > 0.5 else (p / (1 - p))
    power = ratio**k
    return k / abs(2 * p - 1) * (1 - power) / (1 + power)


def expected_samples(p: float, v: float, k: int) -> float:
    """Mean number of samples, red-flagged ones included, for one step (E7)."""
    return expected_votes(p, k) / v if v > 0 else inf


def expected_rounds(p: float, v: float, k: int) -> float:
    """Mean rounds of sampling until ahead-by-k decides, each asking for the least that could.

    A round at margin d asks for k - |d| answers at once. The mean number of rounds from each margin
    solves a linear system, here by repetition; a few dozen sweeps reach double precision.
    """
    if not 0 < v <= 1:
        return inf
    chances = {d: _margins(p, v, d, k) for d in range(1 - k, k)}
    rounds = dict.fromkeys(chances, 1.0)
    for _ in range(10_000):
        change = 0.0
        for d, nexts in chances.items():
            new = 1 + sum(chance * rounds.get(to, 0.0) for to, chance in nexts)
            change = max(change, abs(new - rounds[d]))
            rounds[d] = new
        if change < 1e-9:
            break
    return rounds[0]


def _margins(p: float, v: float, d: int, k: int) -> list[tuple[int, float]]:
    """Margins still undecided after one round at margin ``d``, with their chances."""
    spread = {d: 1.0}
    for _ in range(k - abs(d)):
        after: dict[int, float] = {}
        for margin, chance in spread.items():
            for to, share in ((margin + 1, v * p), (margin - 1, v * (1 - p)), (margin, 1 - v)):
                after[to] = after.get(to, 0.0) + chance * share
        spread = after
    return [(margin, chance) for margin, chance in spread.items() if abs(margin) < k and chance]


def wilson(successes: int, trials: int, z: float = 1.959963984540054) -> tuple[float, float]:
    """Wilson's score interval of a proportion; (0, 1) without trials."""
    if trials == 0:
        return 0.0, 1.0
    share = successes / trials
    centre = share + z * z / (2 * trials)
    spread = z * sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    low = 0.0 if successes == 0 else (centre - spread) / scale
    high = 1.0 if successes == trials else (centre + spread) / scale
    return low, high

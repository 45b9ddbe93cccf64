"""Computes, with scipy on the raw data, what `tests/drift.rs` expects of the drift statistics.

    drift.py        writes drift.json beside this file

Needs requirements.txt. Of each pair of samples, drawn with a fixed seed (null is missing):

    ks           ks_2samp(method="asymp").statistic of the numbers
    ks_p         kstwobign.sf(statistic * sqrt(nm / (n + m)))
    z, z_p       difference of the means over sqrt(s1^2 / n + s2^2 / m); 2 norm.sf(|z|); none where nothing varies
    deviations   the same difference over the standard deviation of the reference; none where that is 0
    bins         counts of both: missing, below the reference's least number, tenths of the reference, above its largest
    psi          sum of (q - p) ln(q / p) of the bins, with p = 0.99 count / n + 0.01 / bins
    js           distance.jensenshannon(base=2) of the bins
and of each table of two rows of counts:
    chi2, degrees, p_value        chi2_contingency(correction=False), of a table that has no rare columns
    v            association(method="cramer") of the two rows of shares, each as many
    js           as above
and          benjamini_hochberg: [p values, false_discovery_control of them]; wilson: [part, all, low, high] by binomtest
"""

import json
import math
import pathlib

import numpy
from scipy import stats
from scipy.spatial import distance

HERE = pathlib.Path(__file__).parent
random = numpy.random.default_rng(7)


def samples():
    """Name, reference and current."""
    normal, poisson = random.normal, random.poisson
    yield "equal normal", normal(size=1500), normal(size=700)
    yield "shifted normal", normal(size=1500), normal(0.4, 1, size=700)
    yield "wider", normal(size=1500), normal(0, 1.6, size=700)
    yield "heavy tail", random.pareto(1.2, size=1500), random.pareto(1.1, size=700)
    yield "far from 0", 1e6 + normal(size=1500), 1e6 + normal(0.1, 1, size=700)
    yield "counts", poisson(0.1, size=1500), poisson(0.3, size=700)
    yield "counts, more of them", poisson(3.0, size=1500), poisson(3.1, size=700)
    yield "between the edges", random.integers(0, 4, size=900), random.integers(0, 7, size=300) / 2
    yield "constant", numpy.full(800, 3.0), numpy.full(600, 3.0)
    yield "constant, moved", numpy.full(800, 3.0), numpy.full(600, 4.0)
    yield "constant, then not", numpy.full(800, 3.0), normal(3.0, 1.0, size=600)
    yield "shares", random.beta(0.2, 0.9, size=1500).round(3), random.beta(0.25, 0.9, size=700).round(3)
    few = poisson(2.0, size=900).astype(float)
    few[random.random(900) < 0.1] = numpy.nan
    more = poisson(2.0, size=500).astype(float)
    more[random.random(500) < 0.3] = numpy.nan
    yield "missing", few, more


def binned(reference, current):
    """Tenths end on the number that completes one: a number is in one bin only."""
    numbers = numpy.sort(reference[~numpy.isnan(reference)])
    # The edges that Assize counts on: a tenth ends on one.
    ranks = sorted({max(1, math.ceil(part * len(numbers) / 256)) - 1 for part in range(257)})
    ends, part = [], 1
    for edge in numpy.unique(numbers[ranks]):
        up_to = int((numbers <= edge).sum())
        if 10 * up_to >= part * len(numbers):
            ends.append(edge)
            part = 10 * up_to // len(numbers) + 1

    def counts(values):
        present = values[~numpy.isnan(values)]
        inside = present[(present >= numbers[0]) & (present <= numbers[-1])]
        places = numpy.bincount(numpy.searchsorted(ends, inside), minlength=len(ends))
        below, above = (present < numbers[0]).sum(), (present > numbers[-1]).sum()
        return [int(c) for c in [len(values) - len(present), below, *places, above]]

    return counts(reference), counts(current)


def psi(ours, theirs):
    p, q = (0.99 * numpy.array(row) / sum(row) + 0.01 / len(row) for row in (ours, theirs))
    return float(((q - p) * numpy.log(q / p)).sum())


def number(name, reference, current):
    reference, current = numpy.asarray(reference, float).round(5), numpy.asarray(current, float).round(5)
    a, b = reference[~numpy.isnan(reference)], current[~numpy.isnan(current)]
    ks = float(stats.ks_2samp(a, b, method="asymp").statistic)
    ks_p = float(stats.kstwobign.sf(ks * math.sqrt(len(a) * len(b) / (len(a) + len(b)))))
    difference, error = b.mean() - a.mean(), math.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b))
    z = float(difference / error) if error > 0 else None
    ours, theirs = binned(reference, current)
    return dict(
        name=name,
        reference=[None if math.isnan(x) else float(x) for x in reference],
        current=[None if math.isnan(x) else float(x) for x in current],
        ks=ks,
        ks_p=ks_p,
        z=z,
        z_p=None if z is None else float(2 * stats.norm.sf(abs(z))),
        deviations=float(difference / a.std(ddof=1)) if a.std(ddof=1) > 0 else None,
        bins=[list(pair) for pair in zip(ours, theirs)],
        psi=psi(ours, theirs),
        js=float(distance.jensenshannon(ours, theirs, base=2)),
    )


def table(rows):
    found = stats.chi2_contingency(rows, correction=False)
    # Whole numbers that are in the ratio of the shares.
    shares = [[count * sum(rows[1]) for count in rows[0]], [count * sum(rows[0]) for count in rows[1]]]
    return dict(
        pairs=[list(pair) for pair in zip(*rows)],
        chi2=float(found.statistic),
        degrees=int(found.dof),
        p_value=float(found.pvalue),
        v=float(stats.contingency.association(numpy.array(shares), method="cramer")),
        js=float(distance.jensenshannon(*rows, base=2)),
    )


def main():
    tables = [
        [[900, 100], [450, 50]],
        [[900, 100], [430, 70]],
        [[500, 300, 200], [480, 350, 170]],
        [[500_000, 300_000, 200_000], [400, 350, 250]],
        [[100, 200, 300, 400, 500], [500, 400, 300, 200, 100]],
        [[random.integers(50, 500) for _ in range(40)] for _ in range(2)],
    ]
    p_values = [[0.01, 0.04, 0.03, 0.9], [0.5], [0.0, 0.0, 1.0], random.random(30).round(4).tolist()]
    shares = [(0, 10), (10, 10), (1, 3), (50, 100), (999, 1000), (3, 10_000)]

    def wilson(part, whole):
        interval = stats.binomtest(part, whole).proportion_ci(method="wilson")
        return [part, whole, float(interval.low), float(interval.high)]

    expected = dict(
        numbers=[number(*given) for given in samples()],
        tables=[table([[int(count) for count in row] for row in rows]) for rows in tables],
        benjamini_hochberg=[[p, stats.false_discovery_control(p).tolist()] for p in p_values],
        wilson=[wilson(*share) for share in shares],
    )
    text = json.dumps(expected, separators=(",", ":")).replace('{"name"', '\n{"name"').replace('"tables"', '\n"tables"')
    (HERE / "drift.json").write_text(text + "\n")


if __name__ == "__main__":
    main()

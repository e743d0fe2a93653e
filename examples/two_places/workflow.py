"""Learns from the data of two regions, none of which may leave its region.

Each region trains a model on its own data, in its own environment. Only weights and
metrics come back, and the average of the weights goes out for the next round.
"""

import os
from pathlib import Path

import bandsaw

REGIONS = ("north", "south")
ROUNDS = 12
PLOT = Path(__file__).parent / "output" / "accuracy.svg"


def train(weights, steps):
    # What a task needs is imported where it is executed.
    import numpy

    inputs, labels = load()
    weights = numpy.array(weights)
    for _ in range(steps):
        errors = probabilities(inputs, weights) - labels
        weights -= 0.5 * inputs.T @ errors / len(labels)
    return {"weights": weights.tolist(), "rows": len(labels)}


def evaluate(weights):
    inputs, labels = load()
    is_right = (probabilities(inputs, weights) > 0.5) == labels
    return {"right": int(is_right.sum()), "rows": len(labels)}


def describe():
    import platform

    import numpy

    version = [int(part) for part in numpy.__version__.split(".")]
    python = [int(part) for part in platform.python_version_tuple()]
    return {"process": os.getpid(), "numpy": version, "python": python}


def load():
    """Read the data of the region, which is where its connection leads."""
    import numpy

    table = numpy.loadtxt("measurements.csv", delimiter=",", skiprows=1)
    ones = numpy.ones((len(table), 1))
    return numpy.hstack([table[:, :-1], ones]), table[:, -1]


def probabilities(inputs, weights):
    import numpy

    return 1 / (1 + numpy.exp(-(inputs @ weights)))


def in_each_region(function):
    """Make a task of a function for each region."""
    return {region: bandsaw.task(function, chain=region) for region in REGIONS}


def on_all(tasks, *arguments):
    """Call a task in all regions at a time, and return the results by region."""
    futures = {region: task.submit(*arguments) for region, task in tasks.items()}
    return {region: future.result() for region, future in futures.items()}


train_in, evaluate_in, describe_in = map(in_each_region, (train, evaluate, describe))


def average(models):
    """Return the mean of the weights, in which each row of data counts as much."""
    rows = sum(model["rows"] for model in models)
    weighted = ([w * model["rows"] for w in model["weights"]] for model in models)
    return [sum(column) / rows for column in zip(*weighted)]


def accuracy(weights):
    """Return how much of the data of all regions a model gets right."""
    found = on_all(evaluate_in, weights).values()
    return sum(one["right"] for one in found) / sum(one["rows"] for one in found)


def main():
    start = [0.0, 0.0, 0.0]
    alone = dict.fromkeys(REGIONS, start)
    together = start
    curves = {name: [] for name in (*REGIONS, "together")}
    for _ in range(ROUNDS):
        together = average(list(on_all(train_in, together, 5).values()))
        curves["together"].append(accuracy(together))
        for region in REGIONS:
            alone[region] = train_in[region](alone[region], 5)["weights"]
            curves[region].append(accuracy(alone[region]))

    print("region   Python   numpy    rows  accuracy of its own model everywhere")
    for region, facts in on_all(describe_in).items():
        python, numpy = (".".join(map(str, facts[n])) for n in ("python", "numpy"))
        rows = evaluate_in[region](together)["rows"]
        print(f"{region:7}  {python:7}  {numpy:6}  {rows:5}  {curves[region][-1]:8.3f}")
    print(f"together                         {curves['together'][-1]:8.3f}")
    PLOT.parent.mkdir(exist_ok=True)
    PLOT.write_text(drawn(curves), encoding="utf-8")
    print(f"{os.path.relpath(PLOT)} shows each round.")


def drawn(curves):
    """Return a picture of the curves."""
    colours = ("#d95f02", "#7570b3", "#1b9e77")
    lines = []
    for number, ((name, values), colour) in enumerate(zip(curves.items(), colours)):
        points = " ".join(
            f"{40 + 400 * place / (ROUNDS - 1):.0f},{420 - 400 * value:.0f}"
            for place, value in enumerate(values)
        )
        lines += [
            f'<polyline points="{points}" fill="none" stroke="{colour}"/>',
            f'<text x="450" y="{40 + 20 * number}" fill="{colour}">{name}</text>',
        ]
    axes = '<path d="M40 20V420H440" fill="none" stroke="black"/>'
    labels = (
        '<text x="5" y="25">1.0</text><text x="5" y="225">0.5</text>'
        f'<text x="240" y="440">round 1 to {ROUNDS}</text>'
    )
    head = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 540 450" '
        'font-family="sans-serif" font-size="14">'
    )
    return "\n".join([head, axes, labels, *lines, "</svg>\n"])


# Each process imports this script, and only the first one is to run the workflow.
if __name__ == "__main__":
    main()

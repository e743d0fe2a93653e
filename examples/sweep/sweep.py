"""Tries 200 settings of four kinds of model, wherever its command line says.

``python sweep.py CHAIN``, with one of the chains of `bandsaw_config.py`: `here`,
`workers`, `dask` or `ray`. The second time, the answers come from the cache.
"""

import sys
import time

import bandsaw
from bandsaw_config import OUTPUT
from plot import draw


def accuracy_of(model, settings):
    # Only the process that executes the task needs what it imports.
    from sklearn.datasets import load_wine
    from sklearn.model_selection import cross_val_score

    data, labels = load_wine(return_X_y=True)
    scores = cross_val_score(estimator_of(model, settings), data, labels, cv=2)
    return round(float(scores.mean()), 4)


def estimator_of(model, settings):
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC
    from sklearn.tree import DecisionTreeClassifier

    if model == "tree":
        return DecisionTreeClassifier(random_state=0, **settings)
    if model == "neighbours":
        estimator = KNeighborsClassifier(**settings)
    else:
        estimator = SVC(kernel=model, **settings)
    return make_pipeline(StandardScaler(), estimator)


def grid():
    """Return all settings: the name of a model, and its parameters."""
    found = []
    for neighbours in range(1, 26):
        for weights in ("uniform", "distance"):
            settings = {"n_neighbors": neighbours, "weights": weights}
            found.append(("neighbours", settings))
    for depth in range(1, 11):
        for leaf in range(1, 6):
            settings = {"max_depth": depth, "min_samples_leaf": leaf}
            found.append(("tree", settings))
    for kernel in ("rbf", "sigmoid"):
        for power in range(-5, 5):
            for gamma in (0.003, 0.01, 0.03, 0.1, 0.3):
                found.append((kernel, {"C": 2.0**power, "gamma": gamma}))
    return found


def main(chain):
    # The chain says where the task is executed, and the script stays the same.
    task = bandsaw.task(accuracy_of, chain=chain)
    settings = grid()
    start = time.perf_counter()
    futures = [task.submit(*one) for one in settings]
    for number, future in enumerate(futures, 1):
        future.result()
        print(f"\r{number} of {len(futures)} settings", end="", file=sys.stderr)
    print(f", {time.perf_counter() - start:.1f} s", file=sys.stderr)

    points = [(one[0], future.result()) for one, future in zip(settings, futures)]
    print("model       accuracy  settings")
    for model in ("neighbours", "tree", "rbf", "sigmoid"):
        found = [
            (accuracy, str(parameters))
            for (name, parameters), (_, accuracy) in zip(settings, points)
            if name == model
        ]
        accuracy, parameters = max(found)
        print(f"{model:10}  {accuracy:8.3f}  {parameters}")
    draw(OUTPUT / "sweep.svg", points)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "here")

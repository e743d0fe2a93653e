"""Compares scikit-learn 1.0 on Python 3.8 with today's on the newest Python.

No interpreter can have both of them. Here each has an environment of its own, and the
script, which needs neither, passes the models from one task to the next.
"""

import os
import platform
import time
from pathlib import Path

import bandsaw
from worlds import OLD, oldest_python

PLOT = Path(__file__).parent / "output" / "comparison.png"


def train(share_of_test, seed):
    # What a task needs is imported where it is executed.
    import numpy
    import sklearn
    from sklearn.ensemble import AdaBoostClassifier
    from sklearn.tree import DecisionTreeClassifier

    images, _, labels, _ = split(share_of_test, seed)
    start = time.perf_counter()
    tree = DecisionTreeClassifier(max_depth=4, random_state=0)
    model = AdaBoostClassifier(tree, n_estimators=60, random_state=0)
    model.fit(images, labels)
    return {
        "model": model,
        "seconds": time.perf_counter() - start,
        "python": platform.python_version(),
        "sklearn": sklearn.__version__,
        "numpy": numpy.__version__,
    }


def predict(model, share_of_test, seed):
    _, images, _, labels = split(share_of_test, seed)
    # Plain lists mean the same to every version of every library.
    return {
        "accuracy": float(model.score(images, labels)),
        "probabilities": model.predict_proba(images).tolist(),
    }


def split(share_of_test, seed):
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    return train_test_split(images, labels, test_size=share_of_test, random_state=seed)


# The same functions, in two worlds
train_old = bandsaw.task(train, chain="old")
train_new = bandsaw.task(train, chain="new")
predict_old = bandsaw.task(predict, chain="old")
predict_new = bandsaw.task(predict, chain="new")


@bandsaw.task(chain="new")
def draw(path, rows):
    import matplotlib

    matplotlib.use("Agg")
    import numpy
    from matplotlib import pyplot

    names = [f"scikit-learn {row['sklearn']}" for row in rows]
    figure, axes = pyplot.subplots(1, 3, figsize=(11, 3.6), layout="constrained")
    for axis, fact in zip(axes, ("accuracy", "seconds")):
        bars = axis.bar(names, [row[fact] for row in rows], color=["C1", "C0"])
        axis.bar_label(bars, fmt="%.3f")
        axis.set_title(fact if fact == "accuracy" else "seconds of training")
        axis.margins(y=0.15)
    old, new = (numpy.array(row["probabilities"]) for row in rows)
    label = "one image and digit"
    axes[2].scatter(old.ravel(), new.ravel(), s=6, alpha=0.4, label=label)
    label = "both models agree"
    axes[2].axline((0, 0), slope=1, color="grey", linewidth=0.8, label=label)
    xlabel, ylabel = (f"probability by {name}" for name in names)
    axes[2].set(xlim=(0, 1), ylim=(0, 1), xlabel=xlabel, ylabel=ylabel)
    axes[2].set_title("probability of each digit")
    axes[2].legend(loc="upper left")
    figure.savefig(path, dpi=100)


def described(model):
    if isinstance(model, bandsaw.Opaque):
        name = model.type_name.rpartition(".")[2]
        return f"opaque {name}, {model.size:,} bytes"
    return f"{type(model).__name__}, as this Python has scikit-learn, too"


def main():
    if not oldest_python().startswith(OLD):
        print(f"There is no Python {OLD} here. The old world is the oldest there is.")
    rows = []
    for train_there, predict_there in (
        (train_old, predict_old),
        (train_new, predict_new),
    ):
        row = train_there(0.25, seed=42)
        # The script cannot use the model, but hand it on: here it is opaque.
        row.update(predict_there(row["model"], 0.25, seed=42))
        rows.append(row)

    print("Python   scikit-learn  numpy   accuracy  seconds  the model in this script")
    for row in rows:
        print(
            f"{row['python']:7}  {row['sklearn']:12}  {row['numpy']:6}"
            f"  {row['accuracy']:8.3f}  {row['seconds']:7.2f}"
            f"  {described(row.pop('model'))}"
        )
    old, new = (row["probabilities"] for row in rows)
    differences = [abs(a - b) for pair in zip(old, new) for a, b in zip(*pair)]
    print(f"The probability of a digit differs by up to {max(differences):.3f}.")

    PLOT.parent.mkdir(exist_ok=True)
    draw(str(PLOT), rows)
    print(f"{os.path.relpath(PLOT)} shows it all.")


# Each process imports this script, and only the first one is to run the workflow.
if __name__ == "__main__":
    main()

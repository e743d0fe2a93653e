"""Trains two kinds of model on handwritten digits, each in a process of its own.

Run it twice: the second time, the answers come from the cache.
"""

import logging
import os
import platform
import time

import bandsaw

logger = logging.getLogger(__name__)


@bandsaw.task
def load_and_split(test_share, seed):
    # Only the process that executes a task needs what the task imports.
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    parts = train_test_split(images, labels, test_size=test_share, random_state=seed)
    # Plain lists mean the same to every version of every library.
    return [part.tolist() for part in parts]


@bandsaw.task(chain="own-process")
def train_forest(images, labels, unseen_images, trees):
    from sklearn.ensemble import RandomForestClassifier

    model = RandomForestClassifier(n_estimators=trees, random_state=0)
    return predictions_of(model, images, labels, unseen_images)


@bandsaw.task(chain="second-python")
def train_support_vectors(images, labels, unseen_images, gamma):
    from sklearn.svm import SVC

    return predictions_of(SVC(gamma=gamma), images, labels, unseen_images)


def predictions_of(model, images, labels, unseen_images):
    logger.info("Training %s with %d images", model, len(images))
    model.fit(images, labels)
    # The model stays here: other versions of scikit-learn could not read it.
    return {
        "labels": model.predict(unseen_images).tolist(),
        "python": platform.python_version(),
        "process": os.getpid(),
        "run": bandsaw.get_run_id(),
    }


@bandsaw.task
def evaluate(predicted_labels, labels):
    hits = sum(predicted == label for predicted, label in zip(predicted_labels, labels))
    return hits / len(labels)


def main():
    images, unseen_images, labels, unseen_labels = load_and_split(0.25, seed=42)

    print("model            accuracy  Python    process  seconds  answer")
    for name, train, parameter in (
        ("random forest", train_forest, 200),
        ("support vectors", train_support_vectors, 0.001),
    ):
        start = time.perf_counter()
        answer = train(images, labels, unseen_images, parameter)
        seconds = time.perf_counter() - start
        accuracy = evaluate(answer["labels"], unseen_labels)
        # A cached answer still says which run has computed it.
        is_new = answer["run"] == bandsaw.get_run_id()
        print(
            f"{name:15}  {accuracy:8.3f}  {answer['python']:8}"
            f"  {answer['process']:7}  {seconds:7.2f}"
            f"  {'computed' if is_new else 'from the cache'}"
        )


# Each process imports this script, and only the first one is to run the workflow.
if __name__ == "__main__":
    main()

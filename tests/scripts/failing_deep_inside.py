import traceback

import bandsaw


def deep_inside():
    return {}["missing"]


@bandsaw.task
def fail():
    return deep_inside()


@bandsaw.task
def fail_in_a_grandchild():
    return fail()


if __name__ == "__main__":
    for task in fail, fail_in_a_grandchild:
        try:
            task()
        except KeyError as error:
            text = traceback.format_exc()
            print(error.args, "deep_inside" in text, "direct cause" in text)
            print(type(error.__cause__).__name__)

"""Beside each script of a test."""


def text_of(call, *args):
    """Return what a call returns or raises, as text."""
    try:
        return repr(call(*args))
    except BaseException as error:
        return f"{type(error).__name__}: {error}"

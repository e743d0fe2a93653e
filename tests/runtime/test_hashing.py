"""SHA-256 with and without OpenSSL."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import pytest

from bandsaw.runtime.hashing import sha256


@pytest.mark.parametrize("size", [0, 1, 127, 128, 129, 5_000, 1_000_000])
def test_it_is_the_one_of_the_standard_library(size: int) -> None:
    content = b"x" * size

    for buffer in content, bytearray(content), memoryview(content):
        assert sha256(buffer).digest() == hashlib.sha256(content).digest()


def test_openssl_is_loaded_for_much_content_only() -> None:
    program = """
import sys
from bandsaw.runtime.hashing import sha256
sha256(bytes(10_000)).digest()
print("hashlib" in sys.modules)
sha256(memoryview(bytes(1_000_000)).cast("d")).digest()
print("hashlib" in sys.modules)
"""

    output = subprocess.check_output([sys.executable, "-I", "-c", program])

    assert output.split() == [b"False", b"True"]

"""Words that shells take for something else, and what tells which ones arrived."""

from __future__ import annotations

import string
import sys

from hypothesis import strategies as st

# A program that writes its arguments, as JSON in ASCII
TELLS_ITS_WORDS = (
    sys.executable,
    "-c",
    "import json,sys;print(json.dumps(sys.argv[1:]))",
)

NASTY_WORDS = [
    *("", " ", "-", "--option", "-n", "=ls", "a=b", "a=b c", "%self", "%1", "@x", ","),
    *("~", "~root", "~/x", "a:~", "#x", "a#b", "!", "!!", "!$", "a!b", "^a^b", "\\!"),
    *("$HOME", "${HOME}", "$(id)", "`id`", "(id)", "$'a'", '$"a"', "$1", "\\$HOME"),
    *("'", '"', "''", "it's", 'a"b', "\\", "\\\\", "a\\", "\\'", "\\n", "\\x41", "\\"),
    *("a;b", "a&b", "a&&b", "a|b", "a||b", "<x", ">x", "2>&1", "1>x", "&>x", "(", ")"),
    *("*", "?", "[a]", "[", "]", "{a,b}", "{", "}", "{}", "a{1..3}", "/*", "/tmp/*"),
    *("\t", "\r", "\r ", "\x01", "\x7f", "\x1b[31m", "\x0b", "\x0c", "\x1f", "a  b"),
    *("é", "ü€𝄞", "\u00a0", "\u2003", "\u2028", "\u3000", "a\u3000b", "\x85", "\ufffd"),
    *("\udcff", "a\udc80b", "\uf8ff", "\ufdd0", "if", "end", "exec", "-c", "x" * 5000),
]

# Every character of ASCII but those that no shell, or no program, can be given
_ASCII = "".join(map(chr, range(1, 128))).replace("\n", "")

any_words = st.lists(
    st.text(
        st.one_of(
            st.sampled_from(_ASCII),
            st.sampled_from(string.punctuation),
            st.characters(blacklist_categories=["Cs"], blacklist_characters="\0\n"),
        ),
        max_size=12,
    ),
    min_size=1,
    max_size=30,
)

"""The user who runs this process."""

from __future__ import annotations

import os


def get_current_username() -> str:
    """Return the name of the user who runs this process.

    Returns:
        The name, or the number of the user as text when the system knows no name for
        it, as it happens in containers.
    """
    import pwd

    user_id = os.getuid()
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return str(user_id)

"""Choose the texts of the modules in an archive: those that are loaded.

The file of a module may have changed since it was loaded. If its text still compiles to
what is loaded, it travels. If not, the text of an earlier archive may. Otherwise the
caller has to reload the module.
"""

from __future__ import annotations

import os
import sys

from ..exceptions import NotMovableError
from ..modules import attribute_of
from ..runtime.file_cache import changed_after_start
from .loaded import LoadedCode, Text, is_reloaded, namespaces_of, shell_count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Optional

    from .loaded import Found

    _Archived = Callable[[str], Optional[bytes]]


class Snapshot:
    """The modules of the user's own as they are loaded, and the state of their files.

    Args:
        paths: The path of the file of each module by the module's name.

    Attributes:
        paths: The same.
        specs: What each module was loaded by; a reload finds another one.
        code: The functions that are loaded.
        keeps_earlier: Whether a text of an earlier archive was chosen.
        strays: Functions that were loaded from other texts than those that were chosen,
            and where each is: where a module was reloaded, and another one still has
            its functions from before.
    """

    def __init__(self, paths: dict[str, str]) -> None:
        self.paths = paths
        self.strays: list[Found] = []
        self.keeps_earlier = False
        self.specs = {
            name: attribute_of(sys.modules.get(name), "__spec__") for name in paths
        }
        self._namespaces = namespaces_of(
            name for name, path in paths.items() if path.endswith(".py")
        )
        self._statuses = {name: _status_of(paths[name]) for name in self._namespaces}
        self.code = LoadedCode(self._namespaces)
        self._shell_count = shell_count()

    def texts(
        self, archived: _Archived | None = None, previous: Snapshot | None = None
    ) -> dict[str, bytes]:
        """Return the texts of the files that may have changed, by their paths.

        Args:
            archived: Returns the text of a file in an earlier archive, if it has one.
            previous: The snapshot that was taken for that archive.

        Raises:
            NotMovableError: If no text of a module compiles to what is loaded.
        """
        texts = {}
        self.strays, self.keeps_earlier = [], False
        for name, status in self._statuses.items():
            path = self.paths[name]
            if status is not None and self._is_in_doubt(name, status):
                earlier = None if archived is None else archived(path)
                is_new = is_reloaded(name, status.st_mtime) or (
                    previous is not None
                    and previous.specs.get(name) is not self.specs[name]
                )
                source = texts[path] = self._choose(name, earlier, is_new)
                self.strays += self.code.strays(name, source, path)
        return texts

    def is_current(self, archived: _Archived) -> bool:
        """Tell if the texts of an archive are still those that are loaded.

        Modules that were loaded anew, with another spec, are not looked for.

        Args:
            archived: Returns the text of a file in the archive.
        """
        count = shell_count()
        if self.code.is_current and (
            count == self._shell_count or self._files_are_the_same()
        ):
            self._shell_count = count
            return True
        now = Snapshot(self.paths)
        try:
            texts = now.texts(archived, self)
        except NotMovableError:
            return False  # The next archive says so.
        if any(text != archived(path) for path, text in texts.items()):
            return False
        self.__dict__.update(now.__dict__)
        return True

    def _files_are_the_same(self) -> bool:
        return all(
            _identity_of(_status_of(self.paths[name])) == _identity_of(status)
            for name, status in self._statuses.items()
        )

    def _is_in_doubt(self, name: str, status: os.stat_result) -> bool:
        # A file that was moved there has an old time of its own.
        changed = max(status.st_mtime, status.st_ctime)
        return changed_after_start(changed, 0.0) or not self.code.is_from(
            name, self.paths[name]
        )

    def _choose(self, name: str, earlier: bytes | None, is_reloaded: bool) -> bytes:
        """Choose the text of a module that is loaded.

        Args:
            name: The name of the module.
            earlier: Its text in an earlier archive, if there is one.
            is_reloaded: Whether it is known to be loaded as it is now in its file.
        """
        path = self.paths[name]
        with open(path, "rb") as file:
            current = file.read()
        misfit = self._misfit(name, current)
        if earlier is not None and earlier != current:
            earlier_misfit = self._misfit(name, earlier)
            if earlier_misfit is None and (misfit is not None or not is_reloaded):
                self.keeps_earlier = True
                return earlier
            if misfit is not None and not is_reloaded:
                misfit = earlier_misfit  # The edits of the file are not loaded.
        if misfit is None:
            return current
        raise not_loaded(misfit, path)

    def _misfit(self, name: str, source: bytes) -> str | None:
        try:
            text = Text(source, self.paths[name])
        except (SyntaxError, ValueError):
            return name
        return self.code.misfit(name, text)


def not_loaded(name: str, path: str) -> NotMovableError:
    """Return the error about something whose text cannot travel.

    Args:
        name: The name of the function or constant.
        path: The path of the file of which it was loaded.
    """
    return NotMovableError(
        f"{name} is not what {path} says, so another interpreter would execute "
        "something else than what is loaded here. The file was edited after it was "
        f"loaded, or {name} was replaced: reload the module, or take the change back."
    )


def _status_of(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except OSError:
        return None  # It is in a zip file, or was removed.


def _identity_of(status: os.stat_result | None) -> tuple[int, ...]:
    if status is None:
        return ()
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino

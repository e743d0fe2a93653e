"""The tools that make environments: uv where it is installed, else venv and pip.

Both do the same four things: make a directory that holds an interpreter, build a
project on this machine, choose packages, and install exactly the chosen ones.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

from ..exceptions import EnvironmentBuildError, EnvironmentLockError
from ..runtime.temporary import open_private
from .credentials import netrc_of_user, without_credentials
from .git import GitCredentials
from .lock_file import Package
from .requirements import name_of, normalized
from .settings import listing_variables, pip_settings, uv_settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterable, Iterator, Sequence

    from .commands import Commands
    from .pythons import Python
    from .specification import Index

# How long uv may take to print its version, in seconds.
_PATIENCE = 60

# The first release of pip that reports what it would install.
_OLDEST_PIP = (22, 2)

# How often a request to an index is repeated, unless the user's own settings have a
# number. With the tools' defaults, an unreachable index takes minutes.
_RETRIES = 2

# What one package is not looked for in, if it has an index of its own.
_OTHER_PLACES_OF_PIP = ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX")

# Run by the interpreter of an environment, so it finds the packages that a task finds.
_LIST_OF_PACKAGES = """
import json, sys
from importlib.metadata import distributions
found = [(one.metadata["Name"], one.version) for one in distributions()]
with open(sys.argv[1], "w", encoding="utf-8") as file:
    json.dump([item for item in found if all(item)], file)
"""

_VERSION_CONTROL = re.compile(r"(git|hg|svn|bzr)\+")


class Tool:
    """Makes an environment, and chooses its packages.

    Args:
        commands: Runs the commands.
        python: The interpreter that the environment gets.
        directory: The directory of the environment.
        scratch: A private directory for temporary files.
        index: Where packages come from.

    Attributes:
        name: The name of the tool.
    """

    name = ""

    def __init__(
        self,
        commands: Commands,
        python: Python,
        directory: str,
        scratch: str,
        index: Index,
    ) -> None:
        self._commands = commands
        self._python = python
        self._directory = directory
        self._scratch = scratch
        self._index = index
        # Where what is asked for has a hash.
        self._hashed_index = index
        self._git = GitCredentials(os.path.join(scratch, "git-credentials"))

    @property
    def executable(self) -> str:
        """The interpreter of the environment."""
        return os.path.join(self._directory, "bin", "python")

    def make(self) -> None:
        """Make the environment, without packages."""
        raise NotImplementedError

    def build(self, project: str) -> str:
        """Build a project.

        Args:
            project: Its path.

        Returns:
            The path of its wheel.
        """
        if project.endswith(".whl"):
            return project
        directory = tempfile.mkdtemp(prefix="wheel-", dir=self._scratch)
        self._build(project, directory)
        for name in os.listdir(directory):
            if name.endswith(".whl"):
                return os.path.join(directory, name)
        raise EnvironmentBuildError(f"The project {project} was built into no wheel.")

    def choose(
        self, requirements: Sequence[str], constraints: Sequence[str]
    ) -> list[Package]:
        """Choose packages that satisfy requirements.

        Args:
            requirements: The requirements.
            constraints: Requirements that apply only to what others bring in.

        Returns:
            All packages that have to be installed.
        """
        if not requirements:
            return []
        lines = [*map(self._git.take_from, requirements)]
        limits = [*map(self._git.take_from, constraints)]
        sources = self._index.sources.keys()
        wanted = {name for name in map(_name_without_url, lines) if name in sources}
        packages = self._choose(lines, limits, wanted)
        found = {package.name for package in packages if package.url is None}
        brought = (found & sources) - wanted
        # What others bring in is known only now.
        return self._choose(lines, limits, wanted | brought) if brought else packages

    def _constraint(self, limits: Sequence[str]) -> list[str]:
        """The options for constraints."""
        return (
            ["--constraint", self._write("constraints.txt", limits)] if limits else []
        )

    def install(self, packages: Iterable[Package], wheels: Sequence[str]) -> None:
        """Install exactly these packages.

        Args:
            packages: The packages. One from an index, or a file, is refused unless it
                has the locked hash.
            wheels: Requirements for the wheels that were built of projects.
        """
        # The packages of each index by themselves: all that is asked for has a hash.
        hashed: dict[str | None, list[Package]] = {}
        others = list(wheels)
        for package in packages:
            if package.hashes:
                source = self._index.sources.get(package.name)
                place = None if package.url is not None else source
                hashed.setdefault(place, []).append(package)
            else:
                others.append(self._git.take_from(str(package)))
        for place, chosen in hashed.items():
            self._install_hashed(place, chosen)
        if others:
            path = self._write("others.txt", [*self._index.options, *others])
            self._install("installing projects", path, [], self._index)

    def _install_hashed(self, place: str | None, packages: Sequence[Package]) -> None:
        index = self._hashed_index
        if place is not None:
            index = index.only(place)
        lines = [
            "".join([str(package), *(f" --hash={value}" for value in package.hashes)])
            for package in packages
        ]
        path = self._write("hashed.txt", [*index.options, *lines])
        try:
            self._install("installing packages", path, ["--require-hashes"], index)
        except EnvironmentBuildError as error:
            lost = [
                str(package)
                for package in packages
                if package.url is None
                and "+" in (package.version or "")
                and str(package) in str(error)
            ]
            if not lost:
                raise
            raise EnvironmentLockError(
                f"{', '.join(lost)} is locked, but no index that is searched has this "
                "local version any more. Name its index again with "
                "Environment(sources={name: url}), or lock anew with `python -m "
                f"bandsaw env lock --upgrade`.\n{error}"
            ) from error

    def installed(self) -> dict[str, str]:
        """Return the versions of the installed packages by their normalized names."""
        path = os.path.join(self._scratch, "installed.json")
        words = [self.executable, "-I", "-c", _LIST_OF_PACKAGES, path]
        self._commands.run("comparing with the lock", words)
        with open(path, encoding="utf-8") as file:
            return {normalized(name): version for name, version in json.load(file)}

    def _build(self, project: str, directory: str) -> None:
        raise NotImplementedError

    def _choose(
        self, lines: Sequence[str], limits: Sequence[str], sourced: set[str]
    ) -> list[Package]:
        """Choose packages, those that are named from the index of their own."""
        raise NotImplementedError

    def _install(
        self, stage: str, path: str, options: Sequence[str], index: Index
    ) -> None:
        raise NotImplementedError

    def _write(self, name: str, lines: Iterable[str]) -> str:
        # In a file, since other users can read the words of a command.
        path = os.path.join(self._scratch, name)
        with open(path, "w", encoding="utf-8", opener=open_private) as file:
            file.writelines(f"{line}\n" for line in lines)
        return path


class Uv(Tool):
    """Makes environments with uv."""

    name = "uv"

    def __init__(
        self,
        executable: str,
        commands: Commands,
        python: Python,
        directory: str,
        scratch: str,
        index: Index,
    ) -> None:
        super().__init__(commands, python, directory, scratch, index)
        self._uv = executable
        self._settings = uv_settings()
        self._configuration = self._write("uv.toml", [self._settings.configuration])

    def make(self) -> None:
        """Make the environment, without packages."""
        self._run(
            "making", "venv", "--python", self._python.executable, self._directory
        )

    def _build(self, project: str, directory: str) -> None:
        self._run(
            f"building {os.path.basename(project)}",
            *("build", "--wheel", "--out-dir", directory),
            *("--python", self._python.executable, project),
        )

    def _choose(
        self, lines: Sequence[str], limits: Sequence[str], sourced: set[str]
    ) -> list[Package]:
        target = os.path.join(self._scratch, "requirements.txt")
        own = [line for line in lines if _name_without_url(line) in sourced]
        others = [line for line in lines if line not in own]
        sources = [self._write("requirements.in", [*self._index.options, *others])]
        if sourced:
            own += sorted(sourced.difference(map(name_of, own)))
            sources.append(self._write("pyproject.toml", self._project(own)))
        self._run(
            "choosing packages",
            *("pip", "compile", "--python", self._python.executable),
            *("--generate-hashes", "--no-header", "--no-annotate"),
            "--no-emit-index-url",
            *(*self._constraint(limits), *self._constraints()),
            *("--output-file", target, *sources),
        )
        with open(target, encoding="utf-8") as file:
            return _packages_of(file.read())

    def _project(self, wanted: Sequence[str]) -> Iterator[str]:
        """Yield a project that takes each of its requirements from one index."""
        yield '[project]\nname = "bandsaw-environment"\nversion = "0"'
        yield f"dependencies = {json.dumps(wanted)}"
        names = sorted(filter(None, set(map(name_of, wanted))))
        for name in names:
            yield f"[tool.uv.sources.{json.dumps(name)}]\nindex = {json.dumps(name)}"
        for name in names:
            url = json.dumps(self._index.sources[name])
            yield f"[[tool.uv.index]]\nname = {json.dumps(name)}\nurl = {url}"
            yield "explicit = true"

    def _constraints(self) -> list[str]:
        """The options with the constraints in the user's settings."""
        lines = self._settings.constraints
        return ["--constraint", self._write("site.txt", lines)] if lines else []

    def _install(
        self, stage: str, path: str, options: Sequence[str], index: Index
    ) -> None:
        self._run(
            stage,
            *("pip", "install", "--python", self.executable, "--no-deps"),
            *("--compile-bytecode", *options, "-r", path),
            index=index,
            # Any file with the right hash will do.
            strategy="unsafe-best-match" if options else None,
        )

    def _run(
        self,
        stage: str,
        *words: str,
        index: Index | None = None,
        strategy: str | None = None,
    ) -> None:
        index = index or self._index
        variables = {
            "UV_HTTP_RETRIES": str(_RETRIES),
            **self._settings.variables,
            **self._git.variables,
            "UV_CONFIG_FILE": self._configuration,
            "UV_NO_PROGRESS": "1",
            "UV_PYTHON_DOWNLOADS": "never",
        }
        if index.url is not None:
            # Its own variables take precedence over the files.
            for name in "UV_DEFAULT_INDEX", "UV_INDEX_URL":
                variables[name] = index.url
        if self._index.extra_urls:
            variables["UV_INDEX_STRATEGY"] = "first-index"
        if strategy is not None:
            variables["UV_INDEX_STRATEGY"] = strategy
        self._commands.run(stage, [self._uv, *words], variables)


def _packages_of(text: str) -> list[Package]:
    """Return the packages in a file with requirements and hashes."""
    packages = []
    for line in text.replace("\\\n", " ").splitlines():
        words, *hashes = re.split(r"\s--hash=", line.strip())
        requirement = words.partition(" ; ")[0].strip()
        if not requirement or requirement.startswith(("-", "#")):
            continue
        name, at, url = requirement.partition(" @ ")
        if at:
            packages.append(_chosen(name, None, hashes, url.strip()))
        else:
            name, _, version = requirement.partition("==")
            packages.append(_chosen(name, version, hashes))
    return packages


def _chosen(
    name: str, version: str | None, hashes: Sequence[str], url: str | None = None
) -> Package:
    """Return a chosen package as it is locked."""
    if url is not None and _VERSION_CONTROL.match(url):
        hashes = ()  # The commit in the URL is a hash.
    return Package(
        normalized(name),
        version,
        sorted(value.strip() for value in hashes),
        None if url is None else without_credentials(url),
    )


class Pip(Tool):
    """Makes environments with the modules venv and pip."""

    name = "pip"

    def __init__(
        self,
        commands: Commands,
        python: Python,
        directory: str,
        scratch: str,
        index: Index,
    ) -> None:
        # The packages that build a project are fetched by another pip, which has the
        # URL of the index on its command line. So the URL must have no credentials.
        anonymous, lines = index.anonymous()
        super().__init__(
            commands, python, directory, scratch, anonymous.without_extras()
        )
        self._hashed_index = anonymous
        self._listing: str | None = None
        self._netrc: str | None = None
        if lines:
            self._netrc = self._write("netrc", [netrc_of_user(), *lines])

    def make(self) -> None:
        """Make the environment, with pip."""
        words = [self._python.executable, "-I", "-m", "venv", self._directory]
        self._commands.run("making", words)
        answer = self._pip("looking at pip", "--version")
        version = re.search(r"^pip (\d+)\.(\d+)", answer, re.MULTILINE)
        if version is None or tuple(map(int, version.groups())) < _OLDEST_PIP:
            path = self._write("pip.txt", [*self._index.options, "pip >=22.2"])
            self._pip("renewing pip", "install", "--upgrade", "-r", path)

    def _build(self, project: str, directory: str) -> None:
        address = pathlib.Path(project).as_uri()
        path = self._write("project.txt", [*self._index.options, address])
        self._pip(
            f"building {os.path.basename(project)}",
            *("wheel", "--no-deps", "--wheel-dir", directory, "-r", path),
        )

    def _choose(
        self, lines: Sequence[str], limits: Sequence[str], sourced: set[str]
    ) -> list[Package]:
        if self._hashed_index.extra_urls:
            # It would take the newest version from any index, a stranger's included.
            known = (None, *self._index.sources)
            others = [line for line in lines if _name_without_url(line) not in known]
            if others:
                raise EnvironmentBuildError(
                    "pip merges indexes, so it cannot choose the first one that has a "
                    f"package. Environment(sources={{name: url}}) has to name those of "
                    f"{', '.join(map(without_credentials, others))}; or install "
                    "bandsaw[environments], whose uv searches indexes in their order."
                )
        found: dict[str, Package] = {}
        addresses: dict[str, str] = {}
        for name in sorted(sourced):
            for item in self._choose_from_source(name, lines, limits):
                found[name] = _package_of(item)
                addresses[name] = item["download_info"]["url"]
        pinned = [_pinned(line, addresses) for line in lines]
        limits = [line for line in limits if name_of(line) not in addresses]
        named = {name_of(line) for line in lines}
        limits += [
            f"{name} @ {url}" for name, url in addresses.items() if name not in named
        ]
        chosen = self._report(
            "choosing packages",
            self._write("requirements.in", [*self._index.options, *pinned]),
            self._constraint(limits),
        )
        packages = map(_package_of, chosen)
        return [found.get(package.name, package) for package in packages]

    def _choose_from_source(
        self, name: str, lines: Sequence[str], limits: Sequence[str]
    ) -> list[dict[str, Any]]:
        """Choose a package from the index of its own, unless its marker excludes it."""
        index = self._index.only(self._index.sources[name])
        own = [line for line in lines if name_of(line) == name] or [name]
        return self._report(
            f"choosing {name}",
            self._write("source.in", [*index.options, *own]),
            ["--no-deps", *self._constraint([*filter(_is_of(name), limits)])],
            dict.fromkeys(_OTHER_PLACES_OF_PIP, ""),
        )

    def _report(
        self,
        stage: str,
        source: str,
        options: Sequence[str],
        variables: dict[str, str] | None = None,
    ) -> list[dict[str, Any]]:
        """Return what pip would install."""
        target = os.path.join(self._scratch, "report.json")
        self._pip(
            stage,
            *("install", "--dry-run", "--ignore-installed", "--report", target),
            *(*options, "-r", source),
            variables=variables,
        )
        with open(target, encoding="utf-8") as file:
            installed: list[dict[str, Any]] = json.load(file)["install"]
        return installed

    def _install(
        self, stage: str, path: str, options: Sequence[str], index: Index
    ) -> None:
        self._pip(stage, "install", "--no-deps", *options, "-r", path)

    def _pip(
        self, stage: str, *words: str, variables: dict[str, str] | None = None
    ) -> str:
        if not os.path.exists(self.executable):
            self.make()
        command = [self.executable, "-I", "-m", "pip"]
        if self._listing is None:
            self._listing = self._commands.run(
                "reading settings",
                [*command, "config", "list"],
                listing_variables(self.executable),
            )
        variables = {
            "PIP_RETRIES": str(_RETRIES),
            **pip_settings(self._listing, words[0]),
            **(variables or {}),
            **self._git.variables,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_INPUT": "1",
            "PIP_NO_WARN_SCRIPT_LOCATION": "1",
        }
        if self._netrc is not None:
            variables["NETRC"] = self._netrc
        return self._commands.run(stage, [*command, *words], variables)


def _name_without_url(line: str) -> str | None:
    """Return the normalized name of a requirement that an index satisfies."""
    return None if "@" in line.partition(";")[0] else name_of(line)


def _is_of(name: str) -> Callable[[str], bool]:
    """Return what tells if a requirement is that of a package."""
    return lambda line: name_of(line) == name


def _pinned(line: str, addresses: dict[str, str]) -> str:
    """Return a requirement for the very file that was chosen."""
    name = _name_without_url(line)
    if name is None or name not in addresses:
        return line
    requirement, semicolon, marker = line.partition(";")
    extras = re.search(r"\[[^]]*\]", requirement)
    pinned = f"{name}{extras.group() if extras else ''} @ {addresses[name]}"
    return f"{pinned} {semicolon}{marker}" if semicolon else pinned


def _package_of(item: dict[str, Any]) -> Package:
    """Return the package of an item in a report of pip."""
    name, version = item["metadata"]["name"], item["metadata"]["version"]
    source = item["download_info"]
    archive = source.get("archive_info", {})
    hashes = [f"{kind}:{value}" for kind, value in archive.get("hashes", {}).items()]
    if not hashes and archive.get("hash"):
        hashes = [archive["hash"].replace("=", ":", 1)]
    if not item.get("is_direct"):
        return _chosen(name, version, hashes)
    url, control = source["url"], source.get("vcs_info")
    if control is not None:
        url = f"{control['vcs']}+{url}@{control['commit_id']}"
    return _chosen(name, version, hashes, url)


def choose_tool(
    commands: Commands, python: Python, directory: str, scratch: str, index: Index
) -> Tool:
    """Choose the tool that makes an environment, from those of this machine.

    Args:
        commands: Runs the commands.
        python: The interpreter that the environment gets.
        directory: The directory of the environment.
        scratch: A private directory for temporary files.
        index: Where packages come from.
    """
    uv = find_uv()
    if uv is not None:
        return Uv(uv, commands, python, directory, scratch, index)
    if not python.has_pip:
        raise EnvironmentBuildError(
            f"Python {python.version} ({python.executable}) has no module ensurepip, "
            "which makes environments. Install it (Debian calls it python3-venv), or "
            "install bandsaw[environments], which brings uv."
        )
    return Pip(commands, python, directory, scratch, index)


def find_uv() -> str | None:
    """Return the path of uv: that of the extra, else the one on the `PATH`."""
    try:
        from uv import find_uv_bin

        return str(find_uv_bin())
    except (FileNotFoundError, ImportError):
        pass
    path = shutil.which("uv")
    return path if path is not None and _answers(path) else None


def _answers(path: str) -> bool:
    """Tell if an executable works; a launcher may exist without its program."""
    try:
        subprocess.run(
            [path, "--version"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_PATIENCE,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return True

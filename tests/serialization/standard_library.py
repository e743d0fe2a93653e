"""Values of the standard library, written and read by the Python that runs this file.

`python standard_library.py write FILE` writes all that this Python has, and
`python standard_library.py read FILE...` prints which of them it does not read as its
own are.
"""

from __future__ import annotations

import copyreg
import enum
import importlib
import io
import json
import os
import sys
import warnings
from typing import Any, Iterator

from bandsaw import PickleSerializer
from bandsaw.exceptions import SerializationError

# What each Python evaluates, by the module that it needs; newer ones have more of it
_EXPRESSIONS = """
builtins: [1, True, 1.5, 2j, b"b", bytearray(b"x"), "s", (1,), {1}, {1: 2}, None, ...]
builtins: (range(1, 9, 2), slice(1, 2), frozenset([1]), NotImplemented, len, [].append)
builtins: [iter([1, 2]), iter(range(3)), iter((1, 2)), zip([1], [2]), map(str, [1])]
builtins: [filter(None, [1]), enumerate([1]), reversed([1, 2]), iter("abc")]
builtins: int | str
builtins: list[int]
builtins: ExceptionGroup("m", [ValueError(1)])
builtins: [OSError(2, "x", "f"), StopIteration(5), ImportError("m", name="n")]
builtins: [UnicodeDecodeError("u", b"x", 0, 1, "r"), SyntaxError("m", ("f", 1, 2, "t"))]
argparse: argparse.Namespace(a=1)
array: [array.array("d", [1.5]), array.array("b", [1]), array.array("u", "a")]
asyncio: asyncio.IncompleteReadError(b"x", 3)
calendar: calendar.TextCalendar(2)
calendar: calendar.MONDAY
collections: collections.OrderedDict(a=1)
collections: [collections.defaultdict(list, a=[1]), collections.deque([1], 3)]
collections: [collections.Counter("aab"), collections.ChainMap({1: 2}, {3: 4})]
collections: [collections.UserDict(a=1), collections.UserList([1])]
collections.abc: collections.abc.Callable[[int], str]
configparser: configparser.ConfigParser({"a": "b"})
configparser: [configparser.RawConfigParser(), configparser.NoOptionError("x", "y")]
contextlib: [contextlib.nullcontext(1), contextlib.suppress(ValueError)]
ctypes: ctypes.c_int(5).value
dataclasses: dataclasses.MISSING
dataclasses: dataclasses.field(default=1)
datetime: [datetime.date(2020, 1, 2), datetime.timedelta(1, 2, 3)]
datetime: datetime.datetime(2020, 1, 2, 3, 4, 5, 6, datetime.timezone.utc, fold=1)
datetime: datetime.timezone(datetime.timedelta(hours=2), "x")
decimal: [decimal.Decimal("1.50"), decimal.Context(prec=5), decimal.Overflow("x")]
difflib: [difflib.Match(1, 2, 3), difflib.Differ()]
dis: list(dis.get_instructions(compile("a", "f", "eval")))[0]
email.headerregistry: email.headerregistry.Address("a", "b", "c")
email.message: [email.message.EmailMessage(), email.message.Message()]
enum: enum.auto()
filecmp: filecmp.dircmp("a", "b", ignore=[])
fractions: fractions.Fraction(1, 3)
functools: [functools.partial(int, base=2), functools.reduce]
gettext: gettext.NullTranslations()
http: [http.HTTPStatus.OK, http.HTTPStatus.NOT_FOUND]
http.client: http.client.IncompleteRead(b"x", 3)
http.cookies: http.cookies.SimpleCookie("a=b")
importlib.machinery: importlib.machinery.ModuleSpec("a", None)
importlib.machinery: importlib.machinery.SourceFileLoader("a", "/b.py")
importlib.metadata: importlib.metadata.PackagePath("a/b")
importlib.resources: [importlib.resources.read_text, importlib.resources.is_resource]
inspect: inspect.signature(lambda a, b=1, *c, d, **e: None)
io: [io.StringIO("a"), io.BytesIO(b"x"), io.UnsupportedOperation("x")]
ipaddress: [ipaddress.ip_address("1.2.3.4"), ipaddress.ip_address("::1")]
ipaddress: [ipaddress.ip_network("1.2.3.0/24"), ipaddress.ip_interface("::1/64")]
itertools: [itertools.count(3), itertools.repeat(1, 2), itertools.chain([1], [2])]
json: json.JSONDecodeError("m", "d", 0)
logging: logging.Formatter("%(message)s")
logging: [logging.Formatter("{message}", style="{"), logging.Filter("a")]
logging: log_record()
operator: [operator.itemgetter(1), operator.attrgetter("a.b"), operator.add]
optparse: optparse.Values({"a": 1})
os: [os.stat_result(range(10)), os.terminal_size((1, 2)), os.uname_result("abcde")]
pathlib: [pathlib.Path("/a"), pathlib.PurePosixPath(), pathlib.PureWindowsPath("c:/a")]
pathlib: pathlib.PurePosixPath('/a/b').parents
platform: platform.uname()
plistlib: plistlib.UID(1)
random: random.Random(5)
re: [re.compile("a+", re.I), re.error("m", "a+", 1)]
reprlib: reprlib.Repr()
sched: sched.Event(*range(len(sched.Event._fields)))
selectors: selectors.SelectorKey(1, 2, 3, 4)
signal: signal.SIGTERM
socket: [socket.AF_INET, socket.gaierror(1, "x")]
socket: socket.timeout("x")
statistics: statistics.NormalDist(1, 2)
string: string.Template("$a")
subprocess: subprocess.CompletedProcess(["a"], 1, b"o", b"e")
subprocess: [subprocess.CalledProcessError(1, "a"), subprocess.TimeoutExpired("a", 1)]
tarfile: tarfile.ReadError("x")
textwrap: textwrap.TextWrapper(20)
time: time.gmtime(0)
tokenize: list(tokenize.tokenize(io.BytesIO(b'a=1').readline))
traceback: traceback.StackSummary.from_list([('f', 1, 'n', 'x')])
traceback: traceback.FrameSummary('f', 1, 'n', line='x')
types: types.SimpleNamespace(a=1)
typing: [typing.Any, typing.List[int], typing.Union[int, str], typing.Literal[1]]
typing: [typing.Callable[[int], str], typing.Tuple[int, ...], typing.AnyStr]
urllib.parse: urllib.parse.urlparse("http://a/b?c#d")
uuid: [uuid.UUID(int=5), uuid.SafeUUID.safe]
xml.dom.minidom: xml.dom.minidom.parseString("<a b='c'>d</a>").toxml()
xml.etree.ElementTree: xml.etree.ElementTree.fromstring("<a b='c'>d<e/></a>")
xmlrpc.client: [xmlrpc.client.Binary(b"x"), xmlrpc.client.Fault(1, "x")]
zipfile: member_of_archive()
zoneinfo: zoneinfo.ZoneInfo("UTC")
"""

# Of these, all public classes, all members of enums, and an instance of each exception
_MODULES = """
argparse array asyncio bdb binascii builtins bz2 calendar codecs collections
collections.abc concurrent.futures configparser contextlib copy csv datetime decimal
difflib email.errors enum fractions functools getopt graphlib gzip http http.client
http.cookiejar http.cookies importlib.abc importlib.machinery importlib.metadata
importlib.resources inspect io ipaddress itertools json locale logging lzma mimetypes
numbers operator optparse os pathlib pickle plistlib queue random re select selectors
shutil signal socket sqlite3 statistics string struct subprocess tarfile tempfile
textwrap threading tokenize traceback types typing urllib.error urllib.parse uuid
warnings xml.dom xml.etree.ElementTree xml.sax xmlrpc.client zipfile zlib zoneinfo
"""


def member_of_archive() -> Any:
    """The description of a file in a zip archive, as read from there."""
    import zipfile

    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(zipfile.ZipInfo("x"), b"content")
    with zipfile.ZipFile(stream) as archive:
        return archive.infolist()[0]


def log_record() -> Any:
    """A log record that is the same in every process."""
    import logging

    own = "created", "msecs", "process", "processName", "relativeCreated", "thread"
    return logging.makeLogRecord(dict.fromkeys(own))


def samples() -> Iterator[tuple[str, Any]]:
    """Yield the values that this Python has, and a name for each."""
    for line in _EXPRESSIONS.strip().splitlines():
        module, _, expression = line.partition(": ")
        try:
            importlib.import_module(module)
            root = module.partition(".")[0]
            yield expression, eval(expression, {**globals(), root: sys.modules[root]})
        except (ImportError, AttributeError, NameError, TypeError):
            continue  # This Python does not have it.
    for module in _MODULES.split():
        try:
            found = importlib.import_module(module)
        except ImportError:
            continue
        for name, value in list(vars(found).items()):
            if isinstance(value, type) and not name.startswith("_"):
                yield from _samples_of_class(f"{module}.{name}", value)


def _samples_of_class(name: str, cls: type) -> Iterator[tuple[str, Any]]:
    yield name, cls
    if issubclass(cls, enum.Enum):
        yield from ((f"{name}.{member.name}", member) for member in cls)
    elif issubclass(cls, BaseException):
        for arguments in ("x",), ("x", "y"):
            try:
                yield f"{name}{arguments}", cls(*arguments)
            except Exception:
                continue  # It wants other arguments.


class Comparison:
    """Compares what this Python makes itself with what was read."""

    def __init__(self) -> None:
        self._compared: set[tuple[int, int]] = set()
        # What is kept has an id that nothing else has.
        self._kept: list[Any] = []

    def is_same(self, own: Any, read: Any) -> bool:
        """Tell if what was read is as good as what this Python makes itself."""
        if own is read or (id(own), id(read)) in self._compared:
            return True
        self._compared.add((id(own), id(read)))
        self._kept += own, read
        if type(own) is not type(read):
            return False
        if type(own) in (list, tuple):
            return len(own) == len(read) and all(map(self.is_same, own, read))
        if type(own) is dict:
            # Attributes that only another Python knows do no harm.
            return own.keys() <= read.keys() and all(
                self.is_same(value, read[name]) for name, value in own.items()
            )
        reduced = None if isinstance(own, os.PathLike) else _reduced(own)
        if reduced is None:
            return bool(own == read)
        return self.is_same(reduced, _reduced(read))


def _reduced(value: Any) -> Any:
    if isinstance(value, (type, str, bytes, int, float, complex, bytearray, set)):
        return None
    reduce: Any = copyreg.dispatch_table.get(type(value))
    try:
        reduced = value.__reduce_ex__(4) if reduce is None else reduce(value)
    except TypeError:
        return None
    if isinstance(reduced, str):
        return None
    function, args, *state = reduced
    return [
        function,
        args,
        *(list(part) if hasattr(part, "__next__") else part for part in state),
    ]


def write(path: str) -> None:
    serializer = PickleSerializer()
    written = {}
    for name, value in samples():
        stream = io.BytesIO()
        try:
            serializer.serialize(value, stream)
        except SerializationError:
            continue
        written[name] = stream.getvalue().hex()
    with open(path, "w") as file:
        json.dump(written, file)


def read(paths: list[str]) -> None:
    serializer = PickleSerializer()
    outcomes: dict[str, dict[str, str]] = {path: {} for path in paths}
    own = dict(samples())
    for path in paths:
        with open(path) as file:
            written = json.load(file)
        for name, content in written.items():
            try:
                value = serializer.deserialize(io.BytesIO(bytes.fromhex(content)))
            except Exception as error:
                if name in own or isinstance(error, SerializationError):
                    outcomes[path][name] = f"{type(error).__name__}: {error}"
                continue
            if name in own and not Comparison().is_same(own[name], value):
                outcomes[path][name] = f"another {type(value).__name__}"
    print(json.dumps(outcomes))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    if sys.argv[1] == "write":
        write(sys.argv[2])
    else:
        read(sys.argv[2:])

import os
import warnings

import multimeter

from bandsaw.advices.metrics import MetricsAdvice
from bandsaw.runtime import temporary as _temporary
from tests.advices.calls import Call

# The measuring thread stays behind, which the child does without.
warnings.simplefilter("ignore", DeprecationWarning)
advice = MetricsAdvice(multimeter.Multimeter(multimeter.ResourceProbe()))


def work():
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            assert list(Call(lambda: None, advice).attachments) == ["metrics.json"]
            status = 0
        finally:
            _temporary._remove_all()  # As at a usual end.
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0


assert list(Call(work, advice).attachments) == ["metrics.json"]

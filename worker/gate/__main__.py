"""`python -m worker.gate`: judges a finished job's candidate again, against what is served now.

A process of its own, because it imports torch. Reads one RematchInput from stdin, says progress on stderr, prints the
verdict as JSON; on failure its last line on stderr says why.
"""

from __future__ import annotations

import sys
import traceback

from shared.errors import PolyheadError
from worker.gate.rematch import RematchInput
from worker.training.process import end_at_once_on_sigterm, use_threads


def main() -> int:
    end_at_once_on_sigterm()
    work = RematchInput.model_validate_json(sys.stdin.buffer.read())
    use_threads(work.threads)
    from worker.gate.rejudging import judge_again

    try:
        print(judge_again(work).model_dump_json(), flush=True)
    except PolyheadError as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return 1
    except Exception as error:  # noqa: BLE001 - the caller shows the last line of whatever went wrong
        traceback.print_exception(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

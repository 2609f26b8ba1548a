"""`python -m worker.publishing base`: makes the base encoder's artifact and prints its id and its manifest's hash.

A process of its own, because it imports torch. Says on stderr, in one line, why it could not.
"""

from __future__ import annotations

import argparse
import sys

from shared.errors import PolyheadError
from shared.store.folder import open_store
from worker.publishing.base_artifact import write_base_artifact


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m worker.publishing", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    base = commands.add_parser("base", help="make the artifact of the base encoder without heads")
    base.add_argument("--store-url", required=True)
    base.add_argument("--base-model", required=True)
    options = parser.parse_args(arguments)
    try:
        print(write_base_artifact(open_store(options.store_url), options.base_model).model_dump_json(), flush=True)
    except PolyheadError as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

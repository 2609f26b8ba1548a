"""Generate the gRPC stubs from proto/, or check that the committed ones are current.

proto/polyhead becomes polyhead/, for clients and server; proto/open_inference becomes server/rpc/open_inference/, for
the server alone: the client must not register the package `inference`, which other clients bring themselves.

python tools/generate_stubs.py .            write them
python tools/generate_stubs.py --check .    exit 1 and name the files that differ
"""

from __future__ import annotations

import argparse
import filecmp
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

#: Folder of proto/ -> package of the stubs.
PACKAGES = {"polyhead": "polyhead", "open_inference": "server/rpc/open_inference"}
PLUGINS = ("python", "grpc_python", "mypy", "mypy_grpc")


def generate(root: Path, target: Path) -> list[Path]:
    """Write the stubs for every .proto of `root`/proto below `target`; return their relative paths."""
    source = root / "proto"
    protos = [
        f"{package}/{path.relative_to(source / folder)}"
        for folder, package in PACKAGES.items()
        for path in sorted((source / folder).rglob("*.proto"))
    ]
    well_known = str(files("grpc_tools") / "_proto")
    scripts = Path(sys.executable).parent
    command = [
        "protoc",
        *(f"-I{package}={source / folder}" for folder, package in PACKAGES.items()),
        f"-I{well_known}",
        *(f"--{plugin}_out={target}" for plugin in PLUGINS),
        *(f"--plugin=protoc-gen-{name}={scripts / f'protoc-gen-{name}'}" for name in ("mypy", "mypy_grpc")),
        *protos,
    ]
    if protoc.main(command) != 0:
        raise SystemExit("protoc failed; its messages are above")
    return sorted(path.relative_to(target) for path in target.rglob("*_pb2*.py*") if path.suffix != ".pyc")


def drifted(root: Path) -> list[str]:
    """Names of committed stubs that differ from what proto/ gives, are missing, or have no source any more."""
    with tempfile.TemporaryDirectory() as scratch:
        fresh = generate(root, Path(scratch))
        wrong = [
            str(path)
            for path in fresh
            if not (root / path).exists() or not filecmp.cmp(root / path, Path(scratch) / path, shallow=False)
        ]
    committed = {
        path.relative_to(root)
        for package in PACKAGES.values()
        for path in (root / package).rglob("*_pb2*.py*")
        if path.suffix != ".pyc"
    }
    return wrong + sorted(str(path) for path in committed - set(fresh))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a stub is not current")
    parser.add_argument("root", type=Path, help="the checkout")
    arguments = parser.parse_args()
    if not arguments.check:
        for path in generate(arguments.root, arguments.root):
            print(path)
        return 0
    wrong = drifted(arguments.root)
    if wrong:
        print("These stubs differ from proto/. Run `make proto` and commit the result:", *wrong, sep="\n  ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

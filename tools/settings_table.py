"""Print the settings of server and worker as the Markdown table that stands in README.md.

python tools/settings_table.py            print it
python tools/settings_table.py --write    put it between the markers in README.md
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pydantic_settings import BaseSettings

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- settings: made by tools/settings_table.py -->\n", "<!-- /settings -->"


def table() -> str:
    """One row a setting, in the order of the code; those that both read stand once."""
    sys.path.insert(0, str(ROOT))
    from server.settings import ServerSettings
    from worker.settings import WorkerSettings

    rows = {}
    readers: dict[str, list[str]] = {}
    for process, settings in (("server", ServerSettings), ("worker", WorkerSettings)):
        for name, field in _fields(settings).items():
            readers.setdefault(name, []).append(process)
            if name not in rows or not rows[name][0].strip("`"):  # the server takes the worker's default from the store
                rows[name] = (_default(field.get_default()), field.description or "")
    lines = ["| setting | default | read by | what it is |", "|---|---|---|---|"]
    lines += [f"| `{name.upper()}` | {rows[name][0]} | {', '.join(readers[name])} | {rows[name][1]} |" for name in rows]
    return "\n".join(lines) + "\n"


def _fields(settings: type[BaseSettings]) -> dict[str, Any]:
    return settings.model_fields


def _default(value: object) -> str:
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, tuple):
        value = ":".join(map(str, value))
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the table into README.md")
    if not parser.parse_args().write:
        print(table(), end="")
        return 0
    readme = ROOT / "README.md"
    text = readme.read_text()
    before, rest = text.split(BEGIN)
    readme.write_text(before + BEGIN + table() + END + rest.split(END)[1])
    return 0


if __name__ == "__main__":
    sys.exit(main())

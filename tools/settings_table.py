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
    """One row a setting, in the order of the code; one that both read alike stands once."""
    sys.path.insert(0, str(ROOT))
    from server.settings import ServerSettings
    from worker.settings import WorkerSettings

    readers: dict[tuple[str, str, str], list[str]] = {}
    for process, settings in (("server", ServerSettings), ("worker", WorkerSettings)):
        for name, field in _fields(settings).items():
            readers.setdefault((name, _default(field.get_default()), field.description or ""), []).append(process)
    lines = ["| setting | default | read by | what it is |", "|---|---|---|---|"]
    lines += [
        f"| `{name.upper()}` | {default} | {', '.join(processes)} | {text} |"
        for (name, default, text), processes in readers.items()
    ]
    return "\n".join(lines) + "\n"


def _fields(settings: type[BaseSettings]) -> dict[str, Any]:
    return settings.model_fields


def _default(value: object) -> str:
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, tuple):
        value = ":".join(map(str, value))
    return f"`{str(value).lower() if isinstance(value, bool) else value}`" if value != "" else "(empty)"


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

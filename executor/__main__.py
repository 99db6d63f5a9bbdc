"""The command, as ``executor`` and as ``python -m executor``."""

from __future__ import annotations

import sys
from pathlib import Path


def without_current_folder(path: list[str], cwd: str) -> list[str]:
    """The import path without the current folder that ``-m`` puts first.

    Otherwise a folder named ``strategies`` where the user happens to stand would be taken for ours.
    """
    first_is_cwd = bool(path) and path[0] in ("", cwd)
    return path[1:] if first_is_cwd else path


def main() -> None:
    """Run the command line."""
    from executor.cli.main import app

    app()


if __name__ == "__main__":
    sys.path[:] = without_current_folder(sys.path, str(Path.cwd()))
    main()

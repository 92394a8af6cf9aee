"""Entry of the `pourline` command."""

import sys
from collections.abc import Sequence

from pourline.local import cli
from pourline.local.errors import CommandError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; what goes wrong as foreseen is one line on stderr."""
    try:
        return cli.run(sys.argv[1:] if argv is None else argv)
    except CommandError as error:
        print(f"pourline: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())

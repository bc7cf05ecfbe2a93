"""`make audit`: exit 0 when all is well, 1 for a leak or a vulnerability, 2 when the advisories could not be asked."""

import sys
from pathlib import Path

from audit import leaks
from audit.advisories import LOCKS, Verdict, audit


def main() -> Verdict:
    """Audit this checkout and say what was found; arguments go to pip-audit, such as `-s osv`."""
    audits = [audit(Path(lock), sys.argv[1:]) for lock in LOCKS]
    for one in audits:
        (sys.stdout if one.verdict is Verdict.clean else sys.stderr).write("\n".join(one.sentences) + "\n")
    verdicts = {one.verdict for one in audits}
    if not leaks.scan(Path()):
        verdicts.add(Verdict.vulnerable)
    return next(verdict for verdict in (Verdict.vulnerable, Verdict.unknown, Verdict.clean) if verdict in verdicts)


if __name__ == "__main__":
    sys.exit(main())

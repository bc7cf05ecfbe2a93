"""Runs the lines of a documentation page in bash and holds each to the outcome that stands beside it.

What is run: the blocks marked `bash`. A line that ends in `#> 200; status = confirmed; ETag` says what its curl gets:
the status, fields of the JSON by dotted path, header fields by name (they begin with a capital letter), each with or
without its value. After `ishop` commands it says `#> exit 0; says Everything is fine`.
"""

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
MARK: Final = "#>"
BLOCK: Final = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECONDS: Final = 120

# Each command leaves what it got in files; `expect` keeps them under the number of its line.
PREAMBLE: Final = r"""
set -euo pipefail
curl() { printf x >> "$KEPT/calls"; command curl --noproxy '*' -D "$KEPT/headers" "$@" | tee "$KEPT/body"; }
ishop() {
  rm -f "$KEPT/headers"
  local code=0; command ishop "$@" > "$KEPT/body" || code=$?
  printf '%s' "$code" > "$KEPT/exit"; cat "$KEPT/body"; return "$code"
}
expect() {
  printf x >> "$KEPT/expected"
  local place="$KEPT/$(printf '%05d-%05d' "$(wc -c < "$KEPT/expected")" "$1")"
  printf '%s' "$2" > "$place.expectation"
  mv "$KEPT/body" "$place.body"
  if [ -f "$KEPT/headers" ]; then mv "$KEPT/headers" "$place.headers"; else mv "$KEPT/exit" "$place.exit"; fi
}
"""


@dataclass(frozen=True)
class Outcome:
    """What one line of a page got, and what the page says of it."""

    line: int
    expectation: str
    status: int
    headers: dict[str, str]
    body: str

    def faults(self) -> list[str]:
        """What is not as the page says."""
        return [f"line {self.line}: {part!r}, but got {got}" for part in self._parts() if (got := self._fault(part))]

    def _parts(self) -> list[str]:
        return [part.strip() for part in self.expectation.split(";")]

    def _fault(self, part: str) -> str | None:
        name, _, wanted = (piece.strip() for piece in part.partition("="))
        if name.isdigit() or name.startswith("exit "):
            return None if int(name.split()[-1]) == self.status else f"{self.status} {self.body[:500]}"
        if name.startswith("says "):
            return None if name.removeprefix("says ") in self.body else self.body[:2000]
        found = self.headers.get(name.lower()) if name[0].isupper() else _found(json.loads(self.body), name)
        if found is None or (wanted and found != wanted):
            return f"{found} in {self.headers if name[0].isupper() else self.body[:1500]}"
        return None


def _found(value: Any, path: str) -> str | None:
    """A field as it is written in JSON, texts without their quotes; None where there is no such field."""
    for key in path.split("."):
        if isinstance(value, list):
            if key == "length":
                value = len(value)
                continue
            if not key.isdigit() or int(key) >= len(value):
                return None
            value = value[int(key)]
        elif isinstance(value, dict) and key in value:
            value = value[key]
        else:
            return None
    return value if isinstance(value, str) else json.dumps(value)


def script_of(page: Path) -> str:
    """The page as a bash script that notes what each marked line got."""
    text = page.read_text()
    lines = [PREAMBLE]
    for block in BLOCK.finditer(text):
        first = text.count("\n", 0, block.start(1)) + 1
        for number, line in enumerate(block[1].splitlines(), first):
            code, _, expectation = line.partition(MARK)
            lines.append(code.rstrip())
            if expectation:
                quoted = expectation.strip().replace("\\", "\\\\").replace('"', '\\"').replace("`", "\\`")
                lines.append(f'expect {number} "{quoted}"')
    return "\n".join(lines)


def run_page(page: Path, kept: Path, environment: dict[str, str]) -> list[Outcome]:
    """Run the page at the top of the repository; raises AssertionError where the script itself fails."""
    for name in ("calls", "expected"):
        (kept / name).touch()
    run = subprocess.run(  # noqa: S603 - our own pages.
        ["bash", "-c", script_of(page)],  # noqa: S607 - the bash of the reader.
        cwd=ROOT,
        env={**os.environ, **environment, "KEPT": str(kept)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    outcomes = [_outcome(path) for path in sorted(kept.glob("*.expectation"))]
    faults = [fault for outcome in outcomes for fault in outcome.faults()]
    assert faults == [], f"{page.name}: " + "\n".join(faults)
    assert run.returncode == 0, f"{page.name} stops after {len(outcomes)} outcomes:\n{run.stderr}\n{run.stdout[-500:]}"
    calls = (kept / "calls").stat().st_size
    requests = sum(bool(outcome.headers) for outcome in outcomes)
    assert calls == requests, f"{page.name}: {calls} requests, of which {requests} say what they get"
    return outcomes


def _outcome(expectation: Path) -> Outcome:
    place = expectation.with_suffix("")
    line, headers = int(place.name.split("-")[1]), place.with_suffix(".headers")
    body = place.with_suffix(".body").read_text()
    if not headers.exists():
        return Outcome(line, expectation.read_text(), int(place.with_suffix(".exit").read_text()), {}, body)
    start, *fields = headers.read_text().strip().splitlines()
    named = {name.strip().lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
    return Outcome(line, expectation.read_text(), int(start.split()[1]), named, body)

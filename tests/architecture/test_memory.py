"""What a market does not use, it does not hold in memory (ADR 20)."""

import subprocess
import sys

IMPORTED = """
import json
import sys
from joserfc.jwk import OKPKey
from pydantic import SecretStr
import ishop.cli
from ishop.market import assemble
from ishop.settings import Settings

key = SecretStr(json.dumps(OKPKey.generate_key("Ed25519").as_dict(private=True)))
assemble(Settings(_env_file=None, signing_key=key))
print(*sys.modules)
"""
"""The command line and a whole market as `ishop up` puts it together, without Valkey."""
UNUSED = {"alembic", "mako", "requests", "valkey"}


def test_a_market_imports_nothing_that_it_does_not_use() -> None:
    program = [sys.executable, "-c", IMPORTED]
    told = subprocess.run(program, capture_output=True, text=True, check=True)  # noqa: S603 - this file's own text.
    imported = set(told.stdout.split())
    assert "services.catalog.app" in imported
    assert not imported & UNUSED

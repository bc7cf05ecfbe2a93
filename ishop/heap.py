"""Memory that was freed, given back to the system.

The C library keeps what was freed for what comes next, and gives back only what lies at the end of its heap: after a
large batch or many pages that is a tenth of all that a market holds. Only glibc can be asked for the rest.
"""

import ctypes
import sys
from typing import Final

_trim: Final = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None


def give_back_freed() -> None:
    """Give back every page that holds nothing. Takes less than a millisecond; call it where much memory is needed."""
    if _trim is not None:
        _trim(0)

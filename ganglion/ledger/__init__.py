"""The ledger: the same samples through a ladder of networks, each one step further from the source.

result.py    what it found: `Ledger`, its entries and attributions
"""

from __future__ import annotations

from .result import Attribution, Entry, Ledger

__all__ = ["Attribution", "Entry", "Ledger"]

"""The ledger: the same samples through a ladder of networks, each one step further from the source.

run.py       `ledger_of`: block by block up the ladder
ladder.py    which networks stand on it, and how each rung is told from the others
values.py    the rungs that compute with real values: folded, staircase, infinite T
networks.py  the source and the spiking networks under the same interface
meaning.py   what a population's values stand for in the model
measure.py   errors, by population and rung
hybrids.py   whose loss it is: the first k populations of one rung, the rest of the one before
verdict.py   the first offender, and what to do about it
table.py     for a terminal
result.py    what it found: `Ledger`, its entries and attributions
"""

from __future__ import annotations

from .ladder import known_target
from .networks import Recording
from .result import Attribution, Entry, Ledger
from .run import ledger_of
from .table import table_of

__all__ = ["Attribution", "Entry", "Ledger", "Recording", "known_target", "ledger_of", "table_of"]

"""Folds of the journal: the ledger in memory, and the read models in MongoDB."""

from live_trading.projections.fold import FOLD_VERSION, apply
from live_trading.projections.ledger import Ledger

__all__ = ["FOLD_VERSION", "Ledger", "apply"]

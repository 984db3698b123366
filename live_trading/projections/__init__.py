"""Folds of the journal: the ledger in memory, and the read models in MongoDB."""

from live_trading.projections.checkpoint import Checkpoint, Checkpoints
from live_trading.projections.documents import DOCUMENTS_VERSION
from live_trading.projections.fold import FOLD_VERSION, apply
from live_trading.projections.ledger import Ledger
from live_trading.projections.live import LiveLedger
from live_trading.projections.projector import Projector
from live_trading.projections.read_models_verify import ReadModelsDiffer, ReadModelsReport, verify_read_models
from live_trading.projections.rebuild import RebuildOvertaken, Rebuilt, rebuild
from live_trading.projections.time_travel import describe, ledger_at, sequence_number_at

__all__ = [
    "DOCUMENTS_VERSION",
    "FOLD_VERSION",
    "Checkpoint",
    "Checkpoints",
    "Ledger",
    "LiveLedger",
    "Projector",
    "ReadModelsDiffer",
    "ReadModelsReport",
    "RebuildOvertaken",
    "Rebuilt",
    "apply",
    "describe",
    "ledger_at",
    "rebuild",
    "sequence_number_at",
    "verify_read_models",
]

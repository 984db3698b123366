"""Deliberate bugs: each is one that trading systems have had, put into the engine while a block runs.

A laboratory that has never failed shows nothing. Each of these must make it fail; ``docs/crash-laboratory.md`` says
which check caught which, after how many seeds.
"""

from typing import Final

from live_trading.simulation.mutants import in_hearing, in_journal, in_orders, in_recovery
from live_trading.simulation.mutants.base import Apply, Mutant, mutated

__all__ = ["MUTANTS", "Mutant", "mutated"]

_ALL: Final[tuple[Apply, ...]] = (
    in_journal.acknowledged_before_durable,
    in_journal.doubt_taken_for_done,
    in_journal.numbers_not_given_back,
    in_journal.no_fence,
    in_journal.no_lease_check,
    in_journal.chain_not_linked,
    in_journal.clock_believed,
    in_orders.sent_before_journal,
    in_orders.timeout_taken_for_rejection,
    in_orders.timeout_taken_for_nothing,
    in_orders.sent_again_on_doubt,
    in_orders.cancel_taken_for_done,
    in_orders.change_taken_for_done,
    in_orders.random_ids,
    in_hearing.fills_counted_twice,
    in_hearing.late_fills_dropped,
    in_hearing.commissions_dropped,
    in_hearing.commissions_in_floats,
    in_hearing.corrections_dropped,
    in_hearing.fills_while_down_not_asked_for,
    in_hearing.absence_at_once,
    in_hearing.unknown_taken_for_absent,
    in_hearing.failed_positions_taken_for_flat,
    in_hearing.differences_ignored,
    in_recovery.stop_not_placed_again,
    in_recovery.orphans_left,
    in_recovery.exit_of_the_whole_quantity,
    in_recovery.policy_not_applied,
    in_recovery.command_forgotten,
    in_recovery.kill_switch_in_memory,
    in_recovery.paused_operations_trade,
    in_recovery.snapshot_of_another_moment,
    in_recovery.fold_looks_at_the_clock,
    in_recovery.placing_not_told,
)
MUTANTS: Final = {apply.__name__: Mutant(apply.__name__, apply) for apply in _ALL}
"""Every mutant, by name."""

"""What the lake promises, and the tests that show it.

Each test is named by its file and its function, below `tests/`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["PROMISES", "Promise"]


@dataclass(frozen=True, slots=True)
class Promise:
    """One promise.

    Attributes:
        number: by which it is cited.
        text: what is promised.
        tests: what shows that it is kept.
    """

    number: str
    text: str
    tests: tuple[str, ...]


_ANY_CALL: Final = "faults/test_nth_call.py::test_whichever_call_fails_the_promises_hold"
_ORDER: Final = "faults/test_order.py::test_nothing_is_relied_on_before_it_is_on_disk"
_POWER: Final = "faults/test_power.py::test_cut_off_anywhere_a_partition_is_whole_and_what_was_acknowledged_stays"
_MACHINE: Final = (
    "faults/test_machine.py::test_whatever_fails_each_key_has_the_rows_that_it_had_or_those_it_was_to_get"
)
_GROWS: Final = (
    "faults/test_inputs.py::test_a_source_that_grows_beyond_the_memory_ends_in_a_message_and_leaves_nothing"
)
_STORM: Final = (
    "faults/test_storm.py::test_whoever_is_killed_when_every_read_is_one_commit_and_the_lake_comes_to_rest"
)

PROMISES: Final[Mapping[str, Promise]] = {
    promise.number: promise
    for promise in (
        Promise(
            "R1",
            "Each partition is, at every instant and after any crash, whole: the old version or the new one.",
            (_ANY_CALL, _POWER, _STORM, _MACHINE),
        ),
        Promise(
            "R2",
            "Exit code 0 means durable: it survives a power cut at once.",
            (_ORDER, _POWER),
        ),
        Promise(
            "R3",
            "A partition that fails leaves the Hive tree bit for bit as it was, and the log says so.",
            (
                _ANY_CALL,
                "test_crash.py::test_a_failing_replacement_leaves_the_hive_tree_bit_for_bit_until_the_commit",
                "test_races.py::test_a_failed_attempt_does_not_stand_beside_newer_data",
            ),
        ),
        Promise(
            "R4",
            "Running it again converges, and changes no byte that was right.",
            (
                _ANY_CALL,
                "faults/test_two_writers.py::test_a_writer_that_is_overtaken_anywhere_replaces_nothing_newer",
            ),
        ),
        Promise(
            "R5",
            "A smaller or empty result leaves no old row behind.",
            (_ANY_CALL, "faults/test_compared.py::test_where_others_break_the_lake_does_not"),
        ),
        Promise(
            "R6",
            "Other partitions are never touched.",
            (_ANY_CALL, "faults/test_compared.py::test_where_others_break_the_lake_does_not"),
        ),
        Promise(
            "R7",
            "Silent damage is found.",
            (
                "test_verify.py::test_any_byte_that_is_flipped_anywhere_is_found_where_it_is",
                "test_verify.py::test_a_file_that_is_missing_is_found_and_nothing_else_is_said",
                "test_verify.py::test_a_foreign_file_is_found_wherever_it_is_and_left_there",
                "test_verify.py::test_a_damaged_version_is_marked_so_that_a_run_makes_it_again",
            ),
        ),
        Promise(
            "R8",
            "Bad input costs nothing but a clear message: one line, what, where, the fix; a documented exit code; no "
            "traceback; no hang.",
            (
                _ANY_CALL,
                "faults/test_limits.py::test_a_limit_is_called_by_its_name_and_costs_nothing_but_the_message",
                "faults/test_inputs.py::test_spoiled_bytes_are_refused_in_plain_words_or_read_as_others_read_them",
                _GROWS,
                "faults/test_hostile.py::test_a_value_is_refused_or_is_one_folder_that_every_reader_reads_as_it_was",
                "faults/test_hostile.py::test_a_link_planted_in_the_tree_leads_nobody_out_of_it",
            ),
        ),
    )
}

"""The judge is judged: it says of a lake that is wrong what is wrong with it, and nothing of one that is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from faults.spoiled import SPOILED

if TYPE_CHECKING:
    from conftest import Prepared
    from faults.warm import Warm


@pytest.mark.parametrize("name", SPOILED)
def test_what_is_wrong_with_a_lake_is_told(warm: Warm, prepared: Callable[[str], Prepared], name: str) -> None:
    lake = prepared("replace")
    clause = SPOILED[name][0]
    found = warm.call("faults.spoiled:judged", str(lake.folder), lake.before, name)
    assert clause in {text.partition(":")[0] for text in found}

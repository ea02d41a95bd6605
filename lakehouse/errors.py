"""The error tree: one root, branched by what the caller does next.

Knows how an error reads (a code, one line, details, a help line) and which exit code it ends a command with.
Knows nothing of where errors come from, nor how they are coloured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from lakehouse.records import Materialization

__all__ = [
    "AssetUnknownError",
    "AuditError",
    "ComputeError",
    "DamageError",
    "DefinitionError",
    "LakeError",
    "MaterializeError",
    "PartitionKeyError",
    "RequestError",
    "SourceError",
    "StorageError",
]


class LakeError(Exception):
    """Anything that the lake refuses or fails to do, said in words that name what, where and the fix.

    Args:
        message: one line, without a full stop: what is wrong, and of which thing.
        code: a kebab-case name for the kind of error, stable across releases (``partition-invalid``).
        details: further lines, shown indented under the message.
        help: what to do, one line (or several, of which only the first gets the word "help").
        context: the same facts for machines; JSON values only.
    """

    exit_code: ClassVar[int] = 2
    default_code: ClassVar[str] = "lake-error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        details: Sequence[str] = (),
        help: str | None = None,  # noqa: A002  the word that users read
        context: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.details = tuple(details)
        self.help = help
        self.context = dict(context or {})

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def to_json(self) -> dict[str, Any]:
        """The error for machines, and for the log."""
        return {
            "code": self.code,
            "message": self.message,
            "details": list(self.details),
            "help": self.help,
            "context": self.context,
            "exit_code": self.exit_code,
        }

    def lines(self) -> list[str]:
        """The message, the details and the help, as they are shown under ``error[code]:``."""
        shown = [self.message, *(f"  {line}" for line in self.details)]
        if self.help:
            shown.append(f"  help: {self.help}")
        return shown


class RequestError(LakeError, ValueError):
    """The command or call asks for something that cannot be: change the request."""

    default_code = "request-invalid"


class PartitionKeyError(RequestError):
    """A text that names no partition of the asset."""

    default_code = "partition-invalid"


class AssetUnknownError(RequestError, KeyError):
    """A name that no asset, view or source of the lake has."""

    default_code = "asset-unknown"


class DefinitionError(LakeError, ValueError):
    """The definitions are wrong: change the lakefile. Nothing ran."""

    default_code = "definition-invalid"


class SourceError(LakeError):
    """A source is missing or malformed: mend the data. Nothing that reads it was published."""

    exit_code = 5
    default_code = "source-malformed"


class ComputeError(LakeError):
    """The asset's function or its query failed: mend the function. The partition keeps what it had."""

    exit_code = 1
    default_code = "asset-raised"


class AuditError(LakeError):
    """What was staged is not what may be published: nothing of that partition changed."""

    exit_code = 1
    default_code = "audit-blocked"


class StorageError(LakeError, OSError):
    """The disk, the rights or the log are at fault: look to the environment; doing it again is safe."""

    exit_code = 4
    default_code = "storage"


class DamageError(ComputeError, StorageError):
    """A version that the lake keeps is gone or has other bytes than were recorded: what reads it is not made.

    As a `ComputeError` it fails the partitions that read that version, and no others.
    """

    exit_code = 4
    default_code = "version-damaged"


class MaterializeError(LakeError):
    """Partitions failed; the others are published.

    Attributes:
        results: one for each partition, the published ones too.
    """

    exit_code = 1
    default_code = "partitions-failed"

    def __init__(self, message: str, *, results: Sequence[Materialization] = (), details: Sequence[str] = ()) -> None:
        super().__init__(message, details=details)
        self.results = list(results)

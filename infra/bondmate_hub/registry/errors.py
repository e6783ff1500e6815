"""What the registry refuses, with the codes Confluent's clients know.

RegistryError
├── NotFoundError          404, and 40401 subject, 40402 version, 40403 schema, 40408 no level of its own
├── IncompatibleError      409
├── UnprocessableError     422, and 42201 schema, 42202 version, 42203 level
└── StoreDamagedError      never answered: the store cannot be opened

Source of the codes: Confluent Schema Registry API reference, "Errors".
"""

from __future__ import annotations

__all__ = ["IncompatibleError", "NotFoundError", "RegistryError", "StoreDamagedError", "UnprocessableError"]


class RegistryError(Exception):
    """Carry an `error_code` whose first three digits are the HTTP status."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code

    @property
    def status(self) -> int:
        """The HTTP status."""
        return int(str(self.code)[:3])


class NotFoundError(RegistryError):
    """There is no such subject, version, schema or setting: register it, or mend the name."""

    @classmethod
    def subject(cls, subject: str) -> NotFoundError:
        """Create the error for an unknown subject."""
        return cls(40401, f"Subject '{subject}' not found.")

    @classmethod
    def version(cls, version: int) -> NotFoundError:
        """Create the error for a version that a subject does not have."""
        return cls(40402, f"Version {version} not found.")

    @classmethod
    def schema(cls) -> NotFoundError:
        """Create the error for an unknown schema."""
        return cls(40403, "Schema not found")


class IncompatibleError(RegistryError):
    """The schema may not follow the earlier ones: change it, or give the subject another level."""

    def __init__(self, subject: str, level: str, faults: list[str]) -> None:
        super().__init__(409, f"Schema for '{subject}' is not {level}: {'; '.join(faults)}")
        self.faults = faults


class UnprocessableError(RegistryError):
    """The request is well formed but means nothing here: mend the schema, version or level."""


class StoreDamagedError(RegistryError):
    """The store on disk is locked by another process or has a line that cannot be read: mend it by hand."""

    def __init__(self, message: str) -> None:
        super().__init__(500, message)

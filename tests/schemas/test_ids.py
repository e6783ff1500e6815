"""Derived ids are the UUIDs of RFC 9562: what other versions of the hub derived, this one derives too."""

from __future__ import annotations

import uuid

from bondmate_schemas.ids import derived_id
from hypothesis import given
from hypothesis import strategies as st


@given(st.lists(st.text()))
def test_a_derived_id_is_the_version_5_uuid_of_its_parts(parts: list[str]) -> None:
    namespace = uuid.UUID("6f1b2f0e-53c5-5d0c-9c0b-0c0f7a1d8a11")
    name = "".join(f"{len(part)}:{part}" for part in parts)

    assert str(uuid.uuid5(namespace, name)) == derived_id(*parts)

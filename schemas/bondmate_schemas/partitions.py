"""Where Kafka keeps a key: the one partitioner of the hub's writers, of faust's tables and of Java's client."""

from __future__ import annotations

from typing import Final

PARTITIONER: Final = "murmur2_random"
"""librdkafka's name for what Java's client does by default; its own default, by CRC32, has other places for keys."""
PARTITIONING: Final = (
    "The partition of a record is that of its key by murmur2, as Java's client and franz-go have it by default; in"
    f" librdkafka and what is built on it set `partitioner={PARTITIONER}`, its own default is another (CRC32). What a"
    " client writes into another partition, or under another key or none, is taken all the same, and what it wrote for"
    " one key in one partition stays in its order. A record in another's partition is written again, once, in its own:"
    " the copy has the same value and headers, and two more, `bondmate.moved.times` and `bondmate.moved.from`. Whoever"
    " reads these topics knows a copy by `ce_source` and `ce_id`, as any repeat."
)
"""What a stranger who writes the hub's topics must know; for the reference pages."""

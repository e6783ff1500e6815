"""faust, behind a contract: the agents above this package see records and tables, and never faust.

What an agent may count on, and where it is kept:

- **A record in.** `application.attach_agent` runs an agent's body on each record of a topic. The body gets an
  `Arrived`: topic, partition, offset, and key, value and headers as bytes. It returns the outcome for the metrics, or
  an `InTurn` with work that is left to do in the order of another key (`guard`).
- **Settled once.** A record counts as read when its body has returned, and not before: what a killed worker had in
  hand comes again (`driver`). So a body derives the ids of what it writes from what it read.
- **Errors say what to do** (`bondmate_streams.errors`). On `NotNowError` the body is tried again, and what follows
  under the same key waits. On `BadEventError` and `CodecError`, and on anything unforeseen, the record goes to the
  dead-letter topic of its stage with its original bytes; only then is it settled.
- **Order.** Records of one key are worked one after another, those of other keys side by side, up to a bound
  (`in_flight`). Agents that write one table hold the lock of the key meanwhile (`key_locks`).
- **Records out.** `RecordWriter.send` begins to write at once; awaited, it ends when the broker has acknowledged
  every record (`record_writer`).
- **Tables.** A `RecordTable` holds records of one kind by text key. `put` and `forget` take effect at once; awaited,
  they end when the changelog has them (`tables`). A table is read and written for a key whose partition is at hand:
  that of the record in work, or one entered by `OwnedPartitions.in_partition_of` (`owned_partitions`). Nobody else
  writes there meanwhile: before a partition goes to another worker, what is begun has ended or was given up.
- **The loop is shared.** An agent that computed for longer than some milliseconds would hold up every alert, and
  longer than a session, lose its partitions: long work goes through `cooperatively` (`cooperative_iteration`).

Inside, the way of a record is: `driver` (faust's consumer on the agents' loop) → `admission` (straight to the agent,
or by faust's stream where it must wait) → `in_flight` → `guard` → the agent's body. `local_handoff` spares a new
alert the topic between two agents of one worker. `changelog_copies` follows other workers' tables, so that a takeover
reads only their last moments. `table_store` is RocksDB under faust's tables.

An upgrade of faust begins with the tests of this package and those that kill workers: `driver`, `admission`,
`application`, `owned_partitions` and `table_store` lean on its inside. What lies on topics and disks (names of the
application, tables, changelogs and groups) is the catalogue's to name, and stays.
"""

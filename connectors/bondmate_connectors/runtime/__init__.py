"""What runs connectors: retry, order, dead letters and commits are here, the same for every platform.

`run` is the entrance: it starts each configured connector, with its own consumers and its own end.

- To the platform: `sink_runner` begins with the way of a record through `intake`, `keyed_queue`, `delivery_loop`,
  `outcome`, `settlement` and `drain`; `send_timer`, `superseding`, `receipts`, `settings`, `sink_tools` serve it.
- When the platform is away or refuses: `link` connects again, `retry` has the waits, `breaker` and `circuit_breaker`
  stop a destination that fails, `refusal` sends one probe for all. `suspects` and `flights` find the one event that is
  itself the trouble. `account` and `account_file` see that no account is locked.
- From the platform: `source_runner` publishes, `authority` decides who may speak for whom, `envelopes` names the topic.
  `replay_runner` shows the gateway what topics keep.
- Life: `registry` finds connectors, `supervision` builds a crashed one anew, `control` does what people ask of a
  running one, `broker` waits for Kafka.
- What is told: `reports`, `health` and `heartbeat` say how a connector stands, `watchdog` what stands still, `backlog`
  and `behind` what waits.
"""

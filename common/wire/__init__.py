"""Between messages and the model: the only place that knows both, and where every field from a peer meets its limit.

`versions` translates what describes paths, `replication` and `restoring` the messages of the two services, `status` the
errors, `transport` holds the channel and server options that both ends must agree on.
"""

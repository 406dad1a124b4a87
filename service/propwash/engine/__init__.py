"""The asyncio shell: commits what the core decides, then does what it wants.

May live here: tasks, timers, queues. Must not: decisions about executions (core), wire protocols, SQL, metrics.
"""

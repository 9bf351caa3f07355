"""The runbook's steps as Prefect tasks, one step a file, thin over engine/; flows call them, and nothing else is here.

Tasks of a wave and of a rollback carry no tags: Prefect asks its server for a tag's limits before such a task runs, and
nothing on the way to an evaluation or to zero may need the server. Nor do they have Prefect's retries, caches or
time-outs: their own code tries again under a permit, bounds every call, and must not be interrupted between a write
and its record.
"""

"""The runbook as Prefect flows, a module for each subject: what a deployment of `prefect.yaml` starts, and the waves.

`rollout`, `rollback`, `preflight`, `drill`, `backtest`, `watch` and `upkeep` hold the flow of their name; `steering`
holds, resumes and extends; `approving` approves what a gate cannot.
"""

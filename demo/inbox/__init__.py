"""The demo's inbox: receives what Slack, PagerDuty and mail clients send, keeps it and shows it."""

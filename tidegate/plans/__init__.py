"""What a plan may say: its models, their checks, and how a file becomes one."""

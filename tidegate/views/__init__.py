"""What a person looks at: one model for terminal, dashboard and artifacts."""

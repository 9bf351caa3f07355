"""Why a decision was taken: every criterion judged again from the journal alone, with its course until then."""

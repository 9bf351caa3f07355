"""The values that rules are made of: units, samples, verdicts, exposure, query templates."""

"""Cases and results in the formats of others."""

"""The operator's page: groups of near-duplicates to decide on, and how far replication is."""

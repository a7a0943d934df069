"""What developers run: training of what the program ships, and what is generated from its sources."""

"""What the operator's doors of both agents have in common: who is let in, what is written down, what can be turned."""

"""Kill, sabotage, and look at what both sites are left with."""

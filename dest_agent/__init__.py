"""The daemon at site B: proves, stores, catalogues and gives back."""

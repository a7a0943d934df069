"""Generated from `proto/` by `make proto`; imported only where messages meet the model."""

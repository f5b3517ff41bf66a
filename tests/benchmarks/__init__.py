"""What the product promises in seconds, measured. Ratios and distributions of one run, printed as tables; never tests."""

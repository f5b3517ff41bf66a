"""Chaos: the real pipeline under random faults. ``make chaos N=1000`` prints what was lost, duplicated, stuck, charged."""

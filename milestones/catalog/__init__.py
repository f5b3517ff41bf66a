"""The milestones that the product ships: a folder each, found by ``milestones.registry``."""

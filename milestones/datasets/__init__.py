"""The data sets that milestones measure with: installed ones, or practice data of our own making."""

from milestones.datasets.store import DataStore, ImageData, TextData, open_store

__all__ = ["DataStore", "ImageData", "TextData", "open_store"]

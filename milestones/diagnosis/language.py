"""Mistakes in the parts of a GPT, in the whole of it, and in what it writes."""

from __future__ import annotations

"""Checks shared by milestones. Each is a plain function ``(student, lab) -> Measurement`` named for what it finds out."""

"""Starter kits: what a student downloads for one milestone, and how its scripts run the server's own checks at home.

``contents`` packs a kit, ``readme`` writes its README out of the rubric; ``public_checks`` and ``run`` are what a kit's scripts
call on the student's machine.
"""

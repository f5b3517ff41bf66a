"""From upload to result, in the order of the files: intake, dispatch, evaluation, scoring, results.

Data moves in that direction only. Each step ends with a commit that says what remains to do, so any of them can die.
"""

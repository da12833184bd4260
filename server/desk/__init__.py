"""What the office does with facts, as plain functions over plain values: import, dispatch, deadlines, points.

Refuses to know where rows live and how they travel: no web, no database. Limits, weights and code lists are data files
in this folder, each value with its source beside it.
"""

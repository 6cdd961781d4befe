"""The models for tables, and how their answers are scored.

``network`` is what is trained: features in, answers out. ``linear`` has the ridge and
logistic regression that it starts from and that stand beside its scores.
"""

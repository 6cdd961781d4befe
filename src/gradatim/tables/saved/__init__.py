"""A table's training as files: its run folder, its model, predictions, evaluation."""

"""From a table to a trained model with honest scores beside it."""

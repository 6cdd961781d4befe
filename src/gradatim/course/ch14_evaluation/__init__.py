"""Chapter 14: Evaluation and schedules."""

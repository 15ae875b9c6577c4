"""What a face does: expressions over time, and the curves that other programs know them by."""

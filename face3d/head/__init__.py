"""The morphable head: one layer for every model, its files, and the points on its surface."""

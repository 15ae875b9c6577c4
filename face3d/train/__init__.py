"""Training: MICA, face3d's own regressor, and the synthetic heads that it learns from."""

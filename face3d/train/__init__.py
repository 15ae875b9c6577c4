"""Training: labelled synthetic heads (`face3d.train.synthetic`) and the networks that learn from them."""

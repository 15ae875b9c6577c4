"""How far results are from the truth: the NoW protocol, any two meshes, and landmarks by the field's measures."""

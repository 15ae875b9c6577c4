"""How far results are from the truth: the NoW protocol, mesh against mesh, and landmark error by the field's measures."""

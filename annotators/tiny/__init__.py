"""Models of the preset `smoke`: the classes of `paper` with a few random weights, made on the spot."""

"""The kinds of source, one module each; a new one is one more file here that registers itself."""

"""Annotators: code that turns the images of a record into further images of it."""

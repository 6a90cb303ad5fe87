"""Task sampling: paths of the schema graph turned into image grids with a hole."""

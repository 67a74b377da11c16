"""`nnkit check FILE` and `%%check`: run the visible tests of an assignment notebook."""

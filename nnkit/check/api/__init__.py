"""The checks that notebooks call: of gates and functions, of networks, of graphs."""

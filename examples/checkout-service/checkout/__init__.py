"""Prices carts and takes orders."""

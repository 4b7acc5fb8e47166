"""Doors of frameworks: a module for each, loaded when it is asked for."""

"""Doors of frameworks: a module for each, loaded by the script that has its framework."""

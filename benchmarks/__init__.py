"""Measurements of the job and its parts, and the logs they run on."""

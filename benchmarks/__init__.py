"""Figures of speed, as ratios between things that were measured in the same run."""

"""What tests share: waiting for a condition, and gates that tasks stand at."""

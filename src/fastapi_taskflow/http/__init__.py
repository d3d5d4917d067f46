"""What `TaskAdmin` serves: routes of a few lines each over `operations`, and who may use them."""

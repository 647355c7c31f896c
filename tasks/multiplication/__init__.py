"""Long multiplication as it is done by hand, one digit a step."""

"""A team's own code, as the storms' workflows use it; every stage notes its effect before it returns."""

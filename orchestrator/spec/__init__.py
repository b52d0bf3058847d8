"""What a person writes: one YAML file, its models, and its problems as file:line:column."""

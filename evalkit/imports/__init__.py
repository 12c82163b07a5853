"""What others wrote, as ours: configs, tables and logs become suites, results become runs. Nothing is executed."""

"""What people and programs see of a database: pages, and an API; both read it, and nothing else."""

"""What programs see of a database: a REST API over the questions that the pages ask as well."""

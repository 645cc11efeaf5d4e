"""The FIX dictionaries, one JSON file a version; see NOTICE for where the facts come from."""

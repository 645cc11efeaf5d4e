"""Charts as Vega-Lite specifications: pure functions of rows, in UTC, with no address in them."""
